"""The models that are served, rows to ask for, and the in-process answer to each row by itself."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROWS = 512
RANDOM = np.random.default_rng(11)
OUTPUTS = ("predict", "predict_proba", "decision_function")


@dataclass
class Served:
    """One model. share: of all questions. inputs: columns or the one tensor, by name, with their datatypes.

    answers: output -> the in-process answers, row by row; those of `outputs` are asked for, the first by default.
    exact: not a bit may differ.
    """

    name: str
    file: str
    share: float
    inputs: Mapping[str, tuple[str, np.ndarray]]
    answers: Mapping[str, np.ndarray]
    exact: bool = False
    table: bool = False
    lists: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lists = {name: array.tolist() for name, (_, array) in self.inputs.items()}

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.answers)

    def differs(self, name: str, got: Any, begin: int, end: int) -> str | None:
        """What is unequal about an output for rows `begin` to `end`, without a value; None where nothing is."""
        wanted = self.answers[name][begin:end]
        if wanted.dtype.kind in "OU":
            return None if list(got) == wanted.tolist() else "other labels"
        array = np.asarray(got, dtype=wanted.dtype).reshape(-1, *wanted.shape[1:])
        if array.shape != wanted.shape:
            return f"{len(array)} rows, not {len(wanted)}"
        if self.exact or wanted.dtype.kind != "f":
            return None if np.array_equal(array, wanted) else "other bits"
        rtol, atol = (1e-12, 1e-14) if wanted.dtype.itemsize == 8 else (1e-5, 1e-7)
        return None if np.allclose(array, wanted, rtol=rtol, atol=atol) else "beyond the tolerance"


def made(folder: Path) -> list[Served]:
    """Trains the models, saves them in `folder`, and asks each for every row by itself."""
    matrix = RANDOM.normal(size=(ROWS, 4))
    species = np.array(["setosa", "versicolor", "virginica"])[(matrix[:, 0] > 0).astype(int) + (matrix[:, 1] > 0)]
    people = pd.DataFrame({"age": RANDOM.integers(18, 90, ROWS).astype(float), "city": RANDOM.choice(_CITIES, ROWS)})
    texts = np.array([" ".join(RANDOM.choice(_WORDS, 6)) for _ in range(ROWS)], dtype=object)
    columns = make_column_transformer((SimpleImputer(), ["age"]), (OneHotEncoder(), ["city"]))
    odd = np.arange(ROWS) % 2
    models = {
        "linear": (LogisticRegression().fit(matrix, species), 0.40, matrix),
        "forest": (RandomForestClassifier(20, random_state=0).fit(matrix, species), 0.20, matrix),
        "ridge": (make_pipeline(StandardScaler(), Ridge()).fit(matrix, matrix @ np.eye(4)[:, :2]), 0.15, matrix),
        "people": (make_pipeline(columns, LogisticRegression()).fit(people, odd), 0.10, people),
        "texts": (make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, odd), 0.10, texts),
    }
    found = [_saved(name, estimator, share, rows, folder) for name, (estimator, share, rows) in models.items()]
    return [*found, _network(folder, matrix.astype(np.float32), 0.05)]


def _saved(name: str, estimator: Any, share: float, rows: Any, folder: Path) -> Served:
    joblib.dump(estimator, folder / f"{name}.joblib")
    inputs: dict[str, tuple[str, np.ndarray]]
    if isinstance(rows, pd.DataFrame):
        inputs = {
            column: ("FP64" if rows[column].dtype.kind == "f" else "BYTES", rows[column].to_numpy(dtype=object))
            for column in rows
        }
        ones: list[Any] = [rows.iloc[[i]] for i in range(ROWS)]
    else:
        inputs = {"input": ("BYTES" if rows.dtype == object else "FP64", rows)}
        ones = [rows[i : i + 1] for i in range(ROWS)]
    answers = {
        method: np.concatenate([getattr(estimator, method)(one) for one in ones])
        for method in OUTPUTS
        if hasattr(estimator, method)
    }
    return Served(name, f"{name}.joblib", share, inputs, answers, name == "forest", isinstance(rows, pd.DataFrame))


def _network(folder: Path, rows: np.ndarray, share: float) -> Served:
    """A small Keras model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import keras

        keras.utils.set_random_seed(1)
        layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3, activation="softmax", name="scores")]
        model = keras.Sequential([keras.Input((4,), name="input"), *layers])
        model.save(folder / "network.keras")
    answers = np.concatenate([np.asarray(model(rows[i : i + 1], training=False)) for i in range(ROWS)])
    return Served("network", "network.keras", share, {"input": ("FP32", rows)}, {"scores": answers})


_CITIES = np.array(["Paris", "Rome", "Oslo", "Bern"], dtype=object)
_WORDS = ("good", "bad", "day", "night", "rain", "sun", "wind", "snow", "warm", "cold")
