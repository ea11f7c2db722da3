"""A description becomes the functions that answer: the same calls, on the same operands, as in scikit-learn's code.

The product must be the same call of the same BLAS: `coefficients.T` stays a view, since a copy in another layout may
be summed in another order; what comes after sums over trees is done on an array of the same layout, because NumPy's
functions may differ in the last bit from one layout to another. Sources: LinearModel and LinearClassifierMixin
(linear_model/_base.py), LogisticRegression (linear_model/_logistic.py), softmax (utils/extmath.py), the links
(_loss/link.py), preprocessing/_data.py. docs/decisions/0018-native-trees.md, docs/decisions/0019-shortcuts.md
"""

from collections.abc import Callable

import numpy as np

from modelmoor_server import native
from modelmoor_server.runtimes.flat.description import Described, Linear, Rule, Scaling, Trees

Method = Callable[[np.ndarray], np.ndarray]
"""C-contiguous float64 rows, all of them finite, in; what the estimator's own method returns, out. Raises Unfit."""


class Unfit(Exception):
    """These values are for scikit-learn itself to answer, or to refuse."""


def methods_of(described: Described) -> dict[str, Method]:
    """The functions by the names of the estimator's methods. Raises ValueError where trees are no trees."""
    scores = _linear(described) if isinstance(described.scores, Linear) else _sums(described.scores)
    found = _RULES[described.rule](described, scores)
    if not described.scalings:
        return found
    return {name: _behind(described.scalings, method) for name, method in found.items()}


def is_finite(x: np.ndarray) -> bool:
    """Whether every number is, as scikit-learn looks for it: by the sum, and one by one where that overflows."""
    return bool(np.isfinite(x.sum())) or bool(np.isfinite(x).all())


def expit(scores: np.ndarray) -> np.ndarray:
    """`1 / (1 + exp(-x))`, in place, by the C library's `exp` as in SciPy: NumPy's own differs in the last bit."""
    if native.available:
        native.expit(scores)
        return scores
    from scipy.special import expit as own  # an installation without the kernel: slower to start, no other answer

    answer: np.ndarray = own(scores, out=scores)
    return answer


# ---- scores ----


def _linear(described: Described) -> Method:
    linear = described.scores
    assert isinstance(linear, Linear)
    coefficients, intercept = linear.coefficients, linear.intercept
    weights = coefficients if coefficients.ndim == 1 else coefficients.T

    def scores(x: np.ndarray) -> np.ndarray:
        answer: np.ndarray = x @ weights + intercept
        return answer

    def one(x: np.ndarray) -> np.ndarray:
        answer: np.ndarray = x @ weights + intercept
        return answer.reshape(-1)

    single = described.rule is not Rule.VALUE and weights.ndim == 2 and weights.shape[1] == 1
    return one if single else scores


def _sums(trees: Trees) -> Method:
    """[rows, features] to the sums: [rows] for one, else [rows, sums]."""
    sums = len(trees.start)
    run = native.Ensemble(trees.trees, trees.features, trees.width, trees.start, trees.divisor, trees.single).run

    def one(x: np.ndarray) -> np.ndarray:
        out = np.empty(x.shape[0])
        if not x.shape[0] or not run(x, out, False):
            raise Unfit
        return out

    def several(x: np.ndarray) -> np.ndarray:
        out = np.empty((x.shape[0], sums))
        if not x.shape[0] or not run(x, out, False):
            raise Unfit
        return out

    def by_column(x: np.ndarray) -> np.ndarray:
        out = np.empty((sums, x.shape[0]))
        if not x.shape[0] or not run(x, out, True):
            raise Unfit
        return out.T

    return one if sums == 1 else by_column if trees.by_column else several


def _behind(scalings: tuple[Scaling, ...], method: Method) -> Method:
    """`method`, of rows that are scaled before; what a scaling makes infinite, the last step would refuse."""
    steps = [(getattr(np, name), operand) for name, operand in scalings]

    def scaled(x: np.ndarray) -> np.ndarray:
        rows = x.copy()
        for ufunc, operand in steps:
            ufunc(rows, operand, out=rows)
        if not is_finite(rows):
            raise Unfit
        return method(rows)

    return scaled


# ---- rules ----


def _value(described: Described, scores: Method) -> dict[str, Method]:
    return {"predict": scores}


def _exponential(described: Described, scores: Method) -> dict[str, Method]:
    return {"predict": lambda x: np.exp(scores(x))}


def _sides(described: Described, decision: Method) -> dict[str, Method]:
    classes = _classes(described)

    def predict(x: np.ndarray) -> np.ndarray:
        scores = decision(x)
        indices = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return classes.take(indices)

    return {"predict": predict, "decision_function": decision}


def _logistic(described: Described, decision: Method) -> dict[str, Method]:
    def predict_proba(x: np.ndarray) -> np.ndarray:
        scores = decision(x)
        if scores.ndim != 1:
            raise AssertionError("two classes have one score")
        scores = expit(scores)
        return np.stack([1 - scores, scores], axis=1)

    return _sides(described, decision) | {"predict_proba": predict_proba}


def _softmax(described: Described, decision: Method) -> dict[str, Method]:
    return _sides(described, decision) | {"predict_proba": lambda x: _softened(decision(x))}


def _shares(described: Described, shares: Method) -> dict[str, Method]:
    classes = _classes(described)
    # one class is a column of its own, too
    proba = shares if len(classes) > 1 else lambda x: shares(x).reshape(-1, 1)
    return {"predict_proba": proba, "predict": lambda x: classes.take(proba(x).argmax(axis=1), axis=0)}


def _boosted_two(described: Described, raw: Method) -> dict[str, Method]:
    classes, above = _classes(described), np.greater_equal if described.at_least else np.greater
    doubled = described.rule is Rule.BOOSTED_EXPONENTIAL

    def predict_proba(x: np.ndarray) -> np.ndarray:
        scores = raw(x)
        second = expit(2 * scores if doubled else scores)
        proba = np.empty((len(second), 2))
        proba[:, 1] = second
        proba[:, 0] = 1 - proba[:, 1]
        return proba

    return {
        "decision_function": raw,
        "predict": lambda x: classes[above(raw(x), 0).astype(int)],
        "predict_proba": predict_proba,
    }


def _boosted_several(described: Described, raw: Method) -> dict[str, Method]:
    classes = _classes(described)
    return {
        "decision_function": raw,
        "predict": lambda x: classes[raw(x).argmax(axis=1)],
        "predict_proba": lambda x: _softened(raw(x)),
    }


def _softened(scores: np.ndarray) -> np.ndarray:
    """Softmax along the rows, in place and in the layout that the scores have."""
    scores -= scores.max(axis=1).reshape(-1, 1)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1).reshape(-1, 1)
    return scores


def _classes(described: Described) -> np.ndarray:
    if described.classes is None:
        raise ValueError("a classifier has classes")
    return described.classes


_RULES: dict[Rule, Callable[[Described, Method], dict[str, Method]]] = {
    Rule.VALUE: _value,
    Rule.EXPONENTIAL: _exponential,
    Rule.SIDES: _sides,
    Rule.LOGISTIC: _logistic,
    Rule.SOFTMAX: _softmax,
    Rule.SHARES: _shares,
    Rule.BOOSTED_BINOMIAL: _boosted_two,
    Rule.BOOSTED_EXPONENTIAL: _boosted_two,
    Rule.BOOSTED_MULTINOMIAL: _boosted_several,
}
