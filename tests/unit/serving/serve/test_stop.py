"""The end of a serving process: not ready at once, every request answered, exit code 0, within a bound."""

import contextlib
import http.client
import json
import signal
import threading
import time
from pathlib import Path

import pytest

from unit.serving.process import Started, by_hand, started

pytestmark = pytest.mark.slow

ROW = json.dumps({"instances": [[0.1, 0.2, 0.3, 0.4]]}).encode()
PREDICT = "/v1/models/iris:predict"
SLOW = "/v1/models/slow:predict"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_process_ends_soon(models: Path, number: int) -> None:
    """Without connections there is nothing to wait for."""
    with started(by_hand(models, "iris")) as server:
        server.event("Ready")
        begun = time.monotonic()

        assert server.stop(number) == 0
        assert time.monotonic() - begun < 5
        assert server.event("Stopped")["drained"] is True


def test_ctrl_c_does_not_wait_for_idle_clients(models: Path) -> None:
    """Whoever pressed Ctrl-C gets the prompt back although a client keeps its connection."""
    with started(by_hand(models, "iris")) as server, contextlib.closing(_connection(server)) as client:
        server.event("Ready")
        assert _predict(client)[0] == 200
        begun = time.monotonic()

        assert server.stop(signal.SIGINT) == 0
        assert time.monotonic() - begun < 4


def test_while_draining(models: Path) -> None:
    """After SIGTERM: not ready, alive, new and kept connections are answered with `Connection: close`."""
    with started(by_hand(models, "iris")) as server, contextlib.closing(_connection(server)) as kept:
        server.event("Ready")
        assert _predict(kept)[:2] == (200, None)
        server.process.send_signal(signal.SIGTERM)
        server.event("Draining")
        ready = server.ask("GET", "/v2/health/ready")
        live = server.ask("GET", "/v2/health/live")
        new = _predict(_connection(server))
        last = _predict(kept)

        assert ready == (503, {"ready": False, "error": "The server is shutting down."})
        assert live[0] == 200
        assert new[:2] == (200, "close")
        assert last[:2] == (200, "close")
        assert server.process.wait(60) == 0


def test_work_in_flight_is_answered(models: Path) -> None:
    """A predict that runs when SIGTERM comes, and one that waits behind it, are answered."""
    with started(by_hand(models, "slow")) as server:
        server.event("Ready")
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(server.ask("POST", SLOW, {"instances": [[0.7]]})[0]))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        while b"modelmoor_requests_in_flight 2.0" not in server.ask("GET", "/metrics")[1]:
            pass

        assert server.stop() == 0
        for thread in threads:
            thread.join(60)
        assert answers == [200, 200]


@pytest.mark.parametrize("signals", [1, 2], ids=["bound", "second signal"])
def test_a_predict_that_does_not_end_holds_nothing_up(models: Path, signals: int) -> None:
    """The drain is bounded, and a second signal ends it at once; the exit code is 0 all the same."""
    environment = {"MODELMOOR_TIMEOUT": "1s" if signals == 1 else "60s"}
    with started(by_hand(models, "slow"), environment) as server:
        server.event("Ready")
        threading.Thread(target=_ask_quietly, args=(server, 10.0), daemon=True).start()
        while b"modelmoor_requests_in_flight 1.0" not in server.ask("GET", "/metrics")[1]:
            pass
        begun = time.monotonic()
        for _ in range(signals):
            server.process.send_signal(signal.SIGTERM)
            server.event("Draining")

        assert server.process.wait(60) == 0
        assert time.monotonic() - begun < 6


def test_sigterm_while_loading(models: Path) -> None:
    """A process that is told to end before it is ready ends, without having been ready."""
    with started(by_hand(models, "iris")) as server:
        server.event("Listening")

        assert server.stop() == 0
    assert "Ready" not in [line["event"] for line in server.log]


def test_a_load_that_ends_during_the_drain_makes_nothing_ready(models: Path) -> None:
    """Whoever asks holds up the end of the process, so that its model is loaded before; it says no `Ready` for that."""
    with started(by_hand(models, "iris")) as server:
        server.event("Listening")
        server.process.send_signal(signal.SIGTERM)
        server.event("Draining")
        while "ModelReady" not in [line["event"] for line in server.log]:
            assert server.ask("GET", "/v2/health/live")[0] == 200

        assert server.process.wait(60) == 0
    assert "Ready" not in [line["event"] for line in server.log]


def test_rolling_update_loses_nothing(models: Path) -> None:
    """Clients on kept and on new connections go from one process to the next; every request is answered."""
    with started(by_hand(models, "iris")) as old, started(by_hand(models, "iris")) as new:
        old.event("Ready")
        new.event("Ready")
        served = [old]  # what a Service would send new connections to
        over = threading.Event()
        failures: list[BaseException] = []
        counts = dict.fromkeys(("kept", "paced", "new"), 0)

        def work(kind: str) -> None:
            try:
                while not over.is_set():
                    connection = _connection(served[0])
                    with contextlib.closing(connection):
                        close: str | None = None
                        while close is None and not over.is_set():
                            status, close, _ = _predict(connection)
                            assert status == 200
                            counts[kind] += 1
                            if kind == "new":
                                break
                            over.wait(0.4 if kind == "paced" else 0)
            except BaseException as error:  # noqa: BLE001 - any failure is the finding
                failures.append(error)

        threads = [threading.Thread(target=work, args=(kind,)) for kind in ("kept", "kept", "paced", "paced", "new")]
        for thread in threads:
            thread.start()
        while min(counts.values()) < 3:
            assert not failures
        old.process.send_signal(signal.SIGTERM)
        old.event("Draining")
        time.sleep(0.3)  # the time that endpoints need to travel: this is the thing under test, no wait for a condition
        served[0] = new
        assert old.process.wait(60) == 0
        reached = dict(counts)
        while any(counts[kind] < reached[kind] + 3 for kind in counts) and not failures:
            pass
        over.set()
        for thread in threads:
            thread.join(60)

    assert not failures
    assert old.event("Stopped")["drained"] is True
    assert counts["kept"] > 100


def _connection(server: Started) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)


def _predict(connection: http.client.HTTPConnection) -> tuple[int, str | None, bytes]:
    connection.request("POST", PREDICT, ROW)
    response = connection.getresponse()
    body = response.read()
    return response.status, response.headers["connection"], body


def _ask_quietly(server: Started, seconds: float) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        server.ask("POST", SLOW, {"instances": [[seconds]]})
