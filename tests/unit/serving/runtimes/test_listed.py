"""The policy AllowListed: honest models load and answer as ever; forged files are refused and run nothing."""

import gzip
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import TREE_LEAF

from modelmoor_server.errors import ModelError, Reason
from modelmoor_server.runtimes import PicklePolicy, Policy, load
from modelmoor_server.runtimes.sklearn.listed import load as read_listed

X, Y = load_iris(return_X_y=True)
TABLE = pd.DataFrame({"age": [20.0, 30.0, np.nan, 50.0] * 5, "city": ["Paris", "Rome"] * 10})
TEXTS = ["good day", "bad night"] * 10
ALLOW_LISTED = Policy(pickle=PicklePolicy.ALLOW_LISTED)

MODELS: dict[str, tuple[Any, Any, Any]] = {
    "regression": (LinearRegression(), X, X[:, 0]),
    "pipeline": (make_pipeline(StandardScaler(), PCA(3), LogisticRegression()), X, Y),
    "text-classes": (LogisticRegression(max_iter=500), X, np.array(["a", "b", "c"])[Y]),
    "forest": (RandomForestClassifier(5, random_state=0), X, Y),
    "extra-trees": (ExtraTreesRegressor(5, random_state=0), X, X[:, :2]),
    "boosting": (HistGradientBoostingClassifier(max_iter=5), X, Y),
    "boosting-regression": (HistGradientBoostingRegressor(max_iter=5), X, X[:, 0]),
    "isolation": (IsolationForest(n_estimators=5, random_state=0), X, None),
    "stacking": (StackingClassifier([("ridge", GaussianNB()), ("tree", DecisionTreeClassifier())]), X, Y),
    "means": (KMeans(3, n_init=1, random_state=0), X, None),
    "network": (MLPClassifier((4,), max_iter=400, tol=0.1, random_state=0), X, Y),
    "descent": (SGDClassifier(random_state=0), X, Y),
    "text": (make_pipeline(TfidfVectorizer(), LogisticRegression()), TEXTS, [1, 0] * 10),
    "columns": (
        make_pipeline(
            make_column_transformer((SimpleImputer(), ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["city"])),
            Ridge(),
        ),
        TABLE,
        np.arange(20.0),
    ),
}


@pytest.mark.parametrize("save", ["joblib", "compressed", "pickle-2", "pickle-5"])
@pytest.mark.parametrize("name", MODELS)
def test_honest_models_answer_as_when_everything_is_allowed(name: str, save: str, tmp_path: Path) -> None:
    """Each way of saving, each kind on the list: the same predictions to the last bit."""
    estimator, rows, target = MODELS[name]
    model = estimator.fit(rows, target)
    path = tmp_path / "model.joblib"
    if save.startswith("pickle"):
        path.write_bytes(pickle.dumps(model, protocol=int(save[-1])))
    else:
        joblib.dump(model, path, compress=3 if save == "compressed" else 0)

    read = read_listed(path)

    assert type(read) is type(model)
    np.testing.assert_array_equal(read.predict(rows), model.predict(rows))
    if hasattr(model, "predict_proba"):
        np.testing.assert_array_equal(read.predict_proba(rows), model.predict_proba(rows))


def refused(path: Path) -> str:
    """The sentence with which a file is refused under AllowListed."""
    with pytest.raises(ModelError) as caught:
        load(path, "sklearn", ALLOW_LISTED)
    assert caught.value.reason is Reason.UNSAFE_ARTIFACT
    return caught.value.message


def test_what_is_not_on_the_list_is_named(tmp_path: Path) -> None:
    """A model of a class that was not reviewed: the sentence says which."""
    path = tmp_path / "model.joblib"
    joblib.dump(SVC().fit(X, Y), path)

    assert "sklearn.svm._classes.SVC is not on the list" in refused(path)


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


MARK = "reached"
CODE = f"open({MARK!r}, 'w').close()"


