"""Gradient boosting of both kinds: the kernel's answers are scikit-learn's, bit by bit."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from unit.serving.native.proof import prove, unfit

pytestmark = pytest.mark.slow
Numbers = tuple[np.ndarray, np.ndarray]
LABELS: list[dict[str, Any]] = [
    {},
    {"max_depth": 1, "learning_rate": 0.37},
    {"max_depth": None, "n_estimators": 5},
    {"init": "zero", "learning_rate": 1},
    {"subsample": 0.5, "max_leaf_nodes": 5, "ccp_alpha": 0.001},
    {"n_iter_no_change": 2, "n_estimators": 50},
]
TARGETS: list[dict[str, Any]] = [
    {"loss": "squared_error"},
    {"loss": "absolute_error", "learning_rate": 0.3},
    {"loss": "huber", "alpha": 0.8, "max_depth": 1},
    {"loss": "quantile", "alpha": 0.2, "max_depth": None, "n_estimators": 4},
    {"init": "zero", "subsample": 0.7},
]
HISTOGRAM: list[dict[str, Any]] = [
    {},
    {"max_depth": 1, "learning_rate": 0.37},
    {"max_leaf_nodes": None, "max_depth": None, "min_samples_leaf": 2, "max_iter": 5},
    {"max_bins": 7, "l2_regularization": 1.0},
    {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 60},
    {"interaction_cst": "no_interactions", "max_features": 0.5},
]
LOSSES: list[dict[str, Any]] = [
    {"loss": "squared_error"},
    {"loss": "absolute_error"},
    {"loss": "gamma", "learning_rate": 0.5},
    {"loss": "poisson", "max_depth": 3},
    {"loss": "quantile", "quantile": 0.9},
    {"monotonic_cst": [1, -1, 0, 0, 0, 0]},
]


@pytest.mark.parametrize("settings", LABELS, ids=str)
def test_a_boosted_classifier_is_equal(settings: dict[str, Any], labelled: dict[int, Numbers]) -> None:
    """Two classes, three and ten; texts as labels; weights of samples."""
    settings = {"n_estimators": 20, **settings}
    for classes, (x, y) in labelled.items():
        labels = np.array([f"class {label}" for label in y]) if classes == 3 else y
        weights = np.random.default_rng(0).random(len(y)) if classes == 3 else None
        prove(GradientBoostingClassifier(random_state=0, **settings).fit(x, labels, weights), x, 500)


def test_the_exponential_loss_is_equal(labelled: dict[int, Numbers]) -> None:
    """Its probability is the expit of twice the sum."""
    x, y = labelled[2]
    prove(GradientBoostingClassifier(loss="exponential", n_estimators=20, random_state=0).fit(x, y), x, 500)


@pytest.mark.parametrize("settings", TARGETS, ids=str)
def test_a_boosted_regressor_is_equal(settings: dict[str, Any], numbers: Numbers) -> None:
    """Every loss, from each start."""
    x, y = numbers
    prove(GradientBoostingRegressor(**{"n_estimators": 30, "random_state": 0, **settings}).fit(x, y), x, 500)


def test_boosting_that_went_on_is_equal(numbers: Numbers) -> None:
    """warm_start adds stages; training on float32 is nothing new."""
    x, y = numbers
    model = GradientBoostingRegressor(n_estimators=5, warm_start=True, random_state=0).fit(x.astype(np.float32), y)
    prove(model.set_params(n_estimators=12).fit(x.astype(np.float32), y), x, 300)
    model = HistGradientBoostingRegressor(max_iter=5, warm_start=True, random_state=0).fit(x.astype(np.float32), y)
    prove(model.set_params(max_iter=12).fit(x.astype(np.float32), y), x, 300)


@pytest.mark.parametrize("settings", HISTOGRAM, ids=str)
def test_a_histogram_classifier_is_equal(settings: dict[str, Any], labelled: dict[int, Numbers]) -> None:
    """Two classes, three and ten; the sums of several classes lie column by column, as scikit-learn's."""
    for classes, (x, y) in labelled.items():
        labels = np.array([f"class {label}" for label in y]) if classes == 3 else y
        settings = {"max_iter": 15, "random_state": 0, **settings}
        if classes == 2:
            settings = {**settings, "class_weight": "balanced"}
        prove(HistGradientBoostingClassifier(**settings).fit(x, labels), x, 500)


@pytest.mark.parametrize("settings", LOSSES + HISTOGRAM, ids=str)
def test_a_histogram_regressor_is_equal(settings: dict[str, Any], numbers: Numbers) -> None:
    """Every loss: sums as they are, or their exponential."""
    x, y = numbers
    weights = np.random.default_rng(0).random(len(y))
    model = HistGradientBoostingRegressor(**{"max_iter": 30, "random_state": 0, **settings})
    prove(model.fit(x, y, sample_weight=weights), x, 500)


def test_holes_in_training_leave_finite_rows_equal(numbers: Numbers, labelled: dict[int, Numbers]) -> None:
    """Histogram boosting that learned where to send NaN."""
    x, y = numbers
    holes = np.where(np.random.default_rng(1).random(x.shape) < 0.3, np.nan, x)
    prove(HistGradientBoostingRegressor(max_iter=20).fit(holes, y), x, 300)
    x, y = labelled[3]
    holes = np.where(np.random.default_rng(1).random(x.shape) < 0.3, np.nan, x)
    prove(HistGradientBoostingClassifier(max_iter=10).fit(holes, y), x, 300)


def test_what_was_not_proven_goes_back(numbers: Numbers, labelled: dict[int, Numbers]) -> None:
    """Histogram boosting compares float64, so huge numbers are its own; NaN and infinity go back."""
    x, y = numbers
    histogram = HistGradientBoostingRegressor(max_iter=5).fit(x, y)
    for number in (np.nan, np.inf, -np.inf):
        unfit(histogram, x, number)
        unfit(HistGradientBoostingClassifier(max_iter=5).fit(*labelled[3]), labelled[3][0], number)
    for number in (np.nan, np.inf, 3.5e38, -1e300):
        unfit(GradientBoostingRegressor(n_estimators=5).fit(x, y), x, number)
