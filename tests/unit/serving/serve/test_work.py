"""A process at work with a model that takes its time: what waits, what is told, and that health does not suffer."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.serving.process import Started, by_hand, started

pytestmark = pytest.mark.slow

SLOW = "/v1/models/slow:predict"
NOTHING = {"predictions": [pytest.approx(0.0)]}


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Started]:
    """A server of the odd models with a short timeout and a short queue."""
    environment = {"MODELMOOR_TIMEOUT": "2s", "MODELMOOR_QUEUE_LIMIT": "2"}
    with started(by_hand(models, "slow", "raising", "iris"), environment) as process:
        process.event("Ready")
        yield process


def _ask_later(server: Started, seconds: float) -> tuple[threading.Thread, list[tuple[int, Any]]]:
    answers: list[tuple[int, Any]] = []
    thread = threading.Thread(
        target=lambda: answers.append(server.ask("POST", SLOW, {"instances": [[seconds]]})), daemon=True
    )
    thread.start()
    return thread, answers


def _wait_for(server: Started, line: str) -> None:
    while line.encode() not in server.ask("GET", "/metrics")[1]:
        pass


def test_health_and_neighbours_do_not_wait(server: Started) -> None:
    """While one model predicts, health, metrics and other models answer at once."""
    thread, answers = _ask_later(server, 1.0)
    _wait_for(server, "modelmoor_requests_in_flight 1.0")
    times = []
    while thread.is_alive():
        begun = time.monotonic()
        assert server.ask("GET", "/v2/health/live")[0] == 200
        times.append(time.monotonic() - begun)
        assert server.ask("POST", "/v1/models/iris:predict", {"instances": [[1, 2, 3, 4]]})[0] == 200

    assert answers == [(200, {"predictions": [pytest.approx(1.0)]})]
    assert len(times) > 5
    assert sorted(times)[len(times) * 9 // 10] < 0.5


def test_timeout(server: Started) -> None:
    """Past the timeout the answer is 504; the model goes on, and answers the next one when it is free again."""
    status, answer = server.ask("POST", SLOW, {"instances": [[2.6]]})

    assert (status, answer) == (504, {"error": "The model did not answer within 2 s."})
    assert server.ask("POST", SLOW, {"instances": [[0.0]]}) == (200, NOTHING)
    assert server.ask("GET", "/v2/health/ready")[0] == 200


def test_full_queue(server: Started) -> None:
    """What does not fit into the queue is told to come back, with Retry-After."""
    first, _ = _ask_later(server, 1.0)
    _wait_for(server, "modelmoor_requests_in_flight 1.0")
    waiting = [_ask_later(server, 0.0) for _ in range(2)]
    _wait_for(server, 'modelmoor_queued_requests{model="slow"} 2.0')
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("POST", SLOW, json.dumps({"instances": [[0.0]]}))
        response = connection.getresponse()
        body = json.loads(response.read())
    for thread, answers in waiting:
        thread.join(60)

        assert answers == [(200, NOTHING)]
    first.join(60)

    assert response.status == 503
    assert response.headers["retry-after"] in ("1", "2", "3")
    assert body["error"].startswith("2 requests wait for this model already")


def test_left_caller(server: Started) -> None:
    """A request whose caller has hung up while it waited is dropped before it runs."""
    first, _ = _ask_later(server, 1.0)
    _wait_for(server, "modelmoor_requests_in_flight 1.0")
    body = b'{"instances": [[1.9]]}'
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (SLOW.encode(), len(body), body))
        _wait_for(server, 'modelmoor_queued_requests{model="slow"} 1.0')
    _wait_for(server, 'modelmoor_abandoned_requests_total{model="slow",reason="Disconnected"} 1.0')
    begun = time.monotonic()
    first.join(60)

    assert server.ask("POST", SLOW, {"instances": [[0.0]]})[0] == 200
    assert time.monotonic() - begun < 1.9
    assert (
        'modelmoor_requests_total{code="499",door="v1",model="slow"} 1.0' in server.ask("GET", "/metrics")[1].decode()
    )


def test_a_model_that_raises(server: Started) -> None:
    """The caller gets a sentence and the type, the log type and place; neither holds the value."""
    status, answer = server.ask("POST", "/v1/models/raising:predict", {"instances": [[13]]})
    line = server.event("PredictFailed")

    assert status == 500
    assert "KeyError" in answer["error"]
    assert (line["model"], line["exception"]) == ("raising", "KeyError")
    assert line["at"].startswith("odd.py:")
    assert "secret" not in json.dumps([answer, server.log])
    assert server.ask("POST", "/v1/models/raising:predict", {"instances": [[1]]})[0] == 200


def test_libraries_words_do_not_reach_the_log(server: Started) -> None:
    """Warnings and log lines of libraries are told by kind and place: their text may quote a payload."""
    assert server.ask("POST", "/v1/models/raising:predict", {"instances": [[7]]})[0] == 200
    warning, line = server.event("LibraryWarning"), server.event("LibraryLog")

    assert (warning["category"], warning["at"].partition(":")[0]) == ("UserWarning", "odd.py")
    assert (line["logger"], line["level"], line["at"].partition(":")[0]) == ("some.library", "error", "odd.py")
    assert "secret" not in json.dumps(server.log)
