"""One connection: one request in work at a time, answers in order, and a close that never cuts a request off.

Bytes that arrive while a request is in work are held and, beyond a limit, not read: a caller that pipelines is slowed
by TCP, not refused. All deadlines are checked by the server's sweep (`sweep`), so that a request costs no timer.
"""

import asyncio
import fcntl
import random
import struct
import termios
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from modelmoor_server.http.body import Body, ChunkedBody, SizedBody, too_large
from modelmoor_server.http.message import Head, Pending, Refusal, Response, Route, error, retry_later, written

if TYPE_CHECKING:
    from modelmoor_server.http.server import Server


class State(Enum):
    """Where a connection is between two requests."""

    HEAD = "Head"  # idle, or a head is arriving
    BODY = "Body"
    WORK = "Work"  # a request is being answered
    YIELD = "Yield"  # it had a long turn: its next request waits for the other connections
    LINGER = "Linger"  # the last answer is written: the client is given time to close first
    CLOSED = "Closed"


class Repeated(NamedTuple):
    """The head of a connection's last request. begin: where the body begins. size: bytes of both."""

    raw: bytes
    head: Head
    route: Route
    begin: int
    size: int


class Connection(asyncio.Protocol):
    """The protocol object of one connection; all its calls come from the event loop."""

    __slots__ = (
        "_body", "_buffer", "_discarded", "_dispatching", "_eof", "_expires", "_head", "_head_since", "_paused",
        "_pending", "_repeated", "_reserved", "_route", "_server", "_since", "_state", "_surplus", "_transport",
        "_writing_since",
    )  # fmt: skip

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._state = State.HEAD
        self._since = 0.0  # when the state was entered
        self._buffer = b""  # bytes that wait: an unfinished head, or requests behind the one in work
        self._body: Body | None = None
        self._head: Head
        self._route: Route
        self._transport: asyncio.Transport
        self._pending: Pending | None = None
        self._repeated: Repeated | None = None
        self._reserved = 0  # bytes of the process's budget for bodies
        self._discarded = 0
        self._dispatching = self._eof = self._paused = self._surplus = False
        self._head_since: float | None = None  # when an unfinished head began
        self._writing_since: float | None = None  # since when the client has not taken its answer

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's TCPTransport is one by duck typing
        limits = self._server.limits
        self._since = self._server.clock()
        jitter = limits.age_seconds * limits.age_jitter
        self._expires = self._since + limits.age_seconds + random.uniform(-jitter, jitter)  # noqa: S311
        self._surplus = self._server.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = State.CLOSED
        if self._pending is not None:
            self._pending.cancel()
        self._release()
        self._buffer = b""
        self._body = self._pending = None
        self._server.closed(self)

    def data_received(self, data: bytes) -> None:
        repeated = self._repeated
        if (
            repeated is not None
            and len(data) == repeated.size
            and self._state is State.HEAD
            and not self._buffer
            and self._writing_since is None
            and data.startswith(repeated.raw)
        ):
            self._head, self._route, self._head_since = repeated.head, repeated.route, None
            self._dispatch(data[repeated.begin :])
        elif self._state is State.LINGER:
            self._discarded += len(data)  # what follows the last answer is thrown away, but not without end
            if self._discarded > self._server.limits.linger_bytes:
                self._transport.abort()
        elif self._state in _BUSY or self._writing_since is not None:
            self._hold(self._buffer + data)
        else:
            self._advance(self._buffer + data if self._buffer else data)

    def eof_received(self) -> bool:
        if self._state is State.WORK and self._pending is not None and self._pending.cancel():
            return False  # nobody is there to read the answer of work that had not begun
        self._eof = self._state in _BUSY
        return self._eof  # what is being answered is still written

    def pause_writing(self) -> None:
        self._writing_since = self._server.clock()

    def resume_writing(self) -> None:
        self._writing_since = None
        self._resume()

    # Requests in.

    def _advance(self, data: bytes) -> None:
        """Answer the requests that are complete in `data`, keep the rest."""
        self._buffer = b""
        turns = 0
        try:
            while data and self._state in _READING and self._writing_since is None:
                if turns == self._server.limits.turn_requests:
                    self._state = State.YIELD
                    self._server.loop.call_soon(self._take_turn)
                elif self._body is not None:
                    data = data[self._receive(self._body, data) :]
                    turns += 1
                elif end := self._server.heads.end(data):
                    raw = data[:end]
                    data = self._begin(self._server.heads.read(raw), data[end:])
                    self._remember(raw)
                    turns += 1
                else:
                    if self._head_since is None and data.strip(b"\r\n"):
                        self._head_since = self._server.clock()
                    break
        except Refusal as refusal:
            self._refuse(refusal)
        if self._state in _READING or self._state in _BUSY:
            self._hold(data)

    def _begin(self, head: Head, data: bytes) -> bytes:
        """A head is complete: answer at once where its body is here too, else wait for it. Returns the rest."""
        route = self._server.application(head)
        self._head, self._route, self._head_since = head, route, None
        if self._surplus and not route.vital:
            raise Refusal(503, "The server has no connection to spare: come back in a moment.", retry_later())
        length = head.length
        if length is not None and length <= len(data) and length <= route.body_limit:
            self._dispatch(data[:length])
            return data[length:]
        sized = length is not None and length <= route.body_limit
        if route.refusal is not None and (head.expects_continue or not sized):
            self._head = replace(head, keep_alive=False)  # the body may come or not: nobody can tell what follows
            self._dispatch(b"")
            return b""
        if length is None:
            self._body = ChunkedBody(route.body_limit, self._server.limits)
        elif length > route.body_limit:
            raise too_large(route.body_limit)
        else:
            self._body = SizedBody(length)
            self._reserve(length)
        self._state = State.BODY
        self._since = self._server.clock()
        if head.expects_continue and not data:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return data

    def _remember(self, raw: bytes) -> None:
        """A client sends the same head again and again: the next time, nothing of it has to be looked at."""
        head = self._head
        if head.length is None or head.length > self._route.body_limit or head.expects_continue or self._surplus:
            self._repeated = None
        elif self._repeated is None or self._repeated.raw != raw:
            known = self._server.heads.knows(raw)
            self._repeated = Repeated(raw, head, self._route, len(raw), len(raw) + head.length) if known else None

    def _receive(self, body: Body, data: bytes) -> int:
        taken = body.feed(data)
        self._reserve(body.held)
        if body.complete:
            self._body = None
            self._dispatch(body.take())
        return taken

    def _dispatch(self, body: bytes) -> None:
        self._state = State.WORK
        self._dispatching = True
        pending = self._route.start(self._head, body, self.respond)
        self._dispatching = False
        if self._state is State.WORK:
            self._pending = pending

    def _hold(self, data: bytes) -> None:
        self._buffer = data
        if len(data) > self._server.limits.waiting_bytes and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _take_turn(self) -> None:
        if self._state is State.YIELD:
            self._state = State.HEAD
            self._resume()

    def _resume(self) -> None:
        if self._state in _READING and self._writing_since is None:
            self._resume_reading()
            if self._buffer:
                self._advance(self._buffer)
            if self._eof and self._state is State.HEAD:
                self._linger()

    def _resume_reading(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # Answers out.

    def respond(self, response: Response) -> None:
        """Write the answer to the request in work: at once or later, on the loop, once."""
        if self._state is not State.WORK:
            return
        head = self._head
        now = self._server.clock()
        close = (
            not head.keep_alive
            or now >= self._expires
            or self._server.draining
            or self._surplus
            or (self._eof and not self._buffer)
        )
        self._pending = None
        if self._reserved:
            self._release()
        self._write(response, close=close, keep_alive=head.http10, without_body=head.method == b"HEAD")
        if close:
            self._linger()
        else:
            self._state = State.HEAD
            self._since = now
            if not self._dispatching and (self._buffer or self._paused or self._eof):
                self._resume()

    def _refuse(self, refusal: Refusal) -> None:
        self._server.refused(refusal.status)
        self._write(error(refusal.status, refusal.sentence, refusal.headers), close=True)
        self._linger()

    def _write(self, response: Response, *, close: bool, keep_alive: bool = False, without_body: bool = False) -> None:
        # uvloop raises on a closed transport, and a client may leave at any moment.
        if not self._transport.is_closing():
            date = self._server.date
            self._transport.write(
                written(response, date, close=close, keep_alive=keep_alive, without_body=without_body)
            )

    def _linger(self) -> None:
        """Close our side and read on for a moment: closing with unread bytes would reset the answer on its way."""
        self._release()
        self._state = State.LINGER
        self._since = self._server.clock()
        self._buffer = b""
        self._body = None
        self._resume_reading()
        if self._eof:
            self._transport.close()
        elif not self._transport.is_closing():
            self._transport.write_eof()

    # Budget and deadlines.

    def _reserve(self, held: int) -> None:
        self._server.bodies_bytes += held - self._reserved
        self._reserved = held
        if self._server.bodies_bytes > self._server.limits.bodies_bytes:
            raise Refusal(503, "The server holds too many request bodies: come back in a moment.", retry_later())

    def _release(self) -> None:
        self._server.bodies_bytes -= self._reserved
        self._reserved = 0

    def abort(self) -> None:
        """Cut the connection off."""
        self._transport.abort()

    def sweep(self, now: float) -> None:
        """Enforce the deadlines. Called by the server a few times a second."""
        limits = self._server.limits
        waited = now - self._since
        if self._writing_since is not None and now - self._writing_since > limits.write_seconds:
            self._transport.abort()
        elif self._state is State.LINGER:
            if waited > limits.linger_seconds and self._writing_since is None:
                self._transport.abort()
        elif self._state is State.BODY and self._body is not None:
            late = waited - limits.body_grace_seconds
            if late > 0 and self._body.received < late * limits.body_rate:
                self._refuse(Refusal(408, "The request's body arrived too slowly."))
        elif self._state is State.HEAD and self._head_since is not None:
            if now - self._head_since > limits.head_seconds:
                self._refuse(Refusal(408, "The request's headers did not arrive in time."))
        elif self._state is State.HEAD and now >= self._server.idle_deadline(self._since) and not self._has_unread():
            self._linger()

    def _has_unread(self) -> bool:
        """Whether bytes lie in the kernel that the loop has not read: a request may be arriving this very moment."""
        socket = self._transport.get_extra_info("socket")
        try:
            (unread,) = struct.unpack("i", fcntl.ioctl(socket.fileno(), termios.FIONREAD, b"\0\0\0\0"))
        except OSError:
            return False
        return bool(unread)


_READING = (State.HEAD, State.BODY)
_BUSY = (State.WORK, State.YIELD)
