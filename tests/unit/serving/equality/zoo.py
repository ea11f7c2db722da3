"""Every estimator of scikit-learn, fitted on small data for each task that it takes."""

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import SparseCoder
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import RFECV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils import all_estimators, get_tags
from sklearn.utils._test_common.instance_generator import _construct_instances

from modelmoor_server.runtimes.sklearn.outputs import METHODS

ROWS = 48
MOST = 2  # instances of one estimator
RANDOM = np.random.default_rng(7)
CENTRES = np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 1.0, 3.5, 2.0], [2.5, 4.5, 1.0, 3.0]])
CLASSES = np.arange(ROWS) % 3
MATRIX = np.abs(CENTRES[CLASSES] + RANDOM.normal(scale=0.7, size=(ROWS, 4)))
NUMBERS = MATRIX @ [1.0, -2.0, 0.5, 3.0] + RANDOM.normal(scale=0.1, size=ROWS)
COUNTS = RANDOM.poisson(2.0, size=(ROWS, 4)).astype(float)
WORDS = [" ".join(RANDOM.choice(["good", "bad", "day", "night", "rain"], size=4)) for _ in range(ROWS)]
RECORDS = [{"city": str(RANDOM.choice(["Paris", "Rome"])), "rooms": float(i % 5)} for i in range(ROWS)]
HOLES = np.where(RANDOM.random(MATRIX.shape) < 0.2, np.nan, MATRIX)
PICTURES = RANDOM.random((ROWS, 6, 5))
LABELS = np.array(["a", "b", "c"], dtype=object)[CLASSES]
OWN = {
    "FrozenEstimator": FrozenEstimator(LogisticRegression().fit(MATRIX, CLASSES)),
    "SparseCoder": SparseCoder(np.eye(4)),
    "HashingVectorizer": HashingVectorizer(n_features=32),
    "FeatureHasher": FeatureHasher(n_features=32),
    "RFECV": RFECV(LogisticRegression(), cv=2),
}


@dataclass(frozen=True)
class Case:
    """A fitted estimator and rows to ask it for. rows: what `predict` takes in process, sliceable."""

    name: str
    estimator: Any
    rows: Any

    def body(self, begin: int, end: int, outputs: list[str]) -> bytes:
        """A v2 request for these rows."""
        rows = self.rows[begin:end]
        if isinstance(rows, np.ndarray):
            datatype = "BYTES" if rows.dtype.kind in "OU" else "FP64"
            data, shape = rows.ravel().tolist(), list(rows.shape)
        else:
            datatype, shape = "BYTES", [len(rows)]
            data = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        tensor = {"name": "x", "datatype": datatype, "shape": shape, "data": data}
        return json.dumps({"inputs": [tensor], "outputs": [{"name": name} for name in outputs]}).encode()


def names() -> list[str]:
    """The estimators' names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated ones
        return [name for name, _ in all_estimators()]


def cases(name: str) -> Iterator[Case]:
    """An estimator by name, fitted for every task that it takes: labels, texts as labels, several targets, holes,
    sparse matrices. None where it has no way to answer for new rows."""
    for number, instance in enumerate(_instances(name)[:MOST]):
        if getattr(instance, "strategy", None) in ("stratified", "uniform"):
            continue  # draws lots at every call
        if not any(hasattr(instance, method) for method in METHODS):
            continue
        for task, x, y, rows in _tasks(instance):
            fitted = _fitted(instance, x, y)
            if fitted is not None:
                yield Case(f"{name}-{number}-{task}", fitted, rows)


def _instances(name: str) -> list[Any]:
    """As scikit-learn's own common tests make them: with few trees, few iterations and fixed seeds."""
    if name in OWN:
        return [OWN[name]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(_construct_instances(dict(all_estimators())[name]))


def _tasks(estimator: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """(name, what it is fitted on, targets, what it is asked for)."""
    tags = get_tags(estimator)
    inputs = tags.input_tags
    x: Any = COUNTS if inputs.categorical and not inputs.two_d_array else MATRIX
    if inputs.string and not inputs.two_d_array:
        yield "words", WORDS, CLASSES, WORDS
        return
    if inputs.dict:
        yield "records", RECORDS, CLASSES, RECORDS
        return
    if inputs.three_d_array:
        yield "pictures", PICTURES, None, PICTURES
        return
    if type(estimator).__name__ in ("LabelBinarizer", "LabelEncoder"):
        yield "labels", LABELS, None, LABELS
        return
    if inputs.pairwise:
        x = MATRIX @ MATRIX.T
    if type(estimator).__name__ in ("BernoulliNB", "CategoricalNB", "MultinomialNB", "ComplementNB"):
        x = COUNTS
    if type(estimator).__name__ == "IsotonicRegression":
        x = MATRIX[:, :1]
    yield from _targets("dense", x, tags)
    if inputs.sparse and not inputs.pairwise:
        task, _, y, rows = next(_targets("sparse", x, tags))
        yield task, sparse.csr_matrix(x), y, rows
    if inputs.allow_nan and not inputs.pairwise:
        task, _, y, _ = next(_targets("holes", x, tags))
        yield task, HOLES, y, HOLES


def _targets(kind: str, x: Any, tags: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    found: dict[str, Any] = {"numbers": np.abs(NUMBERS) + 0.1 if tags.target_tags.positive_only else NUMBERS}
    if tags.estimator_type == "classifier":
        found = {
            "binary": CLASSES == 1,
            "multiclass": CLASSES,
            "texts": np.array(["versicolor", "setosa", "virginica"])[CLASSES],
            "two labels": np.column_stack([CLASSES, CLASSES[::-1]]),
        }
    elif tags.estimator_type == "regressor":
        found["two numbers"] = np.column_stack([NUMBERS, NUMBERS[::-1]])
    else:
        found = {"classes": CLASSES}
    for task, y in found.items():
        yield f"{kind} {task}".strip(), x, y, x


def _fitted(estimator: Any, x: Any, y: Any) -> Any:
    """None where it does not take this task: it says so by an exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return clone(estimator).fit(x) if y is None else clone(estimator).fit(x, y)
        except (ValueError, TypeError, AttributeError, NotImplementedError, IndexError):
            return None
