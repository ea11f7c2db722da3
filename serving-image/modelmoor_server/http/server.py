"""All connections of the process: listening sockets, the sweep of deadlines, and the drain."""

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Callable

from modelmoor_server.http.connection import Connection
from modelmoor_server.http.head import HeadReader
from modelmoor_server.http.limits import Limits
from modelmoor_server.http.message import Head, Route


class Server:
    """Accepts connections and gives each of their requests to the application.

    application: where a request goes, by its head; a connection keeps what it was told for a head that comes again.
    refused: told the status of each request that was refused before it reached the application.
    """

    def __init__(self, application: Callable[[Head], Route], limits: Limits, refused: Callable[[int], None]) -> None:
        self.application = application
        self.limits = limits
        self.refused = refused
        self.loop = asyncio.get_running_loop()
        self.clock = self.loop.time
        self.heads = HeadReader(limits)
        self.connections: set[Connection] = set()
        self.bodies_bytes = 0
        self.draining = False
        self.date = b""
        self._drain_since = 0.0
        self._drain_idle = 0.0
        self._accepted_at = self.clock()
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweep()

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept connections on bound sockets."""
        for sock in sockets:
            self._servers.append(
                await self.loop.create_server(lambda: Connection(self), sock=sock, backlog=self.limits.backlog)
            )

    def opened(self, connection: Connection) -> bool:
        """A connection is there; tells whether it is a surplus one, which is answered for health and metrics alone."""
        self.connections.add(connection)
        self._accepted_at = self.clock()
        surplus = len(self.connections) - self.limits.connections
        if surplus > self.limits.surplus_connections:
            connection.abort()
        return surplus > 0

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)

    def idle_deadline(self, since: float) -> float:
        """When a connection that has been idle since `since` may be closed."""
        if self.draining:
            return max(since, self._drain_since) + self._drain_idle
        return since + self.limits.idle_seconds

    async def drain(self, bound: float, idle: float | None = None) -> bool:
        """Answer on, each time with `Connection: close`, until no connection is left. Tells whether that came about.

        New connections are still accepted: in a rolling update the news that this pod goes takes a moment to travel.
        bound: seconds after which we stop in any case. idle: seconds that a silent connection is waited for.
        """
        self.draining = True
        self._drain_since = self.clock()
        self._drain_idle = self.limits.drain_idle_seconds if idle is None else idle
        quiet = min(self.limits.drain_quiet_seconds, self._drain_idle)
        while (self.connections or self.clock() < max(self._accepted_at, self._drain_since) + quiet) and (
            self.clock() < self._drain_since + bound
        ):
            await asyncio.sleep(0.02)
        return not self.connections

    async def stop(self) -> None:
        """Close the sockets and cut off what is left."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()

    def _sweep(self) -> None:
        now = self.clock()
        self.date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode()
        for connection in list(self.connections):
            connection.sweep(now)
        self._sweeper = self.loop.call_later(self.limits.sweep_seconds, self._sweep)


def listen(port: int, *, shared: bool = False) -> list[socket.socket]:
    """Bind the port on every address of the machine: IPv6 and IPv4 by one socket, or IPv4 where there is no IPv6.

    port 0 takes a free one. shared: with other processes of this user that share it, too. Raises OSError where the
    port cannot be had.
    """
    with contextlib.suppress(_NoIPv6):
        return [_bound(socket.AF_INET6, "::", port, shared)]
    return [_bound(socket.AF_INET, "0.0.0.0", port, shared)]


def reserve(port: int) -> socket.socket:
    """Hold a port that nobody has for processes that will share it; nothing is accepted here. Raises OSError."""
    with listen(port)[0] as free:  # alone: what is shared already would be shared with us
        port = free.getsockname()[1]
    return listen(port, shared=True)[0]


class _NoIPv6(Exception):
    """This machine speaks IPv4 alone."""


def _bound(family: socket.AddressFamily, host: str, port: int, shared: bool) -> socket.socket:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _NoIPv6 from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if family == socket.AF_INET6 and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENOPROTOOPT):
            raise _NoIPv6 from error
        raise
    sock.setblocking(False)
    return sock
