"""What is answered by the server's own code is answered with scikit-learn's bits, or not at all."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from modelmoor_server import native
from modelmoor_server.errors import InvalidRequest, ModelError, RequestError
from modelmoor_server.runtimes.base import Engine, EnginePolicy
from modelmoor_server.runtimes.sklearn.model import SklearnModel, model_of
from modelmoor_server.runtimes.sklearn.shortcuts import linear, proof
from modelmoor_server.signature import Datatype, Field, Signature, from_tensors

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(90, 6)) * [1, 10, 100, 0.1, 1, 1]
TARGETS = {
    "two": RANDOM.integers(0, 2, 90),
    "three": np.arange(90) % 3,
    "words": np.array(["a", "bb", "ccc"])[np.arange(90) % 3],
    "yes": np.array(["no", "yes"], dtype=object)[np.arange(90) % 2],
}
NUMBER = X @ [1.0, -2.0, 0.3, 4.0, 0.0, 1.0]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SCALERS = (StandardScaler(), StandardScaler(with_mean=False), MinMaxScaler(), MaxAbsScaler(), RobustScaler())
ODD = np.array([[0.0] * 6, [-0.0] * 6, [5e-324] * 6, [1e150] * 6, [-1e308, 1e-300, 1, 1, 1, 1]])


def as_bytes(rows: np.ndarray) -> np.ndarray:
    """Rows as a request with binary tensors brings them: their dtype states the order of its bytes."""
    field = Field("x", Datatype.FP64, (-1, rows.shape[1]))
    tensor = ("x", "FP64", list(rows.shape), memoryview(rows.tobytes()))
    return from_tensors(Signature((field,), ()), [tensor])["x"]


def fitted() -> dict[str, Any]:
    """Every listed type, classifiers on targets of two and three classes, and pipelines of scalers before them."""
    found: dict[str, Any] = {}
    for kind in sorted(linear.REGRESSORS, key=lambda kind: kind.__name__):
        multi = kind.__name__.startswith("MultiTask")
        found[kind.__name__] = kind().fit(X, np.column_stack([NUMBER, -NUMBER]) if multi else NUMBER)
    found["Ridge of two targets"] = Ridge().fit(X, np.column_stack([NUMBER, X[:, 0]]))
    for kind in sorted(linear.CLASSIFIERS, key=lambda kind: kind.__name__):
        for name, target in TARGETS.items():
            found[f"{kind.__name__} {name}"] = kind().fit(X, target)
    for scaler in SCALERS:
        found[f"{scaler} before"] = make_pipeline(clone(scaler), LogisticRegression()).fit(X, TARGETS["words"])
    # without a compiler there is no kernel; unit/serving/native fails where one could have been built
    forests = (RandomForestClassifier(20, n_jobs=2), HistGradientBoostingClassifier(max_iter=20))
    for forest in forests if native.available else ():
        found[type(forest).__name__] = forest.fit(X, TARGETS["words"])
        found[f"{type(forest).__name__} behind a scaler"] = make_pipeline(StandardScaler(), clone(forest)).fit(
            X, TARGETS["three"]
        )
    found["three steps"] = Pipeline(
        [("a", RobustScaler()), ("b", "passthrough"), ("c", StandardScaler()), ("d", Ridge())]
    ).fit(X, NUMBER)
    return found


@pytest.fixture(scope="module")
def zoo() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fitted()


def test_every_listed_type_answers_with_the_same_bits(zoo: dict[str, Any]) -> None:
    """All methods, any number of rows, values from denormal to huge."""
    for name, estimator in zoo.items():
        found = proof.shortcuts_of(estimator, 6)
        assert found is not None, name
        assert "predict" in found.methods, name
        for rows in (X[:1], X[:2], X[:7], X, ODD, np.repeat(X, 12, axis=0), as_bytes(X[:3]), np.asfortranarray(X)):
            for method in found.methods:
                with np.errstate(all="ignore"):
                    got = found.answers(rows, [method])
                if got is None:  # left to scikit-learn
                    continue
                with np.errstate(all="ignore"):
                    wanted = proof.dense(getattr(estimator, method)(rows))
                assert got[method].dtype == wanted.dtype, (name, method)
                assert proof.same_bits(got[method], wanted), (name, method, len(rows))


def test_probabilities_are_among_them(zoo: dict[str, Any]) -> None:
    """A logistic regression's outputs are all answered natively; what has no shortcut is not pretended to have one."""
    assert set(proof.shortcuts_of(zoo["LogisticRegression three"], 6).methods) == {  # type: ignore[union-attr]
        "predict", "predict_proba", "decision_function",
    }  # fmt: skip
    huber = SGDClassifier(loss="modified_huber").fit(X, TARGETS["two"])
    assert "predict_proba" not in proof.shortcuts_of(huber, 6).methods  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_refused_is_refused_by_scikit_learn(value: float) -> None:
    """The sentence of a refusal does not depend on the engine."""
    estimator = LogisticRegression().fit(X, TARGETS["two"])
    rows = X[:3].copy()
    rows[1, 2] = value
    told = set()
    for engine in (EnginePolicy.AUTO, EnginePolicy.LIBRARY):
        with pytest.raises(InvalidRequest) as refusal:
            model_of(estimator, "scikit-learn", (), engine).predict({"input": rows}, ("predict",))
        told.add(str(refusal.value))
    assert len(told) == 1


