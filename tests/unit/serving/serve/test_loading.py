"""Models loaded and unloaded by request, in a real process: neighbours, what is in flight, memory, and failures."""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from unit.serving.process import Started, by_hand, started

pytestmark = pytest.mark.slow

INFER = "/v2/models/iris/infer"
ROW = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [0.1, 0.2, 0.3, 0.4]}]}
SLOW = "/v1/models/slow:predict"


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """Models that a test may change."""
    for name in ("iris", "text", "slow"):
        shutil.copy(models / f"{name}.joblib", tmp_path)
    return tmp_path


def control(server: Started, verb: str, name: str = "iris") -> tuple[int, Any]:
    return server.ask("POST", f"/v2/repository/models/{name}/{verb}", {})


def listed(server: Started, ready: bool = False) -> dict[str, tuple[str, str, str]]:
    models = server.ask("POST", "/v2/repository/index", {"ready": ready})[1]
    return {model["name"]: (model["version"], model["state"], model["reason"]) for model in models}


@contextlib.contextmanager
def serving(folder: Path, *names: str) -> Iterator[Started]:
    with started([*by_hand(folder, *names), "--repository-api"]) as server:
        server.event("Ready")
        yield server


def test_unload_and_load(folder: Path) -> None:
    """An unloaded model is away at every door until it is loaded again; the process stays ready, and its neighbours."""
    with serving(folder, "iris", "text") as server:
        version = listed(server)["iris"][0]
        assert "model_repository" in server.ask("GET", "/v2")[1]["extensions"]

        assert control(server, "unload") == (200, {"name": "iris", "unload": True})
        status, answer = server.ask("POST", INFER, ROW)
        assert (status, "/v2/repository/models/iris/load" in answer["error"]) == (404, True)
        assert server.ask("POST", "/v1/models/iris:predict", {"instances": [[1, 2, 3, 4]]})[0] == 404
        assert server.ask("GET", "/v2/models/iris")[0] == 404
        assert server.ask("GET", "/v2/models/iris/ready")[0] == 503
        assert server.ask("GET", "/v2/health/ready") == (200, {"ready": True})
        assert server.ask("POST", "/v1/models/text:predict", {"instances": ["good day"]})[0] == 200
        assert listed(server)["iris"] == ("", "UNAVAILABLE", "unloaded")
        assert set(listed(server, ready=True)) == {"text"}
        assert b'modelmoor_model_ready{model="iris"} 0.0' in server.ask("GET", "/metrics")[1]
        assert control(server, "unload")[0] == 200  # nothing to do
        assert control(server, "load", "slow") == (404, {"error": "No such model here; there is iris, text."})

        assert control(server, "load") == (200, {"name": "iris", "load": True})
        assert server.ask("POST", INFER, ROW)[0] == 200
        assert listed(server)["iris"] == (version, "READY", "")
        assert server.stop() == 0


def test_by_grpc(folder: Path) -> None:
    """The same by gRPC: a model goes and comes, an unknown one is NOT_FOUND, a broken one is told with its reason."""
    grpc = pytest.importorskip("grpc")
    from modelmoor_server.grpc.messages import message_class

    with started([*by_hand(folder, "iris"), "--grpc-port", "0", "--repository-api"]) as server:
        server.event("Ready")
        port = server.event("ListeningGrpc")["port"]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:

            def change(verb: str, name: str = "iris") -> Any:
                request = message_class(f"inference.RepositoryModel{verb}Request")(model_name=name)
                answer = message_class(f"inference.RepositoryModel{verb}Response")
                path = f"/inference.GRPCInferenceService/RepositoryModel{verb}"
                call = channel.unary_unary(path, type(request).SerializeToString, answer.FromString)
                try:
                    call(request, timeout=60)
                except grpc.RpcError as error:
                    return error.code(), error.details()
                return None

            assert change("Unload") is None
            assert server.ask("POST", INFER, ROW)[0] == 404
            assert change("Load") is None
            assert server.ask("POST", INFER, ROW)[0] == 200
            assert change("Load", "nope")[0] is grpc.StatusCode.NOT_FOUND
            (folder / "iris.joblib").write_bytes(b"broken")
            code, sentence = change("Load")
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert sentence.startswith("Model iris was not loaded (")
            assert server.ask("POST", INFER, ROW)[0] == 200


def test_what_is_in_flight_is_answered(folder: Path) -> None:
    """A predict that runs when its model is unloaded, and one that waits behind it, are answered; none after them."""
    with serving(folder, "slow") as server:
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(server.ask("POST", SLOW, {"instances": [[1.0]]})[0]))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        while b"modelmoor_requests_in_flight 2.0" not in server.ask("GET", "/metrics")[1]:
            pass
        assert control(server, "unload", "slow")[0] == 200
        assert server.ask("POST", SLOW, {"instances": [[0.0]]})[0] == 404
        assert answers == []
        for thread in threads:
            thread.join(60)

        assert answers == [200, 200]
        server.event("ModelRetired")