@pytest.mark.parametrize(
    "forged",
    {
        "a shell": lambda: pickle.dumps(Calls(os.system, f"touch {MARK}")),
        "eval": lambda: pickle.dumps(Calls(eval, CODE)),
        "exec in a model": lambda: pickle.dumps({"coef_": Calls(exec, CODE), "model": LinearRegression()}),
        "getattr of a listed type": lambda: pickle.dumps(Calls(getattr, str, "format")),
        "a call of a name that is only named": lambda: pickle.dumps(Calls(float, "1")),
        "an estimator made by a call": lambda: pickle.dumps(Calls(LinearRegression)),
        "dots in a name": lambda: b"\x80\x04\x8c\x05numpy\x8c\x0bf2py.os.sys\x93.",
        "a module by another path": lambda: b"csklearn.utils._bunch\nos.system\n(S'touch reached'\ntR.",
        "the opcode INST": lambda: b"(S'touch reached'\nios\nsystem\n.",
        "the opcode OBJ": lambda: b"(cos\nsystem\nS'touch reached'\no.",
        "a persistent id": lambda: b"Pos.system\n.",
        "an extension code": lambda: b"\x80\x02\x82\x01.",
        "a state for a class": lambda: (
            b"\x80\x04\x8c\x1asklearn.linear_model._base\x8c\x10LinearRegression\x93}\x8c\x07predictK\x01sb."
        ),
        "an object made with arguments": lambda: (
            b"\x80\x04\x8c\x1asklearn.linear_model._base\x8c\x10LinearRegression\x93K\x01\x85\x81."
        ),
        "more bytes than there are": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
        "a long bytearray": lambda: b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
    }.items(),
    ids=lambda case: case[0],
)
def test_forged_pickles_are_refused_before_anything_runs(
    forged: tuple[str, Callable[[], bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls, states and names beyond the list: UnsafeArtifact, and no trace of their work."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pkl"
    path.write_bytes(forged[1]())

    with pytest.raises(ModelError) as caught:
        read_listed(path)

    assert caught.value.reason is Reason.UNSAFE_ARTIFACT
    assert not (tmp_path / MARK).exists()


def test_forged_pickles_do_run_where_everything_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter-proof: these files are what they claim to be."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Calls(eval, CODE)))

    assert (tmp_path / MARK).exists()


def tree_with(change: Callable[[np.ndarray], None]) -> Any:
    model = DecisionTreeClassifier(random_state=0).fit(X, Y)
    state = model.tree_.__getstate__()
    change(state["nodes"])
    tree = pickle.loads(pickle.dumps(model.tree_))
    model.tree_ = Forged(tree, state)
    return model


class Forged:
    """Pickles as a Tree with another state than its own; it is never loaded outside the reader."""

    def __init__(self, tree: Any, state: dict[str, Any]) -> None:
        self.tree, self.state = tree, state

    def __reduce__(self) -> tuple[Any, ...]:
        kind, arguments = self.tree.__reduce__()[:2]
        return kind, arguments, self.state


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 10**6), ("right_child", 0), ("feature", 4), ("feature", -7)]
)
def test_a_tree_that_leads_out_of_its_arrays_is_refused(field: str, value: int, tmp_path: Path) -> None:
    """Compiled code would read foreign memory, or walk in a circle for ever."""

    def change(nodes: np.ndarray) -> None:
        inner = np.flatnonzero(nodes["left_child"] != TREE_LEAF)[0]
        nodes[field][inner] = value

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(tree_with(change)))

    assert "decision tree" in refused(path)


def test_a_tree_whose_model_expects_other_columns_is_refused(tmp_path: Path) -> None:
    """`n_features_in_` decides how wide the rows are that the tree is given."""
    model = DecisionTreeClassifier(random_state=0).fit(X, Y)
    model.n_features_in_ = 2
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))

    assert "do not fit each other" in refused(path)


def test_a_vocabulary_that_writes_beyond_its_matrix_is_refused(tmp_path: Path) -> None:
    """Column numbers of a vectorizer are indices of compiled code."""
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0] * 10)
    model[0].vocabulary_["good"] = 10**9
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))

    assert "do not fit each other" in refused(path)


def test_a_vectorizer_that_opens_files_is_refused(tmp_path: Path) -> None:
    """`input="filename"` would read whatever file a caller names."""
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0] * 10)
    model[0].input = "filename"
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))

    assert "reads files by name" in refused(path)


def test_a_bomb_ends_at_the_budget(tmp_path: Path) -> None:
    """A few compressed bytes that would become gigabytes: refused long before."""
    huge = b"\x80\x04B" + struct.pack("<I", (1 << 32) - 1)
    path = tmp_path / "model.pkl.gz"
    with gzip.open(path, "wb") as file:
        file.write(huge)
        file.write(bytes(1 << 20))

    assert "states more bytes than it has" in refused(path)


def test_an_array_that_does_not_fit_its_shape_is_refused(tmp_path: Path) -> None:
    """NumPy would believe the shape."""

    class Array:
        def __reduce__(self) -> tuple[Any, ...]:
            return (*np.ones(2).__reduce__()[:2], (1, (10**6,), np.dtype("f8"), False, b"12345678"))

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Array()))
    with pytest.raises(ModelError, match="do not fit its shape"):
        read_listed(path)
