"""Trees and what is summed up of them, in arrays for the native kernel: every bit as scikit-learn computes it.

Each builder below follows the estimator's own code (scikit-learn 1.9; the versions that were read stand in
independence.py): where it rounds to float32, in what order it adds, what it divides, what its sums begin with, and
what comes after the sums. docs/decisions/0018-native-trees.md
"""

import platform
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from modelmoor_server import native
from modelmoor_server.runtimes.base import Independence
from modelmoor_server.runtimes.flat.description import Described, Flat, Rule, Trees
from modelmoor_server.runtimes.sklearn.independence import independence_of

SIZES = (1, 2, 9, 64)  # rows for which the first sums of boosting must be the same
# sums of products: compilers for other processors may contract the two, and then scikit-learn rounds once
ROUNDS_TWICE = platform.machine().lower() in ("x86_64", "amd64")


class _NotProvenError(Exception):
    """Something about the estimator is not as it was read."""


def describe(estimator: Any) -> Described | None:
    """A fitted estimator on the list in arrays, whose functions then answer as its methods do: dtype, shape and bits.

    None: not on the list, a parameter or an attribute is not as expected, no kernel.
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


def _sums(
    trees: list[Flat],
    features: int,
    start: np.ndarray,
    *,
    divisor: float = 1.0,
    single: bool = True,
    by_column: bool = False,
) -> Trees:
    _require(trees)
    return Trees(tuple(trees), features, trees[0][4].size // len(trees[0][0]), start, divisor, single, by_column)


def _classes(estimator: Any, count: int) -> np.ndarray:
    classes = estimator.classes_
    _require(type(classes) is np.ndarray, classes.shape == (count,))
    return np.array(classes)


# ---- estimators ----


def _votes(estimator: Any, trees: list[Flat], start: float, divisor: float) -> Described:
    """A tree or a forest: the class with the highest share, or the value."""
    features = int(estimator.n_features_in_)
    if not hasattr(estimator, "classes_"):
        return Described(_sums(trees, features, np.array([start]), divisor=divisor), Rule.VALUE)
    count = int(estimator.n_classes_)
    classes = _classes(estimator, count)
    return Described(_sums(trees, features, np.full(count, start), divisor=divisor), Rule.SHARES, classes)


def _tree(estimator: Any) -> Described:
    names = (type(estimator).__name__,)
    classes = int(estimator.n_classes_) if hasattr(estimator, "classes_") else None
    trees = _decision_trees([estimator], names, int(estimator.n_features_in_), classes)
    return _votes(estimator, trees, -0.0, 1.0)  # -0.0 and a number are that number, whichever zero it is


def _forest(member: str) -> Callable[[Any], Described]:
    def build(estimator: Any) -> Described:
        _require(estimator.n_outputs_ == 1, type(estimator.estimators_) is list)
        classes = int(estimator.n_classes_) if hasattr(estimator, "classes_") else None
        trees = _decision_trees(estimator.estimators_, (member,), int(estimator.n_features_in_), classes)
        return _votes(estimator, trees, 0.0, float(len(trees)))

    return build


def _boosting(estimator: Any) -> Described:
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
        return Described(raw, Rule.VALUE)
    return _decided(estimator, raw, columns, at_least=True)


def _histogram(estimator: Any) -> Described:
    features, columns = int(estimator.n_features_in_), int(estimator.n_trees_per_iteration_)
    _require(estimator._preprocessor is None, estimator.is_categorical_ is None)
    _require(not getattr(estimator, "_in_fit", False), type(estimator._predictors) is list)
    _require(all(len(stage) == columns for stage in estimator._predictors))
    baseline = estimator._baseline_prediction
    _require(baseline.dtype == np.float64, baseline.shape == (1, columns))
    trees = [_flat_histogram(predictor) for stage in estimator._predictors for predictor in stage]
    start = np.zeros(columns) + baseline[0]
    raw = _sums(trees, features, start, single=False, by_column=columns > 1)
    if hasattr(estimator, "classes_"):
        return _decided(estimator, raw, columns, at_least=False)
    link = estimator._loss.link
    if _is(link, "sklearn._loss.link", "IdentityLink"):
        return Described(raw, Rule.VALUE)
    _require(_is(link, "sklearn._loss.link", "LogLink"))
    return Described(raw, Rule.EXPONENTIAL)


def _decided(estimator: Any, raw: Trees, columns: int, *, at_least: bool) -> Described:
    """A boosted classifier. at_least: how a sum of the second of two classes is compared with 0."""
    loss, classes = estimator._loss, _classes(estimator, columns if columns > 1 else 2)
    rules = _SEVERAL if columns > 1 else _TWO
    _require(_is(loss, "sklearn._loss.loss", *rules))
    return Described(raw, rules[type(loss).__name__], classes, at_least)


_SEVERAL = {"HalfMultinomialLoss": Rule.BOOSTED_MULTINOMIAL}
_TWO = {"HalfBinomialLoss": Rule.BOOSTED_BINOMIAL, "ExponentialLoss": Rule.BOOSTED_EXPONENTIAL}
_HISTOGRAM = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting"
_LISTED: dict[tuple[str, str], Callable[[Any], Described]] = {
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
