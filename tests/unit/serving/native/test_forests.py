"""Trees and forests: the kernel's answers are scikit-learn's, bit by bit."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from modelmoor_server.runtimes.flat.functions import Unfit
from unit.serving.native.proof import methods, prove, unfit

Numbers = tuple[np.ndarray, np.ndarray]
TREES = (DecisionTreeClassifier, ExtraTreeClassifier)
FORESTS = (RandomForestClassifier, ExtraTreesClassifier)
SETTINGS: list[dict[str, Any]] = [
    {},
    {"max_depth": 1},
    {"max_depth": 3, "criterion": "entropy"},
    {"criterion": "log_loss", "min_samples_leaf": 5},
    {"ccp_alpha": 0.01},
    {"max_leaf_nodes": 7, "max_features": "sqrt"},
    {"class_weight": "balanced", "min_impurity_decrease": 0.001},
    {"splitter": "best", "class_weight": {0: 1.0, 1: 7.5}},
]
FOREST_SETTINGS: list[dict[str, Any]] = [
    {"n_estimators": 1},
    {"n_estimators": 17, "bootstrap": False},
    {"n_estimators": 40, "bootstrap": True, "max_samples": 0.5, "class_weight": "balanced_subsample"},
    {"n_estimators": 15, "n_jobs": 2, "bootstrap": True, "max_features": None},
]
REGRESSION: list[dict[str, Any]] = [
    {},
    {"max_depth": 1},
    {"max_depth": 3},
    {"criterion": "absolute_error", "max_depth": 4},
    {"criterion": "poisson", "max_depth": 5},
    {"ccp_alpha": 1.0, "max_leaf_nodes": 40},
    {"monotonic_cst": [1, -1, 0, 0, 0, 0]},
]
KINDS = {
    "integers": lambda y: y,
    "texts": lambda y: np.array([f"class {label}" for label in y]),
    "objects": lambda y: np.array([f"class {label}" for label in y], dtype=object),
    "floats": lambda y: y * 2.0 - 1.0,
}


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", TREES)
def test_a_single_classifier_is_equal(kind: Any, settings: dict[str, Any], labelled: dict[int, Numbers]) -> None:
    """For each number of classes and each way to grow, with weights of samples, too."""
    for classes, (x, y) in labelled.items():
        if isinstance(settings.get("class_weight"), dict) and classes > 2:
            continue
        weights = np.random.default_rng(0).random(len(y)) if classes == 3 else None
        prove(kind(random_state=0, **settings).fit(x, y, sample_weight=weights), x, 500)


@pytest.mark.slow
@pytest.mark.parametrize("settings", FOREST_SETTINGS, ids=str)
@pytest.mark.parametrize("kind", FORESTS)
def test_a_forest_of_classifiers_is_equal(kind: Any, settings: dict[str, Any], labelled: dict[int, Numbers]) -> None:
    """For each number of classes: the shares are added in the order of the trees."""
    for x, y in labelled.values():
        prove(kind(random_state=0, **settings).fit(x, y), x, 500)


@pytest.mark.parametrize("name", KINDS)
def test_labels_keep_their_type(name: str, labelled: dict[int, Numbers]) -> None:
    """Texts, objects and floats come back as what they were, and training on float32 changes nothing."""
    x, y = labelled[3]
    labels = KINDS[name](y)
    prove(DecisionTreeClassifier(random_state=0).fit(x.astype(np.float32), labels), x, 300)
    prove(RandomForestClassifier(20, random_state=0).fit(x.astype(np.float32), labels), x, 300)


@pytest.mark.parametrize("settings", REGRESSION, ids=str)
@pytest.mark.parametrize("kind", [DecisionTreeRegressor, ExtraTreeRegressor])
def test_a_single_regressor_is_equal(kind: Any, settings: dict[str, Any], numbers: Numbers) -> None:
    """Each criterion and each way to grow."""
    x, y = numbers
    prove(kind(random_state=0, **settings).fit(x, y), x, 500)


@pytest.mark.slow
@pytest.mark.parametrize("settings", REGRESSION, ids=str)
@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_a_forest_of_regressors_is_equal(kind: Any, settings: dict[str, Any], numbers: Numbers) -> None:
    """The mean of 19 trees, added in their order."""
    x, y = numbers
    settings = {"bootstrap": "max_depth" in settings, **settings}
    prove(kind(19, random_state=0, **settings).fit(x, y, sample_weight=np.arange(1.0, len(y) + 1)), x, 500)


def test_a_forest_that_grew_twice_is_equal(numbers: Numbers) -> None:
    """warm_start: the trees of both fits count."""
    x, y = numbers
    forest = RandomForestRegressor(5, warm_start=True, random_state=0).fit(x, y)
    prove(forest.set_params(n_estimators=12).fit(x, y), x, 300)


def test_holes_in_training_leave_finite_rows_equal(labelled: dict[int, Numbers]) -> None:
    """Trees that learned where to send NaN, and compare with infinity where NaN alone goes right."""
    for x, y in labelled.values():
        holes = np.where(np.random.default_rng(1).random(x.shape) < 0.3, np.nan, x)
        holes[y == 0, 0] = np.nan
        prove(DecisionTreeClassifier(random_state=0).fit(holes, y), x, 300)
        prove(RandomForestClassifier(10, random_state=0).fit(holes, y), x, 300)


@pytest.mark.slow
def test_odd_trees_are_equal() -> None:
    """A root alone, one class, a chain as deep as its rows, a value of -0.0, tiny and huge thresholds."""
    random = np.random.default_rng(2)
    x = random.normal(size=(200, 3))
    prove(DecisionTreeClassifier().fit(x, np.zeros(200, dtype=int)), x, 300)
    prove(RandomForestClassifier(5).fit(x, np.full(200, "only")), x, 300)
    prove(DecisionTreeRegressor().fit(x, np.full(200, -0.0)), x, 300)
    prove(RandomForestRegressor(5).fit(x, np.full(200, -0.0)), x, 300)
    steps = np.arange(300.0)[:, None]
    chain = DecisionTreeRegressor(random_state=0).fit(steps, np.exp2(steps[:, 0]))
    assert chain.get_depth() > 100
    prove(chain, steps, 300)
    for scale in (1e-44, 1e-38, 1e37):
        prove(DecisionTreeRegressor(random_state=0).fit(x * scale, x[:, 0]), x * scale, 300)
        prove(ExtraTreeRegressor(random_state=0).fit(x * scale, x[:, 0]), x * scale, 300)


def test_what_is_not_finite_as_float32_goes_back(numbers: Numbers, labelled: dict[int, Numbers]) -> None:
    """NaN, infinity and what float32 cannot hold: the estimator may refuse them, or know where they go."""
    x, y = numbers
    for number in (np.nan, np.inf, -np.inf, 3.5e38, -1e300):
        unfit(DecisionTreeRegressor(max_depth=3).fit(x, y), x, number)
        unfit(RandomForestClassifier(20, max_depth=3).fit(*labelled[3]), labelled[3][0], number)


def test_no_rows_go_back(numbers: Numbers) -> None:
    """scikit-learn refuses an empty table in its own words."""
    x, y = numbers
    for method in (methods(RandomForestRegressor(3).fit(x, y)) or {}).values():
        with pytest.raises(Unfit):
            method(np.empty((0, 6)))
