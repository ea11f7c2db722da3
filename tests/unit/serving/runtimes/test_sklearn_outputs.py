"""Answers of scikit-learn in every form: sparse ones, and those of several targets."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.runtimes import Model, Policy, load
from modelmoor_server.signature import from_instances


def served(estimator: Any, folder: Path) -> Model:
    joblib.dump(estimator, folder / "model.joblib")
    return load(folder / "model.joblib", None, Policy())


def test_sparse_transform(tmp_path: Path) -> None:
    """A sparse answer is made dense."""
    vectorizer = TfidfVectorizer().fit(["good day", "bad night", "good night"])
    model = served(vectorizer, tmp_path)
    inputs = from_instances(model.signature, ["good day"])

    assert model.default_outputs == ("transform",)
    np.testing.assert_array_equal(
        model.predict(inputs, ["transform"])["transform"], vectorizer.transform(["good day"]).toarray()
    )


def test_sparse_transform_too_large_to_be_dense(tmp_path: Path) -> None:
    """What would fill the memory as a dense answer is refused before it is made; fewer rows pass."""
    model = served(HashingVectorizer(), tmp_path)
    text = np.array(["a fine day"], dtype=object)

    assert model.predict({"input": text}, ["transform"])["transform"].shape == (1, 1 << 20)
    with pytest.raises(InvalidRequest, match="answer of 1048576 columns a row is too large for 9 rows; send fewer"):
        model.predict({"input": np.repeat(text, 9)}, ["transform"])


def test_several_targets(tmp_path: Path) -> None:
    """Probabilities of several targets are a tensor a target, each with its labels."""
    x = np.random.default_rng(0).normal(size=(40, 3))
    targets = np.column_stack([np.where(x[:, 0] > 0, "red", "blue"), np.where(x[:, 1] > 0, "big", "small")])
    estimator = MultiOutputClassifier(RandomForestClassifier(5, random_state=0)).fit(x, targets)
    model = served(estimator, tmp_path)
    fields = {field.name: field for field in model.signature.outputs}

    assert set(fields) == {"predict", "predict_proba_0", "predict_proba_1"}
    assert fields["predict_proba_1"].labels == ("big", "small")
    answers = model.predict({"input": x}, list(fields))
    assert answers["predict"].tolist() == estimator.predict(x).tolist()
    np.testing.assert_array_equal(answers["predict_proba_1"], estimator.predict_proba(x)[1])


def test_several_targets_in_one_array(tmp_path: Path) -> None:
    """A chain has classes by target as others have, and answers them by one array: a column a target."""
    x = np.random.default_rng(0).normal(size=(40, 3))
    chain = ClassifierChain(LogisticRegression()).fit(x, (x[:, :2] > 0).astype(int))
    model = served(chain, tmp_path)
    names = [field.name for field in model.signature.outputs]

    assert names == ["predict", "predict_proba", "decision_function"]
    answers = model.predict({"input": x[:5]}, names)
    np.testing.assert_array_equal(answers["predict_proba"], chain.predict_proba(x[:5]))
