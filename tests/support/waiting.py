"""Waits for a condition, never for a time: short looks until it holds, and a failure that says what was seen."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(
    look: Callable[[], Found | None], *, seconds: float, why: Callable[[], str] = lambda: "", pause: float = 0.1
) -> Found:
    """Call `look` until it returns something true; AssertionError with `why()` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s; {why()}")
        time.sleep(pause)
