"""Real servers with two worker processes: whatever a caller does to one of them is done to both."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.serving.process import GRPC, Started, by_hand, command, save_models, started

ROW = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
INFER = "/v2/models/iris/infer"
pytestmark = pytest.mark.slow
MANY = 24  # connections: that all of them come to one of two workers has a chance of 1 in 8 million


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    save_models(made)
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Started]:
    with started([*by_hand(folder, "iris", "sum"), *GRPC, "--workers", "2", "--repository-api"]) as server:
        server.event("Ready")
        yield server


def workers(server: Started) -> list[int]:
    """Process ids of the workers."""
    return [pid for pid in server.children() if b"workers.member" in command(pid)]


def statuses(server: Started, method: str, path: str, body: object = None) -> Counter[int]:
    """Of the answers to many connections."""
    return Counter(server.ask(method, path, body)[0] for _ in range(MANY))


def total(server: Started, sample: str) -> float:
    """A sample of /metrics, added up over its labels."""
    text = server.ask("GET", "/metrics")[1].decode()
    return sum(float(n) for n in re.findall(rf"^{sample}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE))


def until(condition: object, seconds: float = 60) -> None:
    """Wait until a condition holds."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.1)


def test_both_answer_and_are_counted_as_one(server: Started) -> None:
    """Connections come to both workers; one scrape, whoever answers it, tells the requests of both."""
    before = total(server, "modelmoor_requests_total")
    assert statuses(server, "POST", INFER, ROW) == {200: MANY}
    assert total(server, "modelmoor_requests_total") == before + MANY
    assert total(server, "modelmoor_request_duration_seconds_count") == before + MANY
    assert total(server, "modelmoor_ready") == 1
    assert total(server, "modelmoor_model_ready") == 2  # of two models
    assert total(server, "modelmoor_workers") == total(server, "modelmoor_workers_wanted") == 2


def test_each_worker_had_some_of_them(server: Started) -> None:
    """The kernel deals out connections: neither worker is idle."""
    pids = workers(server)
    assert len(pids) == 2
    before = [_sockets(pid) for pid in pids]
    with contextlib.ExitStack() as held:
        for _ in range(MANY):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            held.callback(connection.close)
            connection.request("POST", INFER, json.dumps(ROW))
            assert connection.getresponse().read()
        had = [_sockets(pid) - then for pid, then in zip(pids, before, strict=True)]
    assert min(had) > 0


def test_unload_and_load_mean_all_workers(server: Started) -> None:
    """After one request the model is away everywhere, and after another one it is there again."""
    assert server.ask("POST", "/v2/repository/models/iris/unload", {})[0] == 200
    assert statuses(server, "POST", INFER, ROW) == {404: MANY}
    assert statuses(server, "GET", "/v2/health/ready") == {200: MANY}
    assert total(server, "modelmoor_model_ready") == 1
    assert server.ask("POST", "/v2/repository/models/iris/load", {})[0] == 200
    assert statuses(server, "POST", INFER, ROW) == {200: MANY}


def test_a_load_that_fails_changes_no_worker(server: Started, folder: Path) -> None:
    """Every worker keeps the model that it had, and tells why the new one did not come."""
    path = folder / "sum.joblib"
    before = path.read_bytes()
    path.write_bytes(b"no model at all")
    try:
        status, told = server.ask("POST", "/v2/repository/models/sum/load", {})
        assert status == 400
        assert "stays" in told["error"]
        indexes = {json.dumps(server.ask("POST", "/v2/repository/index", {})[1]) for _ in range(MANY)}
        assert len(indexes) == 1
        assert "CorruptArtifact" in indexes.pop()
        body = {"instances": [[1.0, 0.0, 0.0]]}
        assert statuses(server, "POST", "/v1/models/sum:predict", body) == {200: MANY}
    finally:
        path.write_bytes(before)
    assert server.ask("POST", "/v2/repository/models/sum/load", {})[0] == 200


