"""The same answers, bit for bit, without what scikit-learn does around them at each call: validation, dispatch, Python.

linear.py     linear models: the one product and sum
scaling.py    transformers before them in a pipeline: a subtraction, a division
trees.py      forests and boosted trees by the native kernel
proof.py      which of them an estimator gets, and the comparison that it has to pass before

Only for exact types on a list, with the arithmetic of the version of scikit-learn that is installed; anything else,
and any input that scikit-learn might refuse, goes to scikit-learn. docs/decisions/0019-shortcuts.md tells why.
"""

from collections.abc import Callable

import numpy as np

Method = Callable[[np.ndarray], np.ndarray]
"""C-contiguous float64 rows, all of them finite, in; what the estimator's own method returns, out. Raises Unfit."""


class Unfit(Exception):
    """These values are for scikit-learn itself to answer, or to refuse."""
