"""A token bucket: the fuse that keeps a mistake of ours from drowning the API server."""

import asyncio
from collections.abc import Callable


class TokenBucket:
    """`rate` tokens a second, `burst` at once. Takers are served in order of arrival."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()
        self._held_until = self._at

    def hold(self, seconds: float) -> None:
        """Give nobody a token for so long: the API server asked for a pause."""
        self._held_until = max(self._held_until, self._clock() + seconds)

    async def take(self) -> None:
        """Take one token; wait for it where none is left, or while tokens are held."""
        while (held := self._held_until - self._clock()) > 0:
            await asyncio.sleep(held)
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._rate)
