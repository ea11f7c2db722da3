"""What a predict will take, from what earlier ones took: this decides what may run on the event loop."""

import sys
from math import inf

INLINE_BUDGET = 0.002  # seconds; more than this never runs on the loop (measured: serving.md, section 4)
CHEAP = 0.0004  # seconds below which refusing costs too much of what answering costs (trust.md, section 4.2)
HURTS = 0.025  # seconds on the loop that every other connection feels
OUTLIER = 5.0  # times the expectation: no single request is believed to be slower


class Cost:
    """The expected seconds of a request by its rows.

    Measured at the warm-up and corrected by every request since: a synthetic row may be cheaper than a real one
    (text, sparse input), and a throttled pod is slower than it was at its start.
    """

    def __init__(self) -> None:
        self._fixed = 0.0
        self._per_row = 0.0
        self._correction = 1.0
        self.measured = False

    def measure(self, one: float, many: float, rows: int) -> None:
        """Learn from two predicts: one row took `one` seconds, `rows` rows took `many`."""
        self._per_row = max(many - one, 0.0) / (rows - 1) if rows > 1 else one
        self._fixed = max(one - self._per_row, 1e-6)
        self.measured = True

    def expected(self, rows: int) -> float:
        """Seconds that a request of `rows` rows will probably take; infinite before anything was measured."""
        return (self._fixed + self._per_row * rows) * self._correction if self.measured else inf

    def rows_within(self, seconds: float) -> int:
        """Rows of a call that will probably take `seconds`, or twice as long as a call of one row, if that is longer.

        At least 1; any number before anything was measured.
        """
        if not self.measured or self._per_row <= 0.0:
            return sys.maxsize
        left = max(seconds / self._correction - self._fixed, self._fixed)
        return max(1, int(left / self._per_row))

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from a request: slowness counts quickly, speed little by little.

        One outlier is not believed (a busy node stops a thread for milliseconds), unless it hurt by itself.
        """
        if not self.measured:
            self.measure(seconds, seconds, 1)
            return
        ratio = seconds / (self._fixed + self._per_row * rows)
        if seconds < HURTS:
            ratio = min(ratio, OUTLIER * self._correction)
        self._correction += (ratio - self._correction) * (0.25 if ratio > self._correction else 0.02)
