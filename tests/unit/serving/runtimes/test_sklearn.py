"""scikit-learn models: their signatures, and answers equal to the estimator's own."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from modelmoor_server.errors import InvalidRequest, ModelError, Phase, PredictFailed, Reason
from modelmoor_server.runtimes import Model, PicklePolicy, Policy, VersionPolicy, load
from modelmoor_server.signature import Datatype, Source, from_instances, from_tensors

IRIS = load_iris(as_frame=True)
X, Y = IRIS.data.to_numpy(), IRIS.target.to_numpy()
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
FRAME = pd.DataFrame(
    {
        "age": np.tile([20.0, 35.0, np.nan, 61.0], 10),
        "city": (["Paris", "Rome", "Oslo", None] * 10)[:40],
        "rooms": np.tile([1, 2, 3, 4], 10),
        "text": ["good day", "bad night", "good night", "bad day"] * 10,
    }
)
LABELS = np.tile(["yes", "no"], 20)


def served(estimator: Any, folder: Path, **policy: Any) -> Model:
    path = folder / "model.joblib"
    joblib.dump(estimator, path)
    return load(path, None, Policy(**policy))


def table_model() -> Any:
    columns = ColumnTransformer(
        [
            (
                "city",
                make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
                ["city"],
            ),
            ("age", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
            ("rooms", OneHotEncoder(), ["rooms"]),
            ("text", TfidfVectorizer(), "text"),
        ]
    )
    return make_pipeline(columns, LogisticRegression()).fit(FRAME, LABELS)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=500),
        make_pipeline(StandardScaler(), SVC()),
        RandomForestClassifier(20, random_state=0, n_jobs=2),
        DecisionTreeClassifier(random_state=0),
        HistGradientBoostingClassifier(max_iter=10),
        GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1]}, cv=2),
        KMeans(3, n_init=1, random_state=0),
        IsolationForest(n_estimators=20, random_state=0),
        StandardScaler(),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("target", ["numbers", "names"])
def test_matrix(estimator: Any, target: str, tmp_path: Path) -> None:
    """Every method answers what the estimator answers in process, bit by bit, for FP32 and FP64 requests."""
    estimator.fit(X, Y if target == "numbers" else NAMES)
    model = served(estimator, tmp_path)
    assert (model.signature.inputs[0].name, model.signature.inputs[0].shape) == ("input", (-1, 4))
    assert model.signature.inputs[0].datatype is Datatype.FP64

    for datatype, data in (("FP64", X.tolist()), ("FP32", X.astype(np.float32))):
        inputs = from_tensors(model.signature, [("anything", datatype, list(X.shape), data)])
        names = [field.name for field in model.signature.outputs]
        answers = model.predict(inputs, names)
        for field in model.signature.outputs:
            wanted = getattr(estimator, field.name)(np.asarray(data, dtype=np.float64))
            np.testing.assert_array_equal(answers[field.name], wanted)
            assert field.datatype is Datatype.of(answers[field.name])
            assert field.shape == (-1, *answers[field.name].shape[1:])
    if hasattr(estimator, "classes_") and target == "names":
        outputs = {field.name: field for field in model.signature.outputs}
        assert outputs["predict"].datatype is Datatype.BYTES
        assert outputs["predict"].labels == ("setosa", "versicolor", "virginica")
        assert set(map(type, model.predict(inputs, ["predict"])["predict"].tolist())) == {str}


def test_fitted_on_float32(tmp_path: Path) -> None:
    """KMeans fitted on float32 takes nothing else; requests are rounded to it."""
    estimator = KMeans(3, n_init=1, random_state=0).fit(X.astype(np.float32))
    model = served(estimator, tmp_path)
    inputs = from_tensors(model.signature, [("x", "FP64", list(X.shape), X)])

    assert model.signature.inputs[0].datatype is Datatype.FP32
    np.testing.assert_array_equal(
        model.predict(inputs, ["predict"])["predict"], estimator.predict(X.astype(np.float32))
    )


def test_named_columns(tmp_path: Path) -> None:
    """A model of a frame knows its columns; rows as objects, in any order, answer as the frame does."""
    estimator = RandomForestClassifier(10, random_state=0).fit(IRIS.data, Y)
    model = served(estimator, tmp_path)
    assert model.signature.columns == tuple(IRIS.data.columns)

    rows = [dict(reversed(row.items())) for row in IRIS.data.to_dict("records")]
    answers = model.predict(from_instances(model.signature, rows), ["predict", "predict_proba"])
    np.testing.assert_array_equal(answers["predict"], estimator.predict(IRIS.data))
    np.testing.assert_array_equal(answers["predict_proba"], estimator.predict_proba(IRIS.data))


def test_mixed_table(tmp_path: Path) -> None:
    """Text, numbers, categories and missing values of a table answer as in process; its fields are told apart."""
    estimator = table_model()
    model = served(estimator, tmp_path)
    fields = {field.name: field for field in model.signature.inputs}

    assert [fields[name].datatype for name in FRAME.columns] == [
        Datatype.FP64,
        Datatype.BYTES,
        Datatype.INT64,
        Datatype.BYTES,
    ]
    assert fields["city"].labels == ("Oslo", "Paris", "Rome")
    assert fields["rooms"].labels == ("1", "2", "3", "4")

    rows = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in FRAME.to_dict("records")]
    answers = model.predict(from_instances(model.signature, rows), ["predict", "predict_proba"])
    np.testing.assert_array_equal(answers["predict"], estimator.predict(FRAME))
    np.testing.assert_array_equal(answers["predict_proba"], estimator.predict_proba(FRAME))

    tensors = [
        ("age", "FP32", [2], [20, None]),
        ("city", "BYTES", [2], np.array([b"Paris", b"Bergen"], dtype=object)),
        ("rooms", "INT32", [2], [1, 2]),
        ("text", "BYTES", [2, 1], ["good day", "bad"]),
    ]
    frame = pd.DataFrame(
        {"age": [20, np.nan], "city": ["Paris", "Bergen"], "rooms": [1, 2], "text": ["good day", "bad"]}
    )
    answers = model.predict(from_tensors(model.signature, tensors), ["predict_proba"])
    np.testing.assert_array_equal(answers["predict_proba"], estimator.predict_proba(frame))
    assert model.predict(model.example(), model.default_outputs)["predict"].shape == (1,)


def test_unknown_category(tmp_path: Path) -> None:
    """A category that the encoder refuses is the caller's mistake, told by column and row."""
    model = served(table_model(), tmp_path)
    row = {"age": 20, "city": "Rome", "rooms": 1, "text": "good"}

    with pytest.raises(InvalidRequest) as caught:
        model.predict(from_instances(model.signature, [row, row | {"rooms": 77}]), ["predict"])
    assert str(caught.value) == "input 'rooms', row 1: this model does not know the category"


