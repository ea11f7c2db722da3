"""Real artifacts, small and quickly made, that stand for what people upload: good ones, old ones and broken ones."""

import io
import sys
from types import ModuleType
from unittest.mock import patch

import joblib
import numpy as np
import sklearn
from sklearn.linear_model import LinearRegression

FEATURES = 4
REQUEST = {"instances": [[0.5] * FEATURES]}


def answering(number: float) -> bytes:
    """A model that answers `number` to every request, so that an answer tells which version gave it."""
    rows = np.random.default_rng(0).normal(size=(16, FEATURES))
    return _dumped(LinearRegression().fit(rows, np.full(16, number)))


def of_scikit_learn(version: str) -> bytes:
    """The bytes as another version would have written them: it is stated in the state of each estimator."""
    model = LinearRegression().fit(np.eye(FEATURES), np.arange(FEATURES))
    with patch.object(sklearn.base, "__version__", version):
        return _dumped(model)


def of_foreign_code() -> bytes:
    """A model of a class that lives in its author's own package alone."""
    package = ModuleType("our_package")
    package.Model = type("Model", (LinearRegression,), {"__module__": package.__name__})  # type: ignore[attr-defined]
    with patch.dict(sys.modules, {package.__name__: package}):
        return _dumped(package.Model().fit(np.eye(FEATURES), np.arange(FEATURES)))


def _dumped(model: object) -> bytes:
    written = io.BytesIO()
    joblib.dump(model, written)
    return written.getvalue()
