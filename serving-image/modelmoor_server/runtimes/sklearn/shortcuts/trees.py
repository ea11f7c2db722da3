"""Trees and what is summed up of them, walked by the native kernel: every bit as scikit-learn computes it.

Each builder below follows the estimator's own code (scikit-learn 1.9; the versions that were read stand in
independence.py): where it rounds to float32, in what order it adds, what it divides, what its sums begin with. What
comes after the sums (argmax, expit, softmax) is the same call on an array of the same layout, because NumPy's
functions may differ in the last bit from one layout to another. docs/decisions/0018-native-trees.md
"""

import platform
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from modelmoor_server import native
from modelmoor_server.runtimes.base import Independence
from modelmoor_server.runtimes.sklearn.independence import independence_of
from modelmoor_server.runtimes.sklearn.shortcuts import Method, Unfit

Flat = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]

SIZES = (1, 2, 9, 64)  # rows for which the first sums of boosting must be the same
# sums of products: compilers for other processors may contract the two, and then scikit-learn rounds once
ROUNDS_TWICE = platform.machine().lower() in ("x86_64", "amd64")


class _NotProvenError(Exception):
    """Something about the estimator is not as it was read."""


def methods(estimator: Any) -> dict[str, Method] | None:
    """Functions that answer as the estimator's methods of these names do: same dtype, shape and bits.

    Each takes C-contiguous float64 of shape [rows, n_features_in_], may be called from any thread, and raises Unfit
    where the estimator itself must be asked: no rows, a number that is not finite, or not as float32 where the
    estimator rounds to that. None: not on the list, a parameter or an attribute is not as expected, no kernel.
    """
    if not native.available or independence_of(estimator) is Independence.UNKNOWN:
        return None
    build = _LISTED.get((type(estimator).__module__, type(estimator).__qualname__))
    if build is None:
        return None
    try:
        return build(estimator)
    except (_NotProvenError, AttributeError, TypeError, ValueError, LookupError, OverflowError):
        return None


def _require(*conditions: Any) -> None:
    if not all(conditions):
        raise _NotProvenError


def _is(thing: Any, module: str, *names: str) -> bool:
    """An instance of just one of these classes, and nothing of its own stands before a method of the class."""
    kind = type(thing)
    if kind not in [getattr(sys.modules.get(module), name, None) for name in names]:
        return False
    return not any(callable(getattr(kind, name, None)) for name in getattr(thing, "__dict__", ()))


# ---- flat arrays ----


def _flat(tree: Any, features: int, width: int) -> Flat:
    """A sklearn.tree._tree.Tree. width: values a node."""
    _require(_is(tree, "sklearn.tree._tree", "Tree"), tree.n_features == features, tree.n_outputs == 1)
    values = np.ascontiguousarray(tree.value, dtype=np.float64)
    _require(values.shape == (tree.node_count, 1, width), np.isfinite(values).all())
    left, right, feature = (
        np.ascontiguousarray(part, dtype=np.int64) for part in (tree.children_left, tree.children_right, tree.feature)
    )
    return left, right, feature, np.ascontiguousarray(tree.threshold, dtype=np.float64), values


def _flat_histogram(predictor: Any) -> Flat:
    """A TreePredictor of histogram gradient boosting."""
    _require(_is(predictor, "sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"))
    nodes = predictor.nodes
    _require(isinstance(nodes, np.ndarray), nodes.ndim == 1, not nodes["is_categorical"].any())
    leaf, values = nodes["is_leaf"] != 0, np.ascontiguousarray(nodes["value"], dtype=np.float64)
    _require(np.isfinite(values).all())
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    feature = np.ascontiguousarray(nodes["feature_idx"], dtype=np.int64)
    return left, right, feature, np.ascontiguousarray(nodes["num_threshold"], dtype=np.float64), values


def _decision_trees(trees: Iterable[Any], names: tuple[str, ...], features: int, classes: int | None) -> list[Flat]:
    """Fitted DecisionTree... and ExtraTree..., members of a forest or alone. classes: None for regressors."""
    flat = []
    for tree in trees:
        _require(_is(tree, "sklearn.tree._classes", *names), tree.n_outputs_ == 1, tree.n_features_in_ == features)
        _require(classes is None or tree.n_classes_ == classes)
        flat.append(_flat(tree.tree_, features, classes or 1))
    return flat


# ---- calls ----


def _sums(
    trees: list[Flat],
    features: int,
    start: np.ndarray,
    *,
    divisor: float = 1.0,
    single: bool = True,
    fortran: bool = False,
) -> Method:
    """[rows, features] to the sums: [rows] for one, else [rows, sums]. fortran: column by column in memory."""
    sums = len(start)
    width = trees[0][4].size // len(trees[0][0])
    run = native.Ensemble(tuple(trees), features, width, start, divisor, single).run

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

    return one if sums == 1 else by_column if fortran else several


def _classes(estimator: Any, count: int) -> np.ndarray:
    classes = estimator.classes_
    _require(type(classes) is np.ndarray, classes.shape == (count,))
    return np.array(classes)


# ---- estimators ----


def _votes(estimator: Any, trees: list[Flat], start: float, divisor: float) -> dict[str, Method]:
    """A tree or a forest: the class with the highest share, or the value."""
    features = int(estimator.n_features_in_)
    if not hasattr(estimator, "classes_"):
        return {"predict": _sums(trees, features, np.array([start]), divisor=divisor)}
    count = int(estimator.n_classes_)
    classes = _classes(estimator, count)
    # one class is a column of its own, too
    shares = _sums(trees, features, np.full(count, start), divisor=divisor)
    proba = shares if count > 1 else lambda x: shares(x).reshape(-1, 1)
    return {"predict_proba": proba, "predict": lambda x: classes.take(proba(x).argmax(axis=1), axis=0)}


