from collections.abc import Mapping
from typing import Any

CALL: int
OPENED: int
READABLE: int
HEARD: int
WRITTEN: int
GONE: int
PONG: int
COMPRESSED: int
TAKES_GZIP: int
ASKS_GZIP: int
SENDS_GZIP: int
SENDS_DEFLATE: int

Event = tuple[int, int, Any, bytes | None, float | None, int]
"""(stream, kind, what its path leads to, message, seconds of its grpc-timeout, how it is packed: bits above)

CALL: a unary call is here, with its message. OPENED: a stream's header list. READABLE: `read` will give a message, and
is to be called until it gives None. HEARD: the caller sends no more. WRITTEN: `send` may be called again.
GONE: the call has ended, and needs no answer. PONG: a ping was answered; of no stream.
"""

class Port:
    """What all connections of a port have in common. Sizes in bytes.

    unary, streams: by path, dicts; the values come back in events. budget: of all requests that are still arriving.
    open: calls. held: bytes of the budget that are taken.
    """

    open: int
    held: int
    def __new__(
        cls,
        unary: Mapping[bytes, Any],
        streams: Mapping[bytes, Any],
        message_bytes: int,
        metadata_bytes: int,
        budget: int,
        streams_limit: int,
        calls_limit: int,
    ) -> Port: ...

class Session:
    """One connection, without its socket. What is said of a stream that has ended is passed over.

    active: calls. greeted: whether the caller's settings have come. heading: whether a header list has begun and not
    ended. dead: whether nothing more is read, for what the caller has sent.
    """

    active: int
    greeted: int
    heading: int
    dead: int
    def __new__(cls, port: Port) -> Session: ...
    def feed(self, data: bytes, /) -> list[Event] | None:
        """What came. Raises MemoryError."""
    def events(self) -> list[Event] | None:
        """What has happened since."""
    def take(self, limit: int, /) -> bytes:
        """What is to be written, up to about `limit` bytes; a frame is never cut."""
    def send(self, stream: int, message: bytes, compressed: bool, last: bool, /) -> None:
        """The next message of an answer, once the one before is written; behind the last one goes status OK."""
    def finish(self, stream: int, status: int, text: bytes, /) -> None:
        """End a call. text: percent-encoded, at most 4096 bytes."""
    def read(self, stream: int, /) -> tuple[bytes, int] | None:
        """The next message of a stream, and whether it is compressed."""
    def notice(self) -> None:
        """Ask the caller to open another connection, by GOAWAY and PING: when PONG comes, he has heard it."""
    def goaway(self) -> None:
        """Take no further call."""
    def ping(self) -> None:
        """Ask whether the caller is there: PONG."""
    def over(self) -> bool:
        """Whether the connection has served its purpose, or has failed, and all that is to be said was taken."""
    def queued(self) -> int:
        """Frames that wait to be written."""
