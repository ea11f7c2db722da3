"""grpcio under the services: connections, deadlines, statuses, the drain. Another transport could take its place."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

# set before the import: grpc's own lines are no JSON, and may quote what a caller sent
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio

from modelmoor_server.errors import TimedOut
from modelmoor_server.grpc.calls import Caller
from modelmoor_server.grpc.limits import Limits
from modelmoor_server.grpc.port import PortTaken, told
from modelmoor_server.grpc.services import Stream, Unary
from modelmoor_server.grpc.strangers import accepting

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Server:
    """The port; see port.py."""

    def __init__(self, methods: Mapping[str, Unary | Stream], limits: Limits) -> None:
        self._limits = limits
        self._callers: set[Caller] = set()
        self._called_at = perf_counter()
        self._draining = False
        self._loop = asyncio.get_running_loop()
        with accepting():
            self._server = grpc.aio.server(options=_options(limits), maximum_concurrent_rpcs=limits.calls)
        for path, method in methods.items():
            service, _, name = path.removeprefix("/").rpartition("/")
            self._server.add_registered_method_handlers(service, {name: self._handler(method)})

    async def start(self, port: int) -> int:
        """See Transport."""
        try:
            port = self._server.add_insecure_port(f"[::]:{port}")  # grpc falls back to IPv4 alone by itself
        except RuntimeError:
            raise PortTaken from None
        await self._server.start()
        return port

    async def drain(self, quiet: float | None = None) -> bool:
        """See Transport."""
        self._draining = True
        begun = perf_counter()
        for caller in self._callers:
            caller.closing.set()
        quiet = self._limits.drain_quiet_seconds if quiet is None else quiet
        end = begun + self._limits.drain_seconds
        while (now := perf_counter()) < max(begun, self._called_at) + quiet and now < end - 1.0:
            await asyncio.sleep(0.02)
        await self._server.stop(max(0.0, end - now))
        return not self._callers

    async def stop(self) -> None:
        """See Transport."""
        await self._server.stop(None)

    def _handler(self, method: Unary | Stream) -> grpc.RpcMethodHandler:
        # No (de)serializer: the services take and give bytes.
        if isinstance(method, Unary):
            return grpc.unary_unary_rpc_method_handler(self._unary(method.answer))
        return grpc.stream_stream_rpc_method_handler(self._stream(method.answers))

    def _unary(self, answer: Callable[[bytes, Caller], Awaitable[bytes]]) -> Callable[..., Awaitable[bytes]]:
        async def handle(request: bytes, context: Any) -> bytes:
            with self._call(context) as caller:
                try:
                    if caller.seconds is not None and caller.seconds <= 0:
                        raise TimedOut("The deadline had passed before the call was looked at.")
                    await _compress(context)
                    return await answer(request, caller)
                except Exception as error:  # noqa: BLE001 - the edge: grpcio would tell the caller str(error)
                    status, sentence = _code_of(error)
            del request  # abort's exception and this frame keep each other until the next collection
            await context.abort(status, sentence)
            raise AssertionError("abort raises")

        return handle

    def _stream(
        self, answers: Callable[[AsyncIterator[bytes], Caller], AsyncIterator[bytes]]
    ) -> Callable[..., AsyncIterator[bytes]]:
        async def handle(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            with self._call(context) as caller:
                aging = self._loop.call_later(self._limits.age_seconds, caller.closing.set)
                try:
                    await _compress(context)
                    async with contextlib.aclosing(answers(aiter(requests), caller)) as told:  # type: ignore[type-var]
                        async for answer in told:
                            yield answer
                    return
                except Exception as error:  # noqa: BLE001 - as above
                    status, sentence = _code_of(error)
                finally:
                    aging.cancel()
            await context.abort(status, sentence)

        return handle

    @contextlib.contextmanager
    def _call(self, context: Any) -> Any:
        seconds = context.time_remaining()
        caller = Caller(None if seconds is None else perf_counter() + seconds)
        if self._draining:
            caller.closing.set()
        self._callers.add(caller)
        self._called_at = perf_counter()
        try:
            yield caller
        finally:
            self._callers.discard(caller)


async def _compress(context: Any) -> None:
    """gzip for who asks as over HTTP. grpc tells nobody how a request was compressed, so it cannot be mirrored."""
    if any(key == "accept-encoding" and "gzip" in value for key, value in context.invocation_metadata() or ()):
        context.set_compression(grpc.Compression.Gzip)
        await context.send_initial_metadata(())  # or grpcio 1.85 forgets it


def _code_of(error: Exception) -> tuple[grpc.StatusCode, str]:
    status, sentence = told(error)
    return _CODES[status], sentence


def _options(limits: Limits) -> list[tuple[str, Any]]:
    milliseconds = {
        "grpc.max_connection_age_ms": limits.connection_seconds,  # with a jitter of 10 % by grpc
        "grpc.max_connection_age_grace_ms": limits.age_grace_seconds,
        "grpc.keepalive_time_ms": limits.keepalive_seconds,
        "grpc.keepalive_timeout_ms": limits.keepalive_grace,
        "grpc.http2.min_ping_interval_without_data_ms": limits.ping_seconds,
    }
    return [
        ("grpc.so_reuseport", int(limits.reuse_port)),
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", limits.metadata_bytes),
        ("grpc.absolute_max_metadata_size", limits.metadata_bytes),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.keepalive_permit_without_calls", 1),
        *((name, int(seconds * 1000)) for name, seconds in milliseconds.items()),
    ]
