"""What is not on the list, or not as it was read, is left to the estimator."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from modelmoor_server import native
from modelmoor_server.runtimes.sklearn.shortcuts import trees
from unit.serving.native.proof import methods

Numbers = tuple[np.ndarray, np.ndarray]


class OwnForest(RandomForestRegressor):
    """A user's class: what its methods do is not known."""


class OwnTree(DecisionTreeRegressor):
    """The same, for a member."""


def test_other_estimators_are_left_alone(numbers: Numbers, labelled: dict[int, Numbers]) -> None:
    """Subclasses, other ensembles, estimators that were never fitted, things that are none."""
    x, y = numbers
    assert methods(OwnForest(3).fit(x, y)) is None
    assert methods(RandomForestRegressor(3)) is None
    assert methods(object()) is None
    assert methods(RandomForestRegressor) is None
    for other in (BaggingClassifier(), AdaBoostClassifier(n_estimators=3), IsolationForest(), RandomTreesEmbedding(3)):
        assert methods(other.fit(*labelled[2])) is None


def test_several_targets_are_left_alone(numbers: Numbers, labelled: dict[int, Numbers]) -> None:
    """Their answers have other shapes."""
    x, y = numbers
    both = np.column_stack([y, -y])
    assert methods(DecisionTreeRegressor(max_depth=2).fit(x, both)) is None
    assert methods(RandomForestRegressor(3).fit(x, both)) is None
    x, y = labelled[3]
    assert methods(RandomForestClassifier(3).fit(x, np.column_stack([y, y == 1]))) is None
    assert methods(DecisionTreeClassifier(max_depth=2).fit(x, np.column_stack([y, y == 1]))) is None


def test_categories_and_other_starts_are_left_alone(numbers: Numbers) -> None:
    """A start by another estimator, and categories."""
    x, y = numbers
    assert methods(GradientBoostingRegressor(n_estimators=3, init=LinearRegression()).fit(x, y)) is None
    categories = np.column_stack([x[:, 1:], np.arange(len(x)) % 4])
    model = HistGradientBoostingRegressor(max_iter=3, categorical_features=[5]).fit(categories, y)
    assert methods(model) is None


def _set(**attributes: Any) -> Callable[[Any], None]:
    return lambda model: vars(model).update(attributes)