def test_missing_values(tmp_path: Path) -> None:
    """A model that takes no NaN says in which row it is; a forest takes it."""
    for estimator in (LogisticRegression(max_iter=500), RandomForestClassifier(5)):
        model = served(estimator.fit(X, Y), tmp_path)
        inputs = from_instances(model.signature, [[1, 2, 3, 4], [1, None, 3, 4]])
        if isinstance(estimator, LogisticRegression):
            with pytest.raises(InvalidRequest, match="'input', row 1: this model takes no missing"):
                model.predict(inputs, ["predict"])
        else:
            assert model.predict(inputs, ["predict"])["predict"].shape == (2,)


@pytest.mark.parametrize("vectorizer", [TfidfVectorizer(), CountVectorizer()])
def test_text(vectorizer: Any, tmp_path: Path) -> None:
    """A text pipeline takes one text a row."""
    texts = FRAME["text"].tolist()
    estimator = make_pipeline(vectorizer, LogisticRegression()).fit(texts, LABELS)
    model = served(estimator, tmp_path)

    assert model.signature.text
    for shape in ([2], [2, 1]):
        inputs = from_tensors(model.signature, [("input-0", "BYTES", shape, ["good", "bad day"])])
        answers = model.predict(inputs, ["predict_proba"])
        np.testing.assert_array_equal(answers["predict_proba"], estimator.predict_proba(["good", "bad day"]))


def test_vectorizer_that_reads_files(tmp_path: Path) -> None:
    """A vectorizer that opens the path which a caller sends is refused."""
    (tmp_path / "a").write_text("good day")
    estimator = CountVectorizer(input="filename").fit([str(tmp_path / "a")])

    with pytest.raises(ModelError) as caught:
        served(estimator, tmp_path)
    assert caught.value.reason is Reason.UNSAFE_ARTIFACT


def test_records(tmp_path: Path) -> None:
    """A model of dicts takes objects of free keys."""
    rows = [{"city": "Paris", "age": 3}, {"city": "Rome", "age": 5}] * 10
    estimator = make_pipeline(DictVectorizer(), LogisticRegression()).fit(rows, LABELS[:20])
    model = served(estimator, tmp_path)

    answers = model.predict(from_instances(model.signature, [{"city": "Oslo"}, *rows[:2]]), ["predict"])
    assert answers["predict"].tolist() == estimator.predict([{"city": "Oslo"}, *rows[:2]]).tolist()


