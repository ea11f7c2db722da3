"""What a burst took goes back to the machine: glibc keeps freed memory for itself until it is asked for it."""

import asyncio
import ctypes
from collections.abc import Callable

_SECONDS = 60.0


async def keep_small(seconds: float = _SECONDS) -> None:
    """Give free memory back every minute, for ever. In a thread, without the interpreter's lock: nothing waits."""
    trim = _malloc_trim()
    while True:
        await asyncio.sleep(seconds)
        if trim is not None:
            await asyncio.to_thread(trim, 0)


def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim(3)`; None with another C library."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
