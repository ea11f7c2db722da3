"""A connection of the native transport: bytes to events, events to calls, and the ways in which it ends."""

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, cast

from modelmoor_server.grpc.http2_calls import NativeCall, StreamCall, UnaryCall
from modelmoor_server.native._http2 import CALL, GONE, HEARD, OPENED, PONG, READABLE, WRITTEN, Session

if TYPE_CHECKING:
    from modelmoor_server.grpc.http2 import Server
    from modelmoor_server.native._http2 import Event

WRITE_BYTES = 64 * 1024  # taken at a time: what a slow reader leaves in the transport is not much more
QUEUED_FRAMES = 10_000  # of one connection whose caller does not read, but goes on asking
HEAD_SECONDS = 10.0  # for the preface and settings of a connection, and for a header list that has begun
LINGER_SECONDS = 0.5  # for a caller whom we told to calm down to read that
NOTICE_SECONDS = 2.0  # for the answer to our ping: whoever takes longer has heard of the GOAWAY all the same


class Connection(asyncio.Protocol):
    """calls: those that are not answered yet, by their streams."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.loop = server.loop
        self.session = Session(server.port)
        self.calls: dict[int, NativeCall] = {}
        self._transport: asyncio.Transport
        self._heard_at = self._born_at = perf_counter()
        self._goes_at = self._born_at + server.age()
        self._waits_since: float | None = None  # for a head
        self._noticed_at: float | None = None
        self._pings = 0  # that are not answered
        self._pinged_at = 0.0
        self._gone = False  # it takes no further call
        self._feeding = self._flushing = self._paused = self._lost = self._ending = False

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.server.connections.add(self)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._heard_at = perf_counter()
        self._feeding = True
        try:
            events = self.session.feed(data)
            if events is not None:
                self._handle(events)
        except MemoryError:
            self.abort()
            return
        finally:
            self._feeding = False
        self._flush()
        if self._paused and self.session.queued() > QUEUED_FRAMES:
            self.abort()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self.server.connections.discard(self)
        for call in tuple(self.calls.values()):
            call.leave()
        self.calls.clear()

    # What its calls ask for.

    def soon(self) -> None:
        """Write what there is, once all that happens in this turn of the loop has happened."""
        if not self._feeding and not self._flushing and not self._lost:
            self._flushing = True
            self.loop.call_soon(self._flush)

    # What the server asks for.

    def close_streams(self) -> None:
        """Streams are to come anew."""
        for call in self.calls.values():
            call.closing.set()

    def ask_to_go(self) -> None:
        """By a GOAWAY that still takes every call; the one that takes no further call follows as soon as the caller has
        answered a ping behind it, so that none is on its way then."""
        if self._noticed_at is None and not self._lost:
            self._noticed_at = perf_counter()
            self.session.notice()
            self._pings += 1
            self._flush()

    def check(self, now: float) -> None:
        """End what is too old, too slow or silent."""
        limits = self.server.limits
        if self.session.greeted and not self.session.heading:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = now
        elif now - self._waits_since > HEAD_SECONDS:
            self.abort()
            return
        if now - self._born_at > limits.age_seconds + limits.native_grace_seconds:
            self.abort()
        elif now >= self._goes_at and self._noticed_at is None:
            self.ask_to_go()
        elif self._noticed_at is not None and not self._gone and now - self._noticed_at > NOTICE_SECONDS:
            self._go()
        elif now - self._heard_at > limits.keepalive_seconds:
            self._keep_alive(now)

    def abort(self) -> None:
        """End at once."""
        if not self._lost:
            self._transport.abort()

    def _keep_alive(self, now: float) -> None:
        if self._pinged_at <= self._heard_at:
            self._pinged_at = now
            self._pings += 1
            self.session.ping()
            self._flush()
        elif now - self._pinged_at > self.server.limits.keepalive_grace:
            self.abort()

    def _go(self) -> None:
        self._gone = True
        self.session.goaway()
        self.soon()

    def _handle(self, events: "list[Event]") -> None:
        for stream, kind, method, message, seconds, packing in events:
            if kind == CALL:
                assert message is not None
                self.server.called_at = self._heard_at
                UnaryCall(self, stream, seconds, packing).begin(method, message)
            elif kind == OPENED:
                self.server.called_at = self._heard_at
                StreamCall(self, stream, seconds, packing).begin(method)
            elif kind == PONG:
                self._pings -= 1
                if self._noticed_at is not None and not self._gone and self._pings <= 0:
                    self._go()
            elif (call := self.calls.get(stream)) is None:
                continue
            elif kind == GONE:
                call.leave()
            elif isinstance(call, StreamCall):
                if kind == HEARD:
                    call.heard = True
                if kind in (READABLE, HEARD):
                    call.readable.set()
                elif kind == WRITTEN:
                    call.written.set()

    def _flush(self) -> None:
        self._flushing = False
        session, transport = self.session, self._transport
        while not self._paused and not self._lost:
            data = session.take(WRITE_BYTES)
            if not data:
                break
            transport.write(data)
            if len(data) < WRITE_BYTES:
                break
        events = session.events()
        if events is not None:
            self._handle(events)
            self.soon()
        if not self._paused and not self._ending and session.over():
            self._end()

    def _end(self) -> None:
        """What is not read when a connection is closed takes our last words with it, so a flood is passed over."""
        self._ending = True
        if self.session.dead and not self._lost:
            self._transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self._transport.close)
        else:
            self._transport.close()
