"""An optimized artifact in service: scikit-learn's answers without scikit-learn, and with it where a row needs it."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from modelmoor_server.errors import InvalidRequest, PredictFailed
from modelmoor_server.runtimes import Policy, load
from modelmoor_server.runtimes.base import Engine, EnginePolicy, NotYet, PicklePolicy
from modelmoor_server.runtimes.flat.model import FlatModel
from modelmoor_server.runtimes.sklearn.model import SklearnModel
from unit.serving.equality.core import Core
from unit.serving.optimized.conftest import X
from unit.serving.process import started

DENIED = Policy(pickle=PicklePolicy.DENY)
HOLE = np.where(np.arange(12).reshape(3, 4) == 5, np.nan, X[:3])


@pytest.mark.parametrize("name", ["ridge", "logistic", "softmax", "objects", "forest", "boosting", "histogram"])
def test_the_same_bits(name: str, optimized: Path) -> None:
    """Every output, in calls of several sizes; the signature, too, is the original's."""
    model, original = load(optimized / name, None, Policy()), load(optimized / f"{name}.joblib", None, Policy())
    estimator = joblib.load(optimized / f"{name}.joblib")
    assert (model.signature, model.default_outputs) == (original.signature, original.default_outputs)
    assert (model.framework, model.independence) == (original.framework, original.independence)
    assert model.example()["input"].tobytes() == original.example()["input"].tobytes()
    for rows in (X[:1], X[:2], X[:7], X):
        for field in model.signature.outputs:
            got, wanted = (
                model.predict({"input": rows}, (field.name,))[field.name],
                getattr(estimator, field.name)(rows),
            )
            same = np.array_equal(got, wanted) if wanted.dtype.kind in "OU" else got.tobytes() == wanted.tobytes()
            assert same, (field.name, len(rows))


def test_the_library_can_be_demanded(optimized: Path) -> None:
    """Under Library the original is loaded, as if there were no fast form; under Native the fast form is."""
    assert isinstance(load(optimized / "forest", None, Policy(engine=EnginePolicy.LIBRARY)), SklearnModel)
    assert isinstance(load(optimized / "forest", None, Policy(engine=EnginePolicy.NATIVE)), FlatModel)


def test_linear_models_refuse_by_themselves(optimized: Path) -> None:
    """A missing or infinite value gets scikit-learn's refusal without scikit-learn."""
    original = load(optimized / "logistic.joblib", None, Policy())
    for value in (np.nan, np.inf, -np.inf):
        rows = np.where(np.isnan(HOLE), value, HOLE)
        with pytest.raises(InvalidRequest) as wanted:
            original.predict({"input": rows}, ("predict",))
        with pytest.raises(InvalidRequest) as got:
            load(optimized / "logistic", None, DENIED).predict({"input": rows}, ("predict",))
        assert str(got.value) == str(wanted.value)


async def test_a_row_that_needs_the_library_gets_it(optimized: Path) -> None:
    """It waits until the original is loaded; others are answered meanwhile, and those behind it afterwards."""
    core = Core(load(optimized / "histogram", None, Policy()))
    estimator = joblib.load(optimized / "histogram.joblib")

    def body(rows: np.ndarray) -> dict[str, Any]:
        data = [None if value != value else value for value in rows.ravel().tolist()]
        return {"inputs": [{"name": "x", "datatype": "FP64", "shape": list(rows.shape), "data": data}]}

    for _ in range(2):
        answers = await core.ask([body(X[:1]), body(HOLE), body(X[1:3])])
        assert [status for status, _ in answers] == [200] * 3
        for (_, document), rows in zip(answers, (X[:1], HOLE, X[1:3]), strict=True):
            assert document["outputs"][0]["data"] == estimator.predict(rows).tolist()
    sliced = Core(load(optimized / "histogram", None, Policy()), cheap=False, max_size=2)
    ((status, document),) = await sliced.ask([body(np.concatenate([X[:3], HOLE, X[:3]]))])
    assert status == 200
    wanted = estimator.predict(np.concatenate([X[:3], HOLE, X[:3]])).tolist()
    assert document["outputs"][0]["data"] == wanted


