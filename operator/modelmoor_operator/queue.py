"""A keyed queue: a key waits at most once, is never worked on twice at a time, and backs off when it fails."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

from modelmoor_operator.metrics import CONTROLLER, QUEUE_ADDS

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""

LIVE, NEW, CHILD, BACKGROUND = 0, 5, 10, 100
"""Priorities: an edit of what was seen before, a new object, a child that moved, the first list and the resync.

The lowest number goes first: an edit waits for no thousand new objects.
"""

FIRST_BACKOFF, LONGEST_BACKOFF = 0.2, 300.0


@dataclass
class _Waiting:
    priority: int
    since: float


class WorkQueue:
    """Keys in order of priority, then of arrival. Not thread-safe: it lives on one event loop.

    `clock` gives seconds that never go back; `jitter` gives a factor around 1.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),  # noqa: S311  (spreads load, guards nothing)
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._heap: list[tuple[int, int, Key]] = []
        self._order = itertools.count()
        self._waiting: dict[Key, _Waiting] = {}
        self._working: set[Key] = set()
        self._again: dict[Key, int] = {}
        self._timers: dict[Key, tuple[float, asyncio.TimerHandle]] = {}
        self._failures: dict[Key, int] = {}
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: Key, priority: int = LIVE) -> None:
        """Put `key` in line. While it is worked on it is remembered, and comes once more afterwards."""
        if key in self._working:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        known = self._waiting.get(key)
        if known is not None and known.priority <= priority:
            return
        if known is None:
            QUEUE_ADDS.labels(name=CONTROLLER).inc()
        since = known.since if known else self._clock()
        self._waiting[key] = _Waiting(priority, since)
        heapq.heappush(self._heap, (priority, next(self._order), key))
        self._ready.set()

    def add_after(self, key: Key, delay: float, priority: int = CHILD) -> None:
        """Put `key` in line in `delay` seconds; the earliest of several deadlines wins."""
        due = self._clock() + delay
        known = self._timers.get(key)
        if known is not None:
            if known[0] <= due:
                return
            known[1].cancel()
        handle = asyncio.get_running_loop().call_later(delay, self._due, key, priority)
        self._timers[key] = (due, handle)

    def retry(self, key: Key, *, at_least: float = 0.0) -> float:
        """Put a failed `key` in line after its back-off (0.2 s doubling to 300 s, jittered); returns the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: float = min(FIRST_BACKOFF * 2 ** min(failures, 20), LONGEST_BACKOFF) * self._jitter()
        delay = max(delay, at_least)
        self.add_after(key, delay)
        return delay

    def succeeded(self, key: Key) -> None:
        """Forget the failures of `key`."""
        self._failures.pop(key, None)

    def forget(self, key: Key) -> None:
        """Drop everything known of a `key` whose object is gone."""
        self._failures.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer[1].cancel()

    async def get(self) -> tuple[Key, float]:
        """Wait for the next key; returns it with the seconds it waited. Call `done` when finished."""
        while True:
            while self._heap:
                priority, _, key = heapq.heappop(self._heap)
                waiting = self._waiting.get(key)
                if waiting is None or waiting.priority != priority:
                    continue  # it went ahead meanwhile under a more urgent priority
                del self._waiting[key]
                self._working.add(key)
                return key, self._clock() - waiting.since
            self._ready.clear()
            await self._ready.wait()

    def done(self, key: Key) -> None:
        """The work on `key` ended, well or not."""
        self._working.discard(key)
        if key in self._again:
            self.add(key, self._again.pop(key))

    def _due(self, key: Key, priority: int) -> None:
        self._timers.pop(key, None)
        self.add(key, priority)
