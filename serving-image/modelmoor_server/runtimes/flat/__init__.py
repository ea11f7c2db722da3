"""Models of plain arrays: linear models, trees and sums of them. NumPy and the native kernel, and no framework.

description.py  what such a model is: scalings, scores, and a rule that makes answers of scores
functions.py    a description -> the functions that answer, call by call as scikit-learn computes
answers.py      the functions behind the checks that keep every other row for scikit-learn
store.py        a description as JSON and one file of arrays, and back
model.py        an optimized artifact in service; scikit-learn and the original come in when a row needs them

runtimes/sklearn/shortcuts/ makes descriptions of live estimators and proves their functions against them.
"""

from modelmoor_server.runtimes.flat.model import open_form

__all__ = ["open_form"]