def test_scaling_that_overflows_is_left_to_scikit_learn() -> None:
    """A finite value that a scaler makes infinite is refused there, so it is refused here."""
    estimator = make_pipeline(MaxAbsScaler(), LogisticRegression()).fit(X * 1e-10, TARGETS["two"])
    model = model_of(estimator, "scikit-learn", ())
    assert model.engine is Engine.NATIVE
    with np.errstate(all="ignore"), pytest.raises(RequestError):
        model.predict({"input": np.full((1, 6), 1e305)}, ("predict",))


class Own(LogisticRegression):
    """A subclass may do anything."""


def centred(x: np.ndarray) -> np.ndarray:
    """Looks at all rows."""
    return x - x.mean(axis=0)


def shadowed() -> LogisticRegression:
    """An estimator whose instance has a predict of its own."""
    estimator = LogisticRegression().fit(X, TARGETS["two"])
    estimator.predict = lambda rows: np.zeros(len(rows))  # type: ignore[method-assign]
    return estimator


@pytest.mark.parametrize(
    "estimator",
    [
        Own().fit(X, TARGETS["two"]),
        shadowed(),
        make_pipeline(FunctionTransformer(centred), LogisticRegression()).fit(X, TARGETS["two"]),
        make_pipeline(StandardScaler().set_output(transform="pandas"), Ridge()).fit(X, NUMBER),
    ],
    ids=["subclass", "own method", "unknown step", "frames between steps"],
)
def test_anything_else_is_left_alone(estimator: Any) -> None:
    """Only exact types as their class made them have shortcuts."""
    assert proof.shortcuts_of(estimator, 6) is None


def test_a_shortcut_that_is_not_equal_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were scikit-learn's arithmetic another one, the probes would tell."""
    true = proof.methods_of

    def off(described: Any) -> Any:
        found = true(described)
        return found | {"decision_function": lambda x: found["decision_function"](x) * (1 + 1e-15)}

    monkeypatch.setattr(proof, "methods_of", off)
    found = proof.shortcuts_of(LogisticRegression().fit(X, TARGETS["three"]), 6)
    assert found is not None
    assert "decision_function" not in found.methods
    assert "predict" in found.methods


def test_a_shortcut_that_fails_costs_time_and_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """The estimator answers instead, and the log says that something is wrong with the server."""
    model = model_of(LogisticRegression().fit(X, TARGETS["two"]), "scikit-learn", ())

    def broken(x: np.ndarray) -> np.ndarray:
        raise ValueError("a payload")

    assert model.shortcuts is not None
    changed = replace(model, shortcuts=proof.Shortcuts({**model.shortcuts.methods, "predict": broken}))
    with caplog.at_level("ERROR", "modelmoor_server"):
        answers = changed.predict({"input": X[:3]}, ("predict",))
    assert np.array_equal(answers["predict"], model.estimator.predict(X[:3]))
    assert [record.getMessage() for record in caplog.records] == ["ShortcutFailed"]


def test_engines_can_be_forbidden_and_demanded() -> None:
    """Library: scikit-learn alone. Native: a model without a shortcut is refused, with the next step."""
    estimator = LogisticRegression().fit(X, TARGETS["two"])
    assert model_of(estimator, "scikit-learn", ()).engine is Engine.NATIVE
    assert model_of(estimator, "scikit-learn", (), EnginePolicy.LIBRARY).engine is Engine.LIBRARY
    assert isinstance(model_of(estimator, "scikit-learn", (), EnginePolicy.NATIVE), SklearnModel)
    with pytest.raises(ModelError, match="native engine") as refusal:
        model_of(Own().fit(X, TARGETS["two"]), "scikit-learn", (), EnginePolicy.NATIVE)
    assert "Auto" in refusal.value.hint
