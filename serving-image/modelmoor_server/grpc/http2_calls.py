"""The calls of the native transport: who waits, for how long, and how the answer is packed."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable
from time import perf_counter
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from modelmoor_server.errors import InvalidRequest, RequestError, TimedOut, TooLarge
from modelmoor_server.grpc.calls import Caller, Refused, Status, Withdrawable
from modelmoor_server.grpc.port import told
from modelmoor_server.grpc.services import Stream, Unary
from modelmoor_server.native._http2 import ASKS_GZIP, COMPRESSED, SENDS_DEFLATE, SENDS_GZIP, TAKES_GZIP
from modelmoor_server.rest.coding import SMALL, pack, unpack

if TYPE_CHECKING:
    from modelmoor_server.grpc.http2_connection import Connection

TEXT_BYTES = 4096
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


class NativeCall(Caller):
    """A call that is not answered yet; made, it is known to its connection."""

    __slots__ = ("_coding", "_connection", "_gzip", "_stream", "_task", "_timer")

    def __init__(self, connection: "Connection", stream: int, seconds: float | None, packing: int) -> None:
        super().__init__(None if seconds is None else perf_counter() + seconds)
        self._connection = connection
        self._stream = stream
        self._coding = "deflate" if packing & SENDS_DEFLATE else "gzip"
        # mirrored where the caller can read it, and for who asks as over HTTP
        self._gzip = bool(packing & ASKS_GZIP or (packing & SENDS_GZIP and packing & TAKES_GZIP))
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        connection.calls[stream] = self

    def leave(self) -> None:
        """The caller has gone, or has his status: stop what works for him."""
        self._forget()
        if self._task is not None:
            self._task.cancel()

    def fail(self, error: Exception) -> None:
        """End with the status of an error."""
        if self._forget():
            status, sentence = told(error)
            self._connection.session.finish(self._stream, status, _encoded(sentence))
            self._connection.soon()

    def expire(self) -> None:
        """The caller's time is over."""
        self.fail(TimedOut("The deadline of the call has passed."))
        self.leave()

    def _until_deadline(self) -> None:
        if (seconds := self.seconds) is not None:
            self._timer = self._connection.loop.call_later(max(seconds, 0.0), self.expire)

    def _forget(self) -> bool:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self._connection.calls.pop(self._stream, None) is not None

    async def _unpacked(self, message: bytes) -> bytes:
        limit = self._connection.server.limits.message_bytes
        try:
            if len(message) <= SMALL:
                return unpack(message, self._coding, limit)
            return await asyncio.to_thread(unpack, message, self._coding, limit)
        except TooLarge:
            raise Refused(Status.RESOURCE_EXHAUSTED, "A message of the call is larger than is taken here.") from None
        except InvalidRequest:
            raise Refused(Status.INTERNAL, "The message is not what its grpc-encoding says.") from None

    async def _packed(self, body: bytes) -> bytes:
        if len(body) <= SMALL:
            return pack(body, "gzip")
        return await asyncio.to_thread(pack, body, "gzip")


class UnaryCall(NativeCall):
    """A call of one message. Where its method can begin by a plain function, no task is made for it."""

    __slots__ = ("_packing", "_work")

    def __init__(self, connection: "Connection", stream: int, seconds: float | None, packing: int) -> None:
        super().__init__(connection, stream, seconds, packing)
        self._packing = packing
        self._work: Withdrawable | None = None

    def begin(self, method: Unary, message: bytes) -> None:
        """Answer, at once or later."""
        if self.deadline is not None and self.late:
            self.fail(TimedOut("The deadline had passed before the call was looked at."))
            return
        if method.begin is not None and not self._gzip and not self._packing & COMPRESSED:
            try:
                work = method.begin(message, self, self.respond)
            except Exception as error:  # noqa: BLE001 - the edge
                self.fail(error)
                return
            if work is not None:
                if self._stream in self._connection.calls:
                    self._work = work
                    self._until_deadline()
                return
        self._until_deadline()
        self._task = asyncio.ensure_future(self._run(method.answer, message))

    def respond(self, outcome: bytes | RequestError) -> None:
        """The answer to a call that `begin` took."""
        self._work = None
        if not isinstance(outcome, bytes):
            self.fail(outcome)
        elif self._forget():
            self._connection.session.send(self._stream, outcome, False, True)
            self._connection.soon()

    def leave(self) -> None:
        work, self._work = self._work, None
        super().leave()
        if work is not None:
            work.withdraw()

    async def _run(self, answer: "_Answer", message: bytes) -> None:
        try:
            if self._packing & COMPRESSED:
                message = await self._unpacked(message)
            body = await answer(message, self)
            if self._gzip:
                body = await self._packed(body)
        except Exception as error:  # noqa: BLE001 - the edge
            self.fail(error)
            return
        if self._forget():
            self._connection.session.send(self._stream, body, self._gzip, True)
            self._connection.soon()


class StreamCall(NativeCall):
    """A call whose both sides are streams.

    readable: there may be a message, or the end: `heard`. written: the last answer has left for the transport.
    """

    __slots__ = ("heard", "readable", "written")

    def __init__(self, connection: "Connection", stream: int, seconds: float | None, packing: int) -> None:
        super().__init__(connection, stream, seconds, packing)
        self.heard = False
        self.readable = asyncio.Event()
        self.written = asyncio.Event()
        self.written.set()

    def begin(self, method: Stream) -> None:
        """Answer until the end."""
        if self._connection.server.draining:
            self.closing.set()
        self._until_deadline()
        self._task = asyncio.ensure_future(self._run(method))

    async def _run(self, method: Stream) -> None:
        connection = self._connection
        aging = connection.loop.call_later(connection.server.limits.age_seconds, self.closing.set)
        try:
            answers = method.answers(self._requests(), self)
            async with contextlib.aclosing(answers) as told_one_by_one:  # type: ignore[type-var]
                async for answer in told_one_by_one:
                    await self._send(answer)
            await self.written.wait()
        except Exception as error:  # noqa: BLE001 - the edge
            self.fail(error)
            return
        finally:
            aging.cancel()
        if self._forget():
            connection.session.finish(self._stream, 0, b"")
            connection.soon()

    async def _requests(self) -> AsyncIterator[bytes]:
        connection = self._connection
        while True:
            self.readable.clear()
            found = connection.session.read(self._stream)
            if found is None:
                if self.heard:
                    return
                await self.readable.wait()
                continue
            connection.soon()  # the caller may have been given room for more
            message, compressed = found
            yield await self._unpacked(message) if compressed else message

    async def _send(self, answer: bytes) -> None:
        if self._gzip:
            answer = await self._packed(answer)
        await self.written.wait()
        self.written.clear()
        self._connection.session.send(self._stream, answer, self._gzip, False)
        self._connection.soon()


class _Answer(Protocol):
    def __call__(self, request: bytes, caller: Caller, /) -> Awaitable[bytes]: ...


def _encoded(sentence: str) -> bytes:
    text = quote(sentence, safe=_PRINTABLE)
    return re.sub("%[0-9A-F]?$", "", text[:TEXT_BYTES]).encode()
