"""gRPC over libnghttp2, on the process's own event loop: the listening, the sweep of deadlines, the drain."""

import asyncio
import random
from collections.abc import Mapping
from time import perf_counter

from modelmoor_server.grpc.calls import HELD_BYTES
from modelmoor_server.grpc.http2_connection import Connection
from modelmoor_server.grpc.limits import Limits
from modelmoor_server.grpc.port import PortTaken
from modelmoor_server.grpc.services import Stream, Unary
from modelmoor_server.http.server import listen
from modelmoor_server.native._http2 import Port

SWEEP_SECONDS = 0.5
TURN_SECONDS = 0.5  # of a connection that comes during a drain: whoever has no other server is answered meanwhile
JITTER = 0.1


class Server:
    """The port; see port.py. Its connections ask it for what they have in common."""

    def __init__(self, methods: Mapping[str, Unary | Stream], limits: Limits) -> None:
        unary, streams = (
            {path.encode(): method for path, method in methods.items() if isinstance(method, kind)}
            for kind in (Unary, Stream)
        )
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.called_at = perf_counter()
        self.draining = False
        self.connections: set[Connection] = set()
        budget = max(HELD_BYTES, 2 * limits.message_bytes)
        self.port = Port(
            unary, streams, limits.message_bytes, limits.metadata_bytes, budget, limits.streams, limits.calls
        )
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, port: int) -> int:
        """See Transport."""
        try:
            sockets = listen(port, shared=self.limits.reuse_port)
        except OSError:
            raise PortTaken from None
        for sock in sockets:
            self._servers.append(await self.loop.create_server(lambda: Connection(self), sock=sock, backlog=1024))
        self._sweep()
        found: int = sockets[0].getsockname()[1]
        return found

    async def drain(self, quiet: float | None = None) -> bool:
        """See Transport. Every connection is asked to go at once, and no call is lost: see Connection.ask_to_go."""
        self.draining = True
        begun = perf_counter()
        for connection in self.connections:
            connection.close_streams()
            connection.ask_to_go()
        quiet = self.limits.drain_quiet_seconds if quiet is None else quiet
        end = begun + self.limits.drain_seconds
        while (now := perf_counter()) < max(begun, self.called_at) + quiet and now < end - 1.0:
            await asyncio.sleep(0.02)
        self._close()
        for connection in self.connections:
            connection.ask_to_go()
        while self.connections and perf_counter() < end:
            await asyncio.sleep(0.01)
        return not any(connection.calls for connection in self.connections)

    async def stop(self) -> None:
        """See Transport."""
        self._close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.sleep(0)

    def age(self) -> float:
        """Seconds that a new connection may live: not all are to come anew at once."""
        if self.draining:
            return TURN_SECONDS
        return self.limits.age_seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret

    def _close(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _sweep(self) -> None:
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)
        now = perf_counter()
        for connection in tuple(self.connections):
            connection.check(now)
