"""The requests of a stream, which ends when its client or the server wants it to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from modelmoor_server.errors import InvalidRequest


async def until(requests: AsyncIterator[bytes], closing: asyncio.Event) -> AsyncIterator[bytes]:
    """The requests of a stream until its end, or until `closing` is set."""
    over = asyncio.ensure_future(closing.wait())
    try:
        while not closing.is_set():
            coming = asyncio.ensure_future(_next(requests))
            try:
                await asyncio.wait((coming, over), return_when=asyncio.FIRST_COMPLETED)
            finally:
                coming.cancel()  # does nothing where it is done
            if not coming.done() or (request := coming.result()) is None:
                return
            yield request
    finally:
        over.cancel()


async def only(requests: AsyncIterator[bytes]) -> bytes:
    """The request of a call that has one. Raises InvalidRequest."""
    request = await _next(requests)
    if request is None:
        raise InvalidRequest("The call has no request.")
    return request


async def _next(requests: AsyncIterator[bytes]) -> bytes | None:
    with contextlib.suppress(StopAsyncIteration):
        return await anext(requests)
    return None