async def test_time_runs_while_the_library_is_loaded(optimized: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waits for it is told when its time is over, and a later one is answered."""
    model = load(optimized / "histogram", None, Policy())
    assert isinstance(model, FlatModel)
    load_now = model.original.load

    def slowly() -> None:
        time.sleep(0.5)
        load_now()

    monkeypatch.setattr(model.original, "load", slowly)
    core = Core(model)
    core.inference._timeout = 0.1
    data = [None, 1.0, 1.0, 1.0]
    body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": data}]}
    ((status, _),) = await core.ask([body])
    assert status == 504
    core.inference._timeout = 60.0
    ((status, _),) = await core.ask([body])
    assert status == 200


def test_denied_pickles_stay_closed(optimized: Path) -> None:
    """Arrays are no pickle and are served; what only the original could answer is refused with the reason."""
    forest, sgd = load(optimized / "forest", None, DENIED), load(optimized / "sgd", None, DENIED)
    assert forest.predict({"input": X[:2]}, ("predict",))["predict"].shape == (2,)
    with pytest.raises(InvalidRequest, match=r"row 1: .* denies pickles"):
        forest.predict({"input": HOLE}, ("predict",))
    with pytest.raises(PredictFailed, match="denies pickles"):
        forest.predict({"input": np.full((1, 4), 1e300)}, ("predict",))
    with pytest.raises(InvalidRequest, match=r"'predict_proba' .* denies pickles"):
        sgd.predict({"input": X[:2]}, ("predict_proba",))


def test_an_original_that_cannot_be_loaded(optimized: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is tried once, told, and does not end the service of all other rows."""
    model = load(optimized / "histogram", None, Policy())
    monkeypatch.setattr("joblib.load", lambda path: 1 / 0)
    with pytest.raises(NotYet) as later:
        model.predict({"input": HOLE}, ("predict",))
    later.value.prepare()
    with pytest.raises(InvalidRequest, match="cannot be loaded"):
        model.predict({"input": HOLE}, ("predict",))
    assert model.predict({"input": X[:1]}, ("predict",))["predict"].shape == (1,)


@pytest.mark.slow
def test_the_framework_stays_outside(optimized: Path) -> None:
    """A process that serves from arrays imports neither scikit-learn nor SciPy, joblib or pandas."""
    code = f"""
import sys
from pathlib import Path
from modelmoor_server.runtimes import load, Policy
for name in ("logistic", "softmax", "forest", "boosting", "histogram"):
    model = load(Path({str(optimized)!r}) / name, None, Policy())
    model.predict(model.example(), [field.name for field in model.signature.outputs])
print([name for name in sys.modules if "." not in name])
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"sklearn", "scipy", "joblib", "pandas"} & set(eval(shown))


@pytest.mark.slow
def test_a_server_of_arrays_starts_lean(optimized: Path) -> None:
    """Half the time and memory of the original's server, and less than 100 MB, with bounds for a busy machine; the
    metadata says which engine answers, and a row with a hole is answered by the original all the same."""
    figures = []
    row = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [None, 1.0, 1.0, 1.0]}]}
    for path in (optimized / "histogram", optimized / "histogram.joblib"):
        begun = time.monotonic()
        with started(["serve", "--model", f"m={path}", "--http-port", "0"]) as server:
            server.event("Ready")
            seconds = time.monotonic() - begun
            lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
            figures.append((seconds, next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000))
            status, headers, _ = server.exchange("GET", "/v2/models/m")
            assert (status, headers["Modelmoor-Engine"]) == (200, Engine.NATIVE)
            assert server.ask("POST", "/v2/models/m/infer", row)[0] == 200
    (seconds, memory), (own_seconds, own_memory) = figures
    assert memory < 100
    assert memory < own_memory
    assert seconds < own_seconds


@pytest.mark.slow
def test_a_pod_serves_a_folder(optimized: Path, tmp_path: Path) -> None:
    """The init container tells the original's format, and the server serves the fast form that it finds."""
    environment = {
        "MODELMOOR_MODEL_NAME": "m",
        "MODELMOOR_MODEL_URI": f"file://{optimized}/forest",
        "MODELMOOR_MODEL_DIR": str(tmp_path / "model"),
        "MODELMOOR_HTTP_PORT": "0",
        "MODELMOOR_TERMINATION_LOG": str(tmp_path / "termination-log"),
        "MODELMOOR_PICKLE": "Deny",
    }
    with started(["fetch"], environment) as init:
        assert init.process.wait(60) == 0
    facts = json.loads((tmp_path / "termination-log").read_text())
    assert (facts["format"], facts["files"]) == ("sklearn", 3)
    assert facts["framework"].startswith("scikit-learn ")
    with started(["serve"], environment) as server:
        assert server.event("ModelReady")["engine"] == "Native"
        server.event("Ready")
        assert server.ask("POST", "/v1/models/m:predict", {"instances": [[1, 2, 3, 4]]})[0] == 200
        assert server.stop() == 0
