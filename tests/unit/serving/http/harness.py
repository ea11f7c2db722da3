"""A real HTTP server with an application that tells what it got, and raw sockets to talk to it."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop

from modelmoor_server.http.limits import Limits
from modelmoor_server.http.message import Head, Pending, Respond, Response, Route
from modelmoor_server.http.server import Server, listen

LIMIT = 1 << 20  # bytes of a body
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass
class Slow:
    """An answer that the test gives by hand."""

    respond: Respond
    cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> bool:
        self.cancelled.set()
        return True


class Echo:
    """Answers with what arrived; /slow is answered by the test, /big with many bytes, /no is refused from its head."""

    body_limit = LIMIT
    vital = False
    refusal: Response | None = None

    def __init__(self, slow: list[Slow]) -> None:
        self._slow = slow

    def start(self, head: Head, body: bytes, respond: Respond) -> Pending | None:
        if head.target == b"/slow":
            self._slow.append(Slow(respond))
            return self._slow[-1]
        if head.target == b"/big":
            respond(Response(200, b"x" * 50_000_000, b"text/plain"))
            return None
        told = {
            "method": head.method.decode(),
            "target": head.target.decode(),
            "headers": sorted(name.decode() for name in head.headers),
            "body": body.decode("latin-1"),
        }
        respond(Response(204) if head.method == b"OPTIONS" else Response(200, json.dumps(told).encode()))
        return None


class Refusing(Echo):
    """A route that is refused, whatever its body."""

    refusal = Response(404, b'{"error": "no"}')

    def start(self, head: Head, body: bytes, respond: Respond) -> None:
        respond(self.refusal)


class Vital(Echo):
    """A route that is answered on surplus connections, too."""

    vital = True


@dataclass
class Running:
    """A server on a free port, its loop on a thread. Calls into it go through `call`."""

    port: int
    server: Server
    loop: asyncio.AbstractEventLoop
    refused: list[int]
    slow: list[Slow]

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def call(self, function: Callable[[], Any]) -> Any:
        async def on_loop() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(on_loop(), self.loop).result(20)

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Wait until a condition on the loop holds; the test's own timeout bounds it."""
        while not (value := self.call(condition)):
            pass
        return value

    def take_slow(self) -> Slow | None:
        """The newest request that waits for the test, once. Never the list itself: the loop fills it meanwhile."""
        return self.slow.pop() if self.slow else None

    def exchange(self, raw: bytes, *, byte_by_byte: bool = False) -> list["Answer"]:
        """Send `raw` and read until the server closes."""
        with self.connect() as sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                step = max(1, len(raw) // 2000) if byte_by_byte else len(raw)  # the longest cases in 2,000 pieces
                for start in range(0, len(raw), step):
                    sock.sendall(raw[start : start + step])
            return answers(read_all(sock))


@dataclass(frozen=True)
class Answer:
    """One response, parsed by rules as simple as our own answers are."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def read_all(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = b""
    while piece := sock.recv(1 << 20):
        data += piece
    return data


def answers(data: bytes) -> list[Answer]:
    """Split a stream of responses; fails on anything that is not whole."""
    found = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        assert separator, head
        first, *lines = head.decode().split("\r\n")
        version, status, *_ = first.split(" ")
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
        assert len(data) >= length, "the body is cut off"
        found.append(Answer(int(status), headers, data[:length]))
        data = data[length:]
    return found


def read_answer(sock: socket.socket) -> Answer:
    """One response on a connection that stays open."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(
        next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    )
    while len(body) < length:
        body += _some(sock)
    (answer,) = answers(head + b"\r\n\r\n" + body)
    return answer


def _some(sock: socket.socket) -> bytes:
    piece = sock.recv(65536)
    assert piece, "the server closed in the middle of an answer"
    return piece


@contextlib.contextmanager
def running(limits: Limits = Limits()) -> Iterator[Running]:
    """A server on its own loop and thread, for the time of a `with` block."""
    started: list[Running] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def main() -> None:
        refused: list[int] = []
        slow: list[Slow] = []
        routes: dict[bytes, Route] = {b"/no": Refusing(slow), b"/vital": Vital(slow)}
        echo = Echo(slow)
        server = Server(lambda head: routes.get(head.target, echo), limits, refused.append)
        sockets = listen(0)
        await server.start(sockets)
        loop = asyncio.get_running_loop()
        started.append(Running(sockets[0].getsockname()[1], server, loop, refused, slow))
        ready.set()
        await stop.wait()
        await server.stop()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(20)
    try:
        yield started[0]
    finally:
        started[0].loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