def _nodes(name: str, value: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model._predictors[1][0].nodes[name][0] = value

    return change


def _member(forest: Any) -> None:
    x = np.random.default_rng(0).normal(size=(20, 6))
    forest.estimators_[1] = OwnTree(max_depth=2).fit(x, x[:, 0])


def _state(name: str, value: Any) -> Callable[[Any], None]:
    """A tree of a forest whose compiled part was forged by a pickle."""

    def change(forest: Any) -> None:
        tree = forest.estimators_[0].tree_
        state = tree.__getstate__()
        (state["values"] if name == "values" else state["nodes"][name])[0] = value
        tree.__setstate__(state)

    return change


FOREST: list[Callable[[Any], None]] = [
    _set(n_features_in_=5),
    _set(n_outputs_=2),
    _set(estimators_=[]),
    _set(estimators_=()),
    _set(estimators_=None),
    _set(predict=print),
    lambda forest: vars(forest).pop("n_outputs_"),
    _member,
    lambda forest: vars(forest.estimators_[0]).update(n_features_in_=5),
    lambda forest: vars(forest.estimators_[0]).update(n_outputs_=2),
    lambda forest: vars(forest.estimators_[0]).update(predict=print),
    _state("feature", 6),
    _state("feature", -3),
    _state("left_child", 10_000_000),
    _state("left_child", 0),
    _state("right_child", -1),
    _state("right_child", 1),
    _state("threshold", np.nan),
    _state("values", np.inf),
]
BOOSTING: list[Callable[[Any], None]] = [
    _set(learning_rate=None),
    _set(learning_rate="0.1"),
    _set(init_=LinearRegression()),
    _set(init_="other"),
    _set(_loss=None),
    _set(n_trees_per_iteration_=2),
    _set(classes_=np.array([0, 1, 2])),
    _set(classes_=[0, 1]),
    lambda model: vars(model).update(estimators_=model.estimators_.ravel()),
    lambda model: vars(model).update(estimators_=model.estimators_[:0]),
]
HISTOGRAM: list[Callable[[Any], None]] = [
    _nodes("left", 4_000_000_000),
    _nodes("right", 0),
    _nodes("feature_idx", 6),
    _nodes("feature_idx", -1),
    _nodes("num_threshold", np.nan),
    _nodes("is_categorical", 1),
    _nodes("value", np.nan),
    _set(_predictors=[]),
    _set(_predictors=None),
    _set(_preprocessor=print),
    _set(is_categorical_=np.zeros(6, dtype=bool)),
    _set(_baseline_prediction=np.zeros((1, 2))),
    _set(_baseline_prediction=np.zeros((1, 1), dtype=np.float32)),
    _set(_in_fit=True),
    _set(_loss=None),
    _set(n_trees_per_iteration_=2),
    lambda model: model._predictors[0].append(model._predictors[0][0]),
    lambda model: vars(model._predictors[0][0]).update(predict=print),
]


def _expect_none(model: Any, damage: Callable[[Any], None]) -> None:
    whole = copy.deepcopy(model)
    assert methods(whole) is not None
    damage(whole)
    assert methods(whole) is None


@pytest.mark.parametrize("damage", FOREST)
def test_a_damaged_forest_is_left_alone(damage: Callable[[Any], None], numbers: Numbers) -> None:
    """Whatever a hand or a forged pickle changed: nothing is read out of bounds, nothing is guessed."""
    _expect_none(RandomForestRegressor(3, max_depth=3, random_state=0).fit(*numbers), damage)


@pytest.mark.parametrize("damage", BOOSTING)
def test_damaged_boosting_is_left_alone(damage: Callable[[Any], None], labelled: dict[int, Numbers]) -> None:
    """The same for gradient boosting."""
    _expect_none(GradientBoostingClassifier(n_estimators=3, random_state=0).fit(*labelled[2]), damage)


@pytest.mark.parametrize("damage", HISTOGRAM)
def test_damaged_histogram_boosting_is_left_alone(damage: Callable[[Any], None], numbers: Numbers) -> None:
    """The same for histogram boosting."""
    _expect_none(HistGradientBoostingRegressor(max_iter=3, random_state=0).fit(*numbers), damage)


def test_another_processor_leaves_products_alone(monkeypatch: pytest.MonkeyPatch, numbers: Numbers) -> None:
    """Where a compiler may fuse multiply and add, gradient boosting is scikit-learn's; forests only add."""
    monkeypatch.setattr(trees, "ROUNDS_TWICE", False)
    assert methods(GradientBoostingRegressor(n_estimators=3).fit(*numbers)) is None
    assert methods(RandomForestRegressor(3).fit(*numbers)) is not None


def test_without_the_kernel_nothing_is_taken(monkeypatch: pytest.MonkeyPatch, numbers: Numbers) -> None:
    """An installation without the extension leaves every estimator to scikit-learn."""
    monkeypatch.setattr(native, "available", False)
    assert methods(RandomForestRegressor(3).fit(*numbers)) is None


@pytest.mark.slow
def test_the_package_works_without_the_extension(tmp_path: Path) -> None:
    """A real process in which the extension cannot be imported."""
    code = """
import sys
sys.modules["modelmoor_server.native._kernel"] = None
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from modelmoor_server import native
from modelmoor_server.runtimes.sklearn.shortcuts.proof import candidates_of
x = np.arange(20.0).reshape(10, 2)
assert native.available is False
assert candidates_of(RandomForestRegressor(3).fit(x, x[:, 0])) == {}
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"})
