"""Rows that a walk down trees could get wrong: at thresholds, one step beside them, at the ends of the numbers."""

from collections.abc import Iterable
from typing import Any

import numpy as np

COUNTS = (1, 2, 7, 8, 9, 15, 16, 17, 64, 1000)
ODD = np.array([0.0, -0.0, 5e-324, -5e-324, 1e-310, -1e-310, 1e-45, -1e-45, 7e-46, 1.2e-38, 1.0, -1.0])
HUGE_SINGLE = np.array([3.4028234e38, -3.4028234e38, 3.4028235e38, -3.4028235e38, 1e30, -1e30])
HUGE = np.array([1.7976931348623157e308, -1.7976931348623157e308, 1e300, -1e300, 1e39, -1e39])


def thresholds(estimator: Any) -> list[np.ndarray]:
    """For each feature, what the estimator's trees compare it with."""
    found: list[list[np.ndarray]] = [[] for _ in range(estimator.n_features_in_)]
    for feature, threshold, leaf in _nodes(estimator):
        for column in np.unique(feature[~leaf]):
            found[column].append(threshold[~leaf & (feature == column)])
    return [np.unique(np.concatenate([np.zeros(1), *each])) for each in found]


def _nodes(estimator: Any) -> Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    if hasattr(estimator, "_predictors"):
        for stage in estimator._predictors:
            for predictor in stage:
                nodes = predictor.nodes
                yield nodes["feature_idx"], nodes["num_threshold"], nodes["is_leaf"] != 0
        return
    members = estimator.estimators_ if hasattr(estimator, "estimators_") else [estimator]
    for member in np.ravel(np.asarray(members, dtype=object)):
        tree = member.tree_
        yield tree.feature, tree.threshold, tree.children_left == -1


def beside(values: np.ndarray, rounds: bool) -> np.ndarray:
    """The values themselves, as float32, and one step of float32 and of float64 to either side.

    rounds: only what float32 can hold."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
        steps = [np.nextafter(single, np.float32(end)).astype(np.float64) for end in (np.inf, -np.inf)]
        halves = [(single.astype(np.float64) + step) / 2 for step in steps]  # where rounding to float32 is a tie
        around = [np.nextafter(values, end) for end in (np.inf, -np.inf)]
        every = np.concatenate([values, single.astype(np.float64), *steps, *halves, *around])
        return every[np.isfinite(every.astype(np.float32) if rounds else every)]


def rows(estimator: Any, x: np.ndarray, count: int = 2000, seed: int = 0) -> np.ndarray:
    """float64, C-contiguous: rows like x, rows made of what lies beside thresholds, and of odd and huge numbers."""
    random = np.random.default_rng(seed)
    features = estimator.n_features_in_
    like = x.mean(axis=0) + x.std(axis=0) * random.normal(size=(count, features)) * 1.5
    rounds = not hasattr(estimator, "_predictors")
    edges = np.column_stack([random.choice(beside(each, rounds), size=count) for each in thresholds(estimator)])
    huge = HUGE_SINGLE if rounds else HUGE
    odd = random.choice(np.concatenate([ODD, huge]), size=(count // 4, features))
    mixed = np.where(random.random((count, features)) < 0.3, edges, like)
    strange = np.where(random.random(odd.shape) < 0.3, odd, like[: len(odd)])
    every = np.concatenate([like, edges, odd, mixed, strange, np.asarray(x, dtype=np.float64)])
    return np.ascontiguousarray(random.permutation(every))
