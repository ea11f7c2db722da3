"""Who may wait for a model when more comes than it can answer: CoDel on the time in the queue, and a hard cap.

A burst may wait; a queue that stands is of use to nobody, since whoever comes out of it has waited for nothing. It
stands where no request of an interval was taken within the target. Then requests are refused as they come (the refusal
costs some microseconds, before a byte of the body is parsed) until one is taken in time. Target and interval follow
the model: a call of two seconds may be waited for longer than one of a millisecond (trust.md, section 4.2, has the
comparison with other policies; RFC 8289 is CoDel).
"""

from collections.abc import Callable
from time import perf_counter

from modelmoor_server.errors import Overloaded, RequestError

CALLS = 5  # calls of the model that a request may wait for, whatever they take
INTERVAL = 4  # targets: for so long the queue must stand
FEW = 16  # requests that may wait whatever they wait for: so many callers who ask again once answered are no overload
PATIENCE = 2  # targets: who waits longer while it stands is refused
_MEMORY = 0.05  # of the means: about the last twenty calls


class Pace:
    """How quickly a queue moves, from the moments at which requests leave it."""

    def __init__(self) -> None:
        self._last = 0.0
        self._gaps = self._requests = self._calls = 0.0

    def taken(self, waited: float, now: float) -> None:
        """A request left the queue at `now` after `waited` seconds."""
        gap = now - self._last
        self._last = now
        if 2 * waited < gap:
            return  # the model may have been idle between the two
        mean = self.request
        keep = 1 - _MEMORY * min(1.0, gap / mean if mean else 1.0)
        self._gaps = self._gaps * keep + gap
        self._requests = self._requests * keep + 1
        # Those that share a call with the one before them are taken at once, and begin none.
        self._calls = self._calls * keep + (gap > mean / 4)

    @property
    def request(self) -> float:
        """Seconds from one request to the next."""
        return self._gaps / self._requests if self._requests else 0.0

    @property
    def call(self) -> float:
        """Seconds from one call of the model to the next; it may answer several requests."""
        return self._gaps / self._calls if self._calls else 0.0


class CoDel:
    """The policy of one model's queue (`Admission`): `admit` on the loop, `taken` on the model's thread.

    wait: seconds that a request may wait in a queue that stands, where the model is quick. limit: requests that may
    wait. clock: seconds, as perf_counter.
    """

    def __init__(self, wait: float, limit: int, clock: Callable[[], float] = perf_counter) -> None:
        self._wait = wait
        self._limit = limit
        self._clock = clock
        self._pace = Pace()
        self._late_since: float | None = None
        self._stands = False
        self._waiting = 0

    @property
    def target(self) -> float:
        """Seconds that a request may wait in a queue that stands."""
        return max(self._wait, CALLS * self._pace.call)

    def admit(self, waiting: int) -> RequestError | None:
        """Refuse what would wait too long in a queue that stands, and what is beyond the cap."""
        if waiting >= self._limit:
            return Overloaded(f"{self._limit} requests wait for this model already: come back in a moment.")
        if self._stands and waiting >= FEW and waiting * self._pace.request > PATIENCE * self.target:
            return _refused()
        self._waiting = waiting + 1
        return None

    def taken(self, waited: float) -> RequestError | None:
        """Judge the queue by a request that leaves it, and refuse it where it is too late."""
        now = self._clock()
        self._pace.taken(waited, now)
        target = self.target
        self._waiting = max(self._waiting - 1, 0)
        if waited <= target or not self._waiting:  # a queue of one is none, however late a starved thread took it
            self._late_since, self._stands = None, False
            return None
        if self._late_since is None:
            self._late_since = now
        self._stands = self._stands or now - self._late_since >= INTERVAL * target
        late = self._stands and waited > PATIENCE * target and self._waiting >= FEW
        return _refused() if late else None


def _refused() -> Overloaded:
    return Overloaded("More requests come than this model can answer: come back in a moment.")