def test_grpc_is_shared_as_well(server: Started) -> None:
    """Calls on many channels are answered, and counted in the one sum."""
    import grpc

    from modelmoor_server.grpc.messages import message_class

    before = total(server, "modelmoor_requests_total")
    request = message_class("inference.ModelInferRequest")(model_name="iris")
    request.inputs.add(name="x", datatype="FP64", shape=[1, 4]).contents.fp64_contents.extend([5.1, 3.5, 1.4, 0.2])
    for _ in range(8):
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            assert call(request.SerializeToString(), timeout=30)
    assert total(server, "modelmoor_requests_total") == before + 8


def test_a_worker_that_dies_is_replaced_by_one_that_knows_what_the_others_know(server: Started) -> None:
    """Meanwhile the other one answers; no sum falls; a model that was unloaded stays so in the new worker, too."""
    assert server.ask("POST", "/v2/repository/models/sum/unload", {})[0] == 200
    counted = total(server, "modelmoor_requests_total")
    dead, left = workers(server)
    os.kill(dead, signal.SIGKILL)
    server.event("WorkerEnded")
    assert statuses(server, "POST", INFER, ROW) == {200: MANY}
    until(lambda: total(server, "modelmoor_workers") == 2)
    assert left in workers(server)
    assert dead not in workers(server)
    assert statuses(server, "POST", INFER, ROW) == {200: MANY}
    assert statuses(server, "GET", "/v2/health/ready") == {200: MANY}
    assert statuses(server, "POST", "/v1/models/sum:predict", {"instances": [[1.0, 0.0, 0.0]]}) == {404: MANY}
    assert total(server, "modelmoor_requests_total") >= counted + 2 * MANY
    assert server.ask("POST", "/v2/repository/models/sum/load", {})[0] == 200
    assert statuses(server, "POST", "/v1/models/sum:predict", {"instances": [[1.0, 0.0, 0.0]]}) == {200: MANY}


def test_sigterm_ends_all_of_them(folder: Path) -> None:
    """Every worker drains, nothing is left, and the exit code is 0."""
    with started([*by_hand(folder, "iris"), "--workers", "2"]) as server:
        server.event("Ready")
        pids = workers(server)
        assert server.stop() == 0
        assert server.event("Stopped")["drained"] is True
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_workers_end_with_their_parent(folder: Path) -> None:
    """Nobody is left behind where the parent is killed."""
    with started([*by_hand(folder, "iris"), "--workers", "2"]) as server:
        server.event("Ready")
        pids = workers(server)
        server.process.kill()
        until(lambda: not any(command(pid) for pid in pids), 30)


def test_a_model_that_cannot_be_served_ends_the_start(folder: Path, tmp_path: Path) -> None:
    """As with one process: exit code 1, the reason on standard error and in the termination log."""
    told = tmp_path / "termination-log"
    shutil.copytree(folder, tmp_path / "models")
    (tmp_path / "models" / "iris.joblib").write_bytes(b"no model at all")
    environment = {
        "MODELMOOR_MODEL_NAME": "iris",
        "MODELMOOR_MODEL_DIR": str(tmp_path / "models"),
        "MODELMOOR_TERMINATION_LOG": str(told),
        "MODELMOOR_HTTP_PORT": "0",
        "MODELMOOR_WORKERS": "2",
    }
    with started(["serve"], environment) as server:
        assert server.event("StartFailed")["reason"] == "ModelNotFound"
        assert server.process.wait(60) == 1
    assert json.loads(told.read_bytes())["reason"] == "ModelNotFound"


def test_a_port_that_is_taken_is_told(server: Started, folder: Path) -> None:
    """Even one that another server shares among its workers."""
    taken = ["serve", "--model", f"iris={folder / 'iris.joblib'}", "--http-port", str(server.port), "--workers", "2"]
    with started(taken) as other:
        assert str(server.port) in other.event("StartFailed")["message"]
        assert other.process.wait(60) == 1


def _sockets(pid: int) -> int:
    """Open sockets of a process, a connection that it took from the kernel among them."""
    return sum(entry.is_socket() for entry in Path(f"/proc/{pid}/fd").iterdir())
