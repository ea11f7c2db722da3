"""The five models of the benchmark, each trained and saved once a run, with rows to ask for and the right answers."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits, load_iris, make_friedman1
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelmoor_server.optimized.verb import optimize

ROWS = 64
NAMES = ("iris", "forest", "boosting", "mixed", "cnn")


@dataclass(frozen=True)
class Model:
    """One saved model. inputs: by name, ROWS rows each; a table's are its columns. answers: in process, row by row.

    optimized: the folder that `modelmoor-server optimize` made of it, where there is such a form.
    """

    name: str
    file: Path
    inputs: Mapping[str, np.ndarray]
    answers: np.ndarray
    table: bool = False
    optimized: Path | None = None

    def instances(self, rows: int) -> list[Any]:
        """The first rows as protocol v1 has them: nested lists, or one object a row of a table."""
        if self.table:
            names = list(self.inputs)
            lists = [self.inputs[name][:rows].tolist() for name in names]
            return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
        (only,) = self.inputs.values()
        return only[:rows].tolist()  # type: ignore[no-any-return]

    def differs(self, got: Any, rows: int) -> str | None:
        """What is wrong with an answer to the first rows; None where nothing is."""
        wanted = self.answers[:rows]
        try:
            found = np.asarray(got, dtype=wanted.dtype).reshape(wanted.shape)
        except (TypeError, ValueError):
            return "an answer of another shape or kind"
        if wanted.dtype.kind != "f":
            return None if np.array_equal(found, wanted) else "other labels"
        return None if np.allclose(found, wanted, rtol=1e-5, atol=1e-6) else "numbers that are not the model's"


def made(name: str, folder: Path) -> Model:
    """Train one of NAMES and save it in `folder`."""
    return _MAKERS[name](folder)


def _iris(folder: Path) -> Model:
    """Logistic regression, 4 numbers, 3 classes."""
    matrix, species = load_iris(return_X_y=True)
    return _saved("iris", LogisticRegression(max_iter=500).fit(matrix, species), matrix[::2][:ROWS], folder)


def _forest(folder: Path) -> Model:
    """100 trees, 64 numbers, 10 classes."""
    matrix, digits = load_digits(return_X_y=True)
    forest = RandomForestClassifier(100, random_state=0).fit(matrix, digits)
    return _saved("forest", forest, matrix[:ROWS], folder)


def _boosting(folder: Path) -> Model:
    """Histogram gradient boosting, 100 iterations, 20 numbers, one number out."""
    matrix, target = make_friedman1(4000, n_features=20, noise=1.0, random_state=0)
    model = HistGradientBoostingRegressor(max_iter=100, random_state=0).fit(matrix, target)
    # only training draws from it, and numpy 1, which Triton's Python backend needs, cannot read numpy 2's generators
    model._feature_subsample_rng = None
    return _saved("boosting", model, matrix[:ROWS].round(4), folder)


def _mixed(folder: Path) -> Model:
    """Three number and two text columns through imputing, scaling and one-hot encoding into a logistic regression."""
    random = np.random.default_rng(0)
    count = 2000
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, count).astype(float),
            "income": random.normal(40_000, 12_000, count).round(),
            "visits": random.poisson(4, count).astype(float),
            "city": random.choice(["Paris", "Rome", "Oslo", "Bern"], count).astype(object),
            "plan": random.choice(["free", "basic", "full"], count).astype(object),
        }
    )
    stays = (frame["income"] / 20_000 + frame["visits"] + (frame["plan"] == "full") * 3 > 6).astype(int)
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income", "visits"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, stays)
    joblib.dump(model, folder / "mixed.joblib")
    inputs = {name: frame[name].to_numpy()[:ROWS] for name in frame}
    answers = np.concatenate([model.predict(frame.iloc[[row]]) for row in range(ROWS)])
    return Model("mixed", folder / "mixed.joblib", inputs, answers, table=True)


def _cnn(folder: Path) -> Model:
    """Two convolutions and two dense layers over pictures of 28 by 28: 131,596 weights, drawn from a seed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    steps = [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()]
    steps += [layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    steps += [layers.Dense(70, activation="relu"), layers.Dense(10, activation="softmax", name="scores")]
    model = keras.Sequential([keras.Input((28, 28, 1), name="input"), *steps])
    model.save(folder / "cnn.keras")
    pictures = np.random.default_rng(0).random((ROWS, 28, 28, 1)).round(4).astype(np.float32)
    answers = np.concatenate([np.asarray(model(pictures[row : row + 1], training=False)) for row in range(ROWS)])
    optimize(folder / "cnn.keras", folder / "cnn-fast", lambda sentence: None)
    return Model("cnn", folder / "cnn.keras", {"input": pictures}, answers, optimized=folder / "cnn-fast")


def _saved(name: str, estimator: Any, matrix: np.ndarray, folder: Path) -> Model:
    joblib.dump(estimator, folder / f"{name}.joblib")
    answers = np.concatenate([estimator.predict(matrix[row : row + 1]) for row in range(len(matrix))])
    optimize(folder / f"{name}.joblib", folder / f"{name}-fast", lambda sentence: None)
    return Model(name, folder / f"{name}.joblib", {"input": matrix}, answers, optimized=folder / f"{name}-fast")


_MAKERS: dict[str, Callable[[Path], Model]] = {
    "iris": _iris,
    "forest": _forest,
    "boosting": _boosting,
    "mixed": _mixed,
    "cnn": _cnn,
}
