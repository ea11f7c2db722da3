"""A connection without a socket: thousands of splits a second, for the property tests."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from modelmoor_server.http.connection import Connection
from modelmoor_server.http.head import HeadReader
from modelmoor_server.http.limits import Limits
from modelmoor_server.http.message import Head, Route
from modelmoor_server.http.server import Server
from unit.serving.http.harness import Echo, answers


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = False

    def write(self, data: Any) -> None:
        assert not self.ended, "written after the end"
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True


class Loop:
    """`call_soon`, run when the test says so."""

    def __init__(self) -> None:
        self.soon: list[Any] = []

    def call_soon(self, callback: Any) -> None:
        self.soon.append(callback)

    def run(self) -> None:
        while self.soon:
            self.soon.pop(0)()


class StillServer:
    """The part of a Server that a connection uses, with a clock that stands."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.heads = HeadReader(self.limits)
        self.loop = Loop()
        self.bodies_bytes = 0
        self.draining = False
        self.date = b"Sat, 21 Nov 2026 12:00:00 GMT"
        self._echo = Echo([])

    def clock(self) -> float:
        return 0.0

    def application(self, head: Head) -> Route:
        return self._echo

    def opened(self, connection: Connection) -> bool:
        return False

    def refused(self, status: int) -> None: ...

    def closed(self, connection: Connection) -> None: ...


def statuses_of(stream: bytes, sizes: Sequence[int]) -> tuple[int, ...]:
    """The statuses that a stream gets when it comes in pieces of `sizes` bytes, the rest in one."""
    server, wire = StillServer(), Wire()
    connection = Connection(cast("Server", server))
    connection.connection_made(wire)
    for size in (*sizes, len(stream)):
        piece, stream = stream[:size], stream[size:]
        if piece:
            connection.data_received(piece)
            server.loop.run()
    assert server.bodies_bytes >= 0
    found = answers(wire.written.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))
    return tuple(answer.status for answer in found)