@pytest.mark.parametrize("uri", [False, True], ids=["path", "URI"])
def test_a_new_artifact_replaces_the_old_one_without_a_gap(folder: Path, uri: bool) -> None:
    """A load takes what lies at the source now; until it is ready the old model answers every request."""
    source = f"file://{folder / 'iris.joblib'}" if uri else str(folder / "iris.joblib")
    scratch = folder / "scratch"
    scratch.mkdir()
    command = ["serve", "--model", f"iris={source}", "--http-port", "0", "--repository-api"]
    with started(command, {"TMPDIR": str(scratch)}) as server:
        server.event("Ready")
        before = listed(server)["iris"][0]
        statuses: set[int] = set()
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                statuses.add(server.ask("POST", INFER, ROW)[0])

        asking = threading.Thread(target=ask)
        asking.start()
        model = joblib.load(folder / "iris.joblib")
        model.intercept_ = np.array([0.0, 0.0, 99.0])
        joblib.dump(model, folder / "iris.joblib")
        assert control(server, "load")[0] == 200
        done.set()
        asking.join(60)

        assert statuses == {200}
        assert listed(server)["iris"][0] != before
        assert server.ask("POST", INFER, ROW)[1]["outputs"][0]["data"] == ["virginica"]
        server.event("ModelRetired")
        assert [path.name for path in scratch.glob("*/iris*")] == (["iris-2"] if uri else [])  # the old files are gone


def test_a_load_that_fails_changes_nothing(folder: Path) -> None:
    """A broken file is a 400 with reason and next step; the old model answers on, and the index tells."""
    with serving(folder, "iris", "text") as server:
        before = listed(server)["iris"][0]
        whole = (folder / "iris.joblib").read_bytes()
        (folder / "iris.joblib").write_bytes(whole[:300])
        status, answer = control(server, "load")

        assert status == 400
        assert answer["error"].startswith("Model iris was not loaded (CorruptArtifact): ")
        assert answer["error"].endswith("The one that was in service stays.")
        assert server.ask("POST", INFER, ROW)[0] == 200
        version, state, reason = listed(server)["iris"]
        assert (version, state, reason.partition(":")[0]) == (before, "READY", "CorruptArtifact")

        control(server, "unload")
        assert control(server, "load")[0] == 400
        status, answer = server.ask("POST", INFER, ROW)
        assert (status, answer["error"]) == (503, "Model iris is not ready: Failed.")
        assert listed(server)["iris"][1] == "UNAVAILABLE"
        assert server.ask("GET", "/v2/health/ready")[0] == 200

        (folder / "iris.joblib").write_bytes(whole)
        assert control(server, "load")[0] == 200
        assert listed(server)["iris"] == (before, "READY", "")


class Sleeping:
    """An artifact whose loading takes two minutes."""

    def __reduce__(self) -> Any:
        return time.sleep, (120,)


def test_a_long_load_is_nobody_elses_business(folder: Path) -> None:
    """While a model loads, it and its neighbours answer at once; SIGTERM waits for no load and tells its caller."""
    with serving(folder, "iris", "text") as server:
        joblib.dump(Sleeping(), folder / "iris.joblib")
        told: list[Any] = []
        loading = threading.Thread(target=lambda: told.append(control(server, "load")))
        loading.start()
        time.sleep(0.5)
        slowest = 0.0
        for _ in range(50):
            begun = time.monotonic()
            assert server.ask("POST", INFER, ROW)[0] == 200
            slowest = max(slowest, time.monotonic() - begun)
        assert slowest < 10.0  # of 120, on a machine that may be busy with other tests
        assert control(server, "unload", "text")[0] == 200  # another model does not wait for this one
        begun = time.monotonic()

        assert server.stop() == 0
        assert time.monotonic() - begun < 30
        loading.join(60)
        assert told == [(503, {"error": "The server is shutting down."})]


def _status(server: Started, key: str) -> int:
    lines = Path("/proc", str(server.process.pid), "status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{key}:")))


def test_loads_leave_nothing_behind(tmp_path: Path) -> None:
    """Twenty loads of a model of some 30 MB cost no thread and not the memory of one more model than two."""
    random = np.random.default_rng(0)
    forest = RandomForestClassifier(80).fit(random.normal(size=(3000, 8)), random.integers(0, 9, 3000))
    joblib.dump(forest, tmp_path / "iris.joblib")
    size = (tmp_path / "iris.joblib").stat().st_size
    with serving(tmp_path, "iris") as server:
        for _ in range(3):
            assert control(server, "load")[0] == 200
        server.event("ModelRetired", count=3)
        threads, memory = _status(server, "Threads"), _status(server, "VmRSS")
        for _ in range(20):
            assert control(server, "load")[0] == 200
        server.event("ModelRetired", count=23)
        deadline = time.monotonic() + 20
        while _status(server, "Threads") > threads and time.monotonic() < deadline:
            time.sleep(0.05)

        assert size > 20_000_000
        assert _status(server, "Threads") <= threads
        assert _status(server, "VmRSS") * 1024 < memory * 1024 + size, (memory, _status(server, "VmRSS"), size)
