"""Optimized artifacts on disk, made once."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelmoor_server.optimized.verb import optimize

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(120, 4)) * [1, 10, 0.1, 1]
TWO = np.array(["no", "yes"])[(X[:, 0] > 0) * 1]
THREE = np.arange(120) % 3


def estimators() -> dict[str, Any]:
    """One of each kind of scores, rule and classes."""
    return {
        "ridge": Ridge().fit(X, X @ [1.0, 2.0, 3.0, 4.0]),
        "logistic": LogisticRegression().fit(X, TWO),
        "softmax": make_pipeline(StandardScaler(), LogisticRegression()).fit(X, THREE),
        "objects": LogisticRegression().fit(X, TWO.astype(object)),
        "sgd": SGDClassifier(loss="log_loss", random_state=0).fit(X, THREE),
        "forest": RandomForestClassifier(7, random_state=0).fit(X, THREE),
        "boosting": GradientBoostingClassifier(n_estimators=4, random_state=0).fit(X, TWO),
        "histogram": HistGradientBoostingClassifier(max_iter=4).fit(X, THREE),
    }


@pytest.fixture(scope="session")
def optimized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NAME.joblib and the optimized artifact NAME/ of each of `estimators`."""
    folder = tmp_path_factory.mktemp("optimized")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn's solvers on small data
        for name, estimator in estimators().items():
            joblib.dump(estimator, folder / f"{name}.joblib")
            optimize(folder / f"{name}.joblib", folder / name, lambda sentence: None)
    return folder


@pytest.fixture
def copied(optimized: Path, tmp_path: Path) -> Callable[[str], Path]:
    """An optimized artifact of one's own, to be damaged."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(optimized / name, tmp_path / name))

    return copy
