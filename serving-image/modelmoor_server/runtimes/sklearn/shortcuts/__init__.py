"""The same answers, bit for bit, without what scikit-learn does around them at each call: validation, dispatch, Python.

linear.py     linear models in arrays: one product and sum, and a rule for the scores
scaling.py    transformers before them in a pipeline: a subtraction, a division
trees.py      forests and boosted trees in arrays
proof.py      which functions (runtimes/flat) an estimator gets, and the comparison that they have to pass before

Only for exact types on a list, with the arithmetic of the version of scikit-learn that is installed; anything else,
and any input that scikit-learn might refuse, goes to scikit-learn. docs/decisions/0019-shortcuts.md tells why.
"""