@pytest.mark.parametrize("first", [DictVectorizer(), FeatureHasher(8)], ids=lambda first: type(first).__name__)
def test_records_that_do_not_fit(first: Any, tmp_path: Path) -> None:
    """What a model of dicts cannot take in a record is the caller's to change, told by its row."""
    rows = [{"city": "Paris", "age": 3}, {"city": "Rome", "age": 5}] * 10
    model = served(make_pipeline(first, LogisticRegression()).fit(rows, LABELS[:20]), tmp_path)

    def ask(value: Any) -> None:
        model.predict(from_instances(model.signature, [rows[0], {"age": value}]), ["predict"])

    for value, sentence in (
        (float("nan"), "row 1: this model takes no missing or infinite values"),
        (float("-inf"), "row 1: this model takes no missing or infinite values"),
        (10**400, "row 1: a number does not fit FP64"),
        (None, "row 1: values must be numbers, text or lists of text"),
    ):
        with pytest.raises(InvalidRequest, match=sentence):
            ask(value)
    ask(10**30)
    if isinstance(first, DictVectorizer):
        ask(["a", "b"])
    else:
        with pytest.raises(InvalidRequest, match="row 1: this model takes no lists of text"):
            ask(["a", "b"])


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"\\udfff": 1}', '{"a": 1e999}', '{"a": NaN', "[" * 5000])
def test_records_as_text_that_are_no_json(text: str, tmp_path: Path) -> None:
    """In v2 a record is JSON text, and as strict as a body is."""
    estimator = make_pipeline(FeatureHasher(8), LogisticRegression()).fit([{"a": 1}, {"a": 2}], [0, 1])
    model = served(estimator, tmp_path)

    with pytest.raises(InvalidRequest, match="row 0: expected the JSON text of an object"):
        from_tensors(model.signature, [("x", "BYTES", [1], [text])])
    assert from_tensors(model.signature, [("x", "BYTES", [1], ['{"a": "\\ud83d\\ude00"}'])])


def test_coefficients_set_by_hand(tmp_path: Path) -> None:
    """A model that was never fitted by scikit-learn, but has coefficients, is served."""
    estimator = LinearRegression()
    estimator.coef_, estimator.intercept_ = np.array([1.0, 2.0]), 3.0
    model = served(estimator, tmp_path)

    assert model.signature.inputs[0].shape == (-1, 2)
    assert model.predict({"input": np.array([[1.0, 1.0]])}, ["predict"])["predict"].tolist() == [6.0]


def test_unknown_shape(tmp_path: Path) -> None:
    """A model that does not tell its shape takes what comes, and says that it does not know."""
    model = served(IsotonicRegression().fit([1, 2, 3], [1, 2, 3]), tmp_path)

    assert model.signature.inputs[0].source is Source.UNKNOWN
    inputs = from_instances(model.signature, [1.5, 2])
    assert model.predict(inputs, ["predict"])["predict"].tolist() == [1.5, 2.0]


def test_untyped_matrix(tmp_path: Path) -> None:
    """A model of an object array takes numbers beside text."""
    table = FRAME[["age", "city"]].fillna({"age": 1.0, "city": "Oslo"}).to_numpy(dtype=object)
    columns = ColumnTransformer([("a", StandardScaler(), [0]), ("c", OneHotEncoder(handle_unknown="ignore"), [1])])
    estimator = make_pipeline(columns, LogisticRegression()).fit(table, LABELS)
    model = served(estimator, tmp_path)
    inputs = from_instances(model.signature, [[20, "Rome"], [35.5, "Oslo"]])

    answers = model.predict(inputs, ["predict_proba"])["predict_proba"]
    np.testing.assert_array_equal(
        answers, estimator.predict_proba(np.array([[20, "Rome"], [35.5, "Oslo"]], dtype=object))
    )


@pytest.mark.parametrize(
    ("thing", "word"),
    [
        (DBSCAN().fit(X), "DBSCAN"),
        ({"model": 1}, "dict"),
        (LogisticRegression(), "never fitted"),
        (np.ones(3), "ndarray"),
    ],
    ids=["DBSCAN", "dict", "unfitted", "array"],
)
def test_nothing_to_serve(thing: Any, word: str, tmp_path: Path) -> None:
    """What cannot answer for new rows is LoadFailed, in words."""
    with pytest.raises(ModelError) as caught:
        served(thing, tmp_path)

    assert (caught.value.phase, caught.value.reason) == (Phase.LOAD, Reason.LOAD_FAILED)
    assert word in caught.value.message


class Stubborn(ClassifierMixin, BaseEstimator):
    """An estimator whose own code fails."""

    n_features_in_ = 1
    fitted_ = True

    def predict(self, x: Any) -> Any:
        raise RuntimeError("canary")


def test_failing_model() -> None:
    """A failure of the model's own code is PredictFailed, by type alone; its example stays, so that warm-up fails."""
    from modelmoor_server.runtimes.sklearn.model import model_of

    model = model_of(Stubborn(), "scikit-learn", ())
    with pytest.raises(PredictFailed) as caught:
        model.predict(model.example(), ["predict"])
    assert "canary" not in str(caught.value)
    assert "RuntimeError" in str(caught.value)


class TestLoading:
    """Every way to fail has its own reason."""

    def failure(self, path: Path, **policy: Any) -> ModelError:
        with pytest.raises(ModelError) as caught:
            load(path, None, Policy(**policy))
        return caught.value

    def of_version(self, version: str, path: Path) -> Path:
        body = pickle.dumps(RandomForestRegressor(2, random_state=0).fit(X, Y))
        own = sklearn.__version__
        assert len(own) == len(version)
        path.write_bytes(body.replace(own.encode(), version.encode()))
        return path

    def test_deny(self, tmp_path: Path) -> None:
        """Deny refuses before anything is unpickled."""
        path = tmp_path / "m.pkl"
        path.write_bytes(b"cbuiltins\nexec\n(Vopen('" + str(tmp_path / "harm").encode() + b"', 'w')\ntR.")
        error = self.failure(path, pickle=PicklePolicy.DENY)

        assert (error.phase, error.reason) == (Phase.VERIFY, Reason.UNSAFE_ARTIFACT)
        assert not (tmp_path / "harm").exists()

    def test_other_version(self, tmp_path: Path) -> None:
        """Another minor version is refused by default; Warn loads it and says so; another patch is the same group."""
        path = self.of_version("1.6.1", tmp_path / "m.pkl")
        error = self.failure(path)
        assert error.reason is Reason.VERSION_MISMATCH
        assert "1.6.1" in error.message

        model = load(path, None, Policy(version_mismatch=VersionPolicy.WARN))
        assert "1.6.1" in model.warnings[0]
        assert load(self.of_version("1.9.0", tmp_path / "p.pkl"), None, Policy()).warnings == ()

    def test_other_version_that_cannot_be_loaded(self, tmp_path: Path) -> None:
        """Where the policy lets an old file pass and the library then fails, the version is the cause."""
        path = self.of_version("1.2.2", tmp_path / "m.pkl")
        path.write_bytes(path.read_bytes().replace(b"sklearn.tree._tree", b"sklearn.tree._gone"))

        assert self.failure(path, version_mismatch=VersionPolicy.WARN).reason is Reason.VERSION_MISMATCH

    def test_code_that_is_not_here(self, tmp_path: Path) -> None:
        """A class of the training script, or of a library that is not here, is named."""
        (tmp_path / "a.pkl").write_bytes(b"\x80\x04cmy_training_code\nMyModel\n.")
        (tmp_path / "b.pkl").write_bytes(b"\x80\x04c__main__\nmy_function\n.")

        for name, word in (("a.pkl", "my_training_code"), ("b.pkl", "my_function")):
            error = self.failure(tmp_path / name)
            assert error.reason is Reason.LOAD_FAILED
            assert word in error.message

    @pytest.mark.parametrize("compress", [0, 3])
    def test_damaged(self, compress: int, tmp_path: Path) -> None:
        """A damaged file is CorruptArtifact, whether its end is missing or its middle is overwritten."""
        path = tmp_path / "m.joblib"
        joblib.dump(LogisticRegression(max_iter=500).fit(X, Y), path, compress=compress)
        body = path.read_bytes()
        path.write_bytes(body[: len(body) // 2])
        assert self.failure(path).reason is Reason.CORRUPT_ARTIFACT

        path.write_bytes(body[:60] + b"\xff" * 20 + body[80:-1] + (b"." if compress == 0 else body[-1:]))
        assert self.failure(path).reason is Reason.CORRUPT_ARTIFACT

    def test_no_warning_escapes(self, tmp_path: Path) -> None:
        """scikit-learn's InconsistentVersionWarning becomes our sentence, and no warning of Python's."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            load(self.of_version("1.6.1", tmp_path / "m.pkl"), None, Policy(version_mismatch=VersionPolicy.WARN))
        assert caught == []
