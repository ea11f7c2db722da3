"""What is known of the rows of scikit-learn's estimators: exact types and parameters alone."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostRegressor, GradientBoostingRegressor, RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from modelmoor_server.runtimes.base import Independence
from modelmoor_server.runtimes.sklearn import independence
from modelmoor_server.runtimes.sklearn.independence import independence_of

EXACT, CLOSE, UNKNOWN = Independence.EXACT, Independence.CLOSE, Independence.UNKNOWN
X = np.random.default_rng(0).random((30, 3))
Y = np.arange(30) % 3
TEXTS = ["good day", "bad night", "good night"] * 10


class Sly(LogisticRegression):
    """A class of the user's that looks like a listed one."""


def by_the_batch(x: Any) -> Any:
    return x / x.max(axis=0)


def splitter(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    ("estimator", "known"),
    [
        (LogisticRegression(), CLOSE),
        (Sly(), UNKNOWN),
        (RandomForestClassifier(3), EXACT),
        (GradientBoostingRegressor(n_estimators=2), EXACT),
        (GradientBoostingRegressor(n_estimators=2, init=Ridge()), UNKNOWN),
        (KMeans(2, n_init=1), UNKNOWN),
        (SVC(), EXACT),
        (SVC(kernel=lambda a, b: a @ b.T), UNKNOWN),
        (KNeighborsClassifier(algorithm="kd_tree"), EXACT),
        (KNeighborsClassifier(algorithm="brute"), UNKNOWN),
        (DummyClassifier(strategy="stratified"), UNKNOWN),
        (make_pipeline(StandardScaler(), SVC()), EXACT),
        (make_pipeline(StandardScaler(), LogisticRegression()), CLOSE),
        (make_pipeline(PCA(2), LogisticRegression()), CLOSE),
        (make_pipeline(PCA(2), DecisionTreeClassifier()), UNKNOWN),  # what PCA rounds, a threshold may flip
        (make_pipeline(PCA(2), make_union(StandardScaler(), OneHotEncoder(handle_unknown="ignore"))), UNKNOWN),
        (make_pipeline(FunctionTransformer(by_the_batch), LogisticRegression()), UNKNOWN),
        (make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()), CLOSE),
        (make_pipeline(FunctionTransformer(np.log1p), DecisionTreeClassifier()), UNKNOWN),
        (make_pipeline("passthrough", DecisionTreeClassifier()), EXACT),
        (make_pipeline(StandardScaler().set_output(transform="pandas"), DecisionTreeClassifier()), UNKNOWN),
        (ColumnTransformer([("a", StandardScaler(), [0]), ("b", "drop", [1])], remainder="passthrough"), EXACT),
        (ColumnTransformer([("a", FunctionTransformer(by_the_batch), [0])]), UNKNOWN),
        (GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2), EXACT),
        (VotingClassifier([("a", DecisionTreeClassifier())]), UNKNOWN),
        (AdaBoostRegressor(n_estimators=2), CLOSE),
        (AdaBoostRegressor(LinearRegression(), n_estimators=2), UNKNOWN),
        (TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1), CLOSE),
        (TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=lambda y: y), UNKNOWN),
    ],
    ids=lambda value: str(value).partition("<")[0][:80],  # no address: the ids of two processes must be equal
)
@pytest.mark.filterwarnings("ignore")  # of functions that are no inverses
def test_estimators(estimator: Any, known: Independence) -> None:
    """By type, parameters and place in a pipeline."""
    assert independence_of(estimator.fit(X, Y)) is known


@pytest.mark.parametrize(
    ("estimator", "known"),
    [
        (CountVectorizer(), EXACT),
        (CountVectorizer(tokenizer=splitter, token_pattern=None), UNKNOWN),
        (TfidfVectorizer(), EXACT),
        (TfidfVectorizer(sublinear_tf=True), UNKNOWN),
    ],
)
def test_texts(estimator: Any, known: Independence) -> None:
    """Words are counted text by text, unless a function of the user's takes them apart."""
    assert independence_of(estimator.fit(TEXTS)) is known


def test_a_method_of_the_object() -> None:
    """An object that brings a method of its own is not what its type says."""
    model = LogisticRegression().fit(X, Y)
    model.predict = lambda x: np.zeros(len(x))

    assert independence_of(model) is UNKNOWN


def test_a_type_that_borrows_a_name() -> None:
    """The type must be the one that lies under that name in the library."""
    fake = type("LogisticRegression", (BaseEstimator,), {"__module__": "sklearn.linear_model._logistic"})

    assert independence_of(fake()) is UNKNOWN
    assert independence_of("text") is UNKNOWN


def test_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions of scikit-learn that nobody read for this list have none."""
    monkeypatch.setattr(independence.sklearn, "__version__", "1.10.0")

    assert independence_of(LogisticRegression().fit(X, Y)) is UNKNOWN


def test_the_list_names_classes_of_the_library() -> None:
    """Each entry is a class at exactly that place."""
    from importlib import import_module

    for module, name in (*independence._LISTED, *independence._KNOWN_COMPOSITES):
        assert getattr(import_module(module), name).__module__ == module
    assert independence._CHECKS.keys() <= {name for _, name in independence._LISTED}
