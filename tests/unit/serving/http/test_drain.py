"""The drain: nobody's request is lost when a server goes."""

import asyncio
import dataclasses
import threading
from concurrent.futures import Future

from modelmoor_server.http.limits import Limits
from modelmoor_server.http.message import Response
from unit.serving.http.harness import LAST, Running, read_all, read_answer, running

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
LIMITS = Limits(drain_idle_seconds=3.0, drain_quiet_seconds=0.3, sweep_seconds=0.05)


def _drain(server: Running, bound: float = 20, idle: float | None = None) -> "Future[bool]":
    return asyncio.run_coroutine_threadsafe(server.server.drain(bound, idle), server.loop)


def test_idle_connection_gets_a_last_answer() -> None:
    """A kept connection may send one more request after the drain began; the answer tells it to close."""
    with running(LIMITS) as server, server.connect() as sock:
        sock.sendall(GET)
        assert "connection" not in read_answer(sock).headers

        drained = _drain(server)
        server.wait(lambda: server.server.draining)
        sock.sendall(GET)
        answer = read_answer(sock)

        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert read_all(sock) == b""
        sock.close()
        assert drained.result(20) is True


def test_new_connections_are_answered_while_draining() -> None:
    """The news that a pod goes takes a moment: new connections are served, each with `Connection: close`."""
    with running(LIMITS) as server:
        drained = _drain(server)
        server.wait(lambda: server.server.draining)
        (answer,) = server.exchange(GET)

        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert drained.result(20) is True


def test_work_in_flight_is_finished() -> None:
    """A request that is in work when the drain begins is answered."""
    with running(LIMITS) as server, server.connect() as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        slow = server.wait(server.take_slow)
        drained = _drain(server)
        server.wait(lambda: server.server.draining)
        server.call(lambda: slow.respond(Response(200, b"{}")))
        answer = read_answer(sock)
        sock.close()

        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert drained.result(20) is True


def test_silent_connection_is_closed_after_a_while() -> None:
    """A kept connection that says nothing does not hold the process for ever."""
    with running(dataclasses.replace(LIMITS, drain_idle_seconds=0.3)) as server, server.connect() as sock:
        drained = _drain(server)

        assert read_all(sock) == b""
        assert drained.result(20) is True


def test_the_bound_holds() -> None:
    """What does not end within the bound is cut off, and the drain says so."""
    with running(LIMITS) as server, server.connect() as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait(lambda: server.slow)

        assert _drain(server, bound=0.3).result(20) is False


def test_busy_callers_lose_nothing() -> None:
    """Callers on kept and on new connections, at full speed, through a whole drain: every request is answered."""
    with running(LIMITS) as server:
        failures: list[BaseException] = []
        closed = [threading.Event() for _ in range(4)]

        def keeper(done: threading.Event) -> None:
            try:
                with server.connect() as sock:
                    while True:
                        sock.sendall(GET)
                        answer = read_answer(sock)
                        assert answer.status == 200
                        if answer.headers.get("connection") == "close":
                            return
            except BaseException as error:  # noqa: BLE001 - any failure is the finding
                failures.append(error)
            finally:
                done.set()

        def newcomer() -> None:
            try:
                while not all(event.is_set() for event in closed):
                    assert [answer.status for answer in server.exchange(LAST)] == [200]
            except BaseException as error:  # noqa: BLE001 - any failure is the finding
                failures.append(error)

        threads = [threading.Thread(target=keeper, args=(event,)) for event in closed]
        threads.append(threading.Thread(target=newcomer))
        for thread in threads:
            thread.start()
        server.wait(lambda: len(server.server.connections) >= 4)
        drained = _drain(server)
        for thread in threads:
            thread.join(30)

        assert not failures
        assert drained.result(20) is True