def _tree(estimator: Any) -> dict[str, Method]:
    names = (type(estimator).__name__,)
    classes = int(estimator.n_classes_) if hasattr(estimator, "classes_") else None
    trees = _decision_trees([estimator], names, int(estimator.n_features_in_), classes)
    return _votes(estimator, trees, -0.0, 1.0)  # -0.0 and a number are that number, whichever zero it is


def _forest(member: str) -> Callable[[Any], dict[str, Method]]:
    def build(estimator: Any) -> dict[str, Method]:
        _require(estimator.n_outputs_ == 1, type(estimator.estimators_) is list)
        classes = int(estimator.n_classes_) if hasattr(estimator, "classes_") else None
        trees = _decision_trees(estimator.estimators_, (member,), int(estimator.n_features_in_), classes)
        return _votes(estimator, trees, 0.0, float(len(trees)))

    return build


def _boosting(estimator: Any) -> dict[str, Method]:
    features, columns = int(estimator.n_features_in_), int(estimator.n_trees_per_iteration_)
    members, rate = estimator.estimators_, estimator.learning_rate
    _require(
        ROUNDS_TWICE,
        isinstance(rate, int | float),
        type(members) is np.ndarray,
        members.ndim == 2,
        members.shape[1] == columns,
    )
    init = estimator.init_
    _require(isinstance(init, str) or _is(init, "sklearn.dummy", "DummyClassifier", "DummyRegressor"))
    first = [estimator._raw_predict_init(np.zeros((rows, features), dtype=np.float32)) for rows in SIZES]
    start = first[0][0]
    _require(start.dtype == np.float64, start.shape == (columns,), all((rows == start).all() for rows in first))
    trees = _decision_trees(members.ravel(), ("DecisionTreeRegressor",), features, None)
    scaled = [(left, right, feature, threshold, rate * value) for left, right, feature, threshold, value in trees]
    raw = _sums(scaled, features, start.copy())
    if not hasattr(estimator, "classes_"):
        return {"predict": raw}
    return _decided(estimator, raw, columns, np.greater_equal)


def _histogram(estimator: Any) -> dict[str, Method]:
    features, columns = int(estimator.n_features_in_), int(estimator.n_trees_per_iteration_)
    _require(estimator._preprocessor is None, estimator.is_categorical_ is None)
    _require(not getattr(estimator, "_in_fit", False), type(estimator._predictors) is list)
    _require(all(len(stage) == columns for stage in estimator._predictors))
    baseline = estimator._baseline_prediction
    _require(baseline.dtype == np.float64, baseline.shape == (1, columns))
    trees = [_flat_histogram(predictor) for stage in estimator._predictors for predictor in stage]
    raw = _sums(trees, features, np.zeros(columns) + baseline[0], single=False, fortran=columns > 1)
    if hasattr(estimator, "classes_"):
        return _decided(estimator, raw, columns, np.greater)
    link = estimator._loss.link
    if _is(link, "sklearn._loss.link", "IdentityLink"):
        return {"predict": raw}
    _require(_is(link, "sklearn._loss.link", "LogLink"))
    return {"predict": lambda x: np.exp(raw(x))}


def _decided(estimator: Any, raw: Method, columns: int, above: Any) -> dict[str, Method]:
    """A boosted classifier. above: how a sum of the second of two classes is compared with 0."""
    loss, classes = estimator._loss, _classes(estimator, columns if columns > 1 else 2)
    names = ("HalfMultinomialLoss",) if columns > 1 else ("HalfBinomialLoss", "ExponentialLoss")
    _require(_is(loss, "sklearn._loss.loss", *names))

    def code(x: np.ndarray) -> Any:
        return raw(x).argmax(axis=1) if columns > 1 else above(raw(x), 0).astype(int)

    return {
        "decision_function": raw,
        "predict": lambda x: classes[code(x)],
        "predict_proba": lambda x: loss.predict_proba(raw(x)),
    }


_HISTOGRAM = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting"
_LISTED: dict[tuple[str, str], Callable[[Any], dict[str, Method]]] = {
    ("sklearn.tree._classes", "DecisionTreeClassifier"): _tree,
    ("sklearn.tree._classes", "DecisionTreeRegressor"): _tree,
    ("sklearn.tree._classes", "ExtraTreeClassifier"): _tree,
    ("sklearn.tree._classes", "ExtraTreeRegressor"): _tree,
    ("sklearn.ensemble._forest", "RandomForestClassifier"): _forest("DecisionTreeClassifier"),
    ("sklearn.ensemble._forest", "RandomForestRegressor"): _forest("DecisionTreeRegressor"),
    ("sklearn.ensemble._forest", "ExtraTreesClassifier"): _forest("ExtraTreeClassifier"),
    ("sklearn.ensemble._forest", "ExtraTreesRegressor"): _forest("ExtraTreeRegressor"),
    ("sklearn.ensemble._gb", "GradientBoostingClassifier"): _boosting,
    ("sklearn.ensemble._gb", "GradientBoostingRegressor"): _boosting,
    (_HISTOGRAM, "HistGradientBoostingClassifier"): _histogram,
    (_HISTOGRAM, "HistGradientBoostingRegressor"): _histogram,
}
