"""Calls of methods that nobody registered, refused here: in grpcio's own hands one of them ends the whole port.

grpcio 1.85 decodes the path of such a call as UTF-8 in the task that accepts all calls, and shuts the server down where
that fails: two bytes from any caller, and every other one is cut off. The paths of registered methods are compared as
bytes, in C; so ours are registered, and what is left is answered without a look at its path.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc
from grpc._cython import cygrpc

from modelmoor_server.tasks import Tasks


class Accepting(cygrpc.AioServer):  # type: ignore[misc]
    """grpcio's server, but for the calls of methods that are not registered."""

    def _make_request_call_future(self, method: bytes | None) -> Any:
        if method is not None:
            return super()._make_request_call_future(method)
        return asyncio.ensure_future(self._refuse_strangers())

    async def _refuse_strangers(self) -> None:
        """Ends with the server alone, by the exception that grpcio expects then."""
        answering = Tasks()
        while True:
            call = cygrpc._ServicerContext(await self._request_call(), None, None, asyncio.get_running_loop())
            answering.start(_refuse(call))


async def _refuse(call: Any) -> None:
    with suppress(cygrpc.BaseError):  # raised after the status has gone out, or because the caller has left
        await call.abort(grpc.StatusCode.UNIMPLEMENTED, "No such method here; ask the reflection service for them.")


@contextmanager
def accepting() -> Iterator[None]:
    """Within it, grpc.aio.server() makes such a server."""
    own = cygrpc.AioServer
    cygrpc.AioServer = Accepting
    try:
        yield
    finally:
        cygrpc.AioServer = own
