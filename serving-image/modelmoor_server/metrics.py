"""What the server counts: plain numbers, written on the event loop only, so that a request pays no lock and no lookup.

exposition.py renders them for Prometheus. No label takes a value that a caller can choose.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

# Seconds. From a linear model's tens of microseconds to the request timeout.
DURATION_BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip


# Rows of one call of a model.
BATCH_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class Abandoned(StrEnum):
    """Why nobody waits for a prediction any more."""

    TIMEOUT = "Timeout"
    DISCONNECTED = "Disconnected"


class Histogram:
    """Counts of values by bucket, and their sum; of durations in seconds where no other bounds are given."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = DURATION_BOUNDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class ModelCounters:
    """What is counted of one model. batch: rows of each call; batch_failures: calls that were made again singly."""

    predict: Histogram = field(default_factory=Histogram)
    queue: Histogram = field(default_factory=Histogram)
    batch: Histogram = field(default_factory=lambda: Histogram(BATCH_BOUNDS))
    batch_failures: int = 0
    rows: int = 0
    abandoned: dict[Abandoned, int] = field(default_factory=lambda: dict.fromkeys(Abandoned, 0))
    load_seconds: float | None = None
    queued: Callable[[], int] = lambda: 0


@dataclass(slots=True)
class Counters:
    """What is counted of the process.

    requests: by door, model (empty where it is unknown) and HTTP status. durations: by door and model.
    refused: requests that never reached a door, by HTTP status.
    """

    requests: defaultdict[tuple[str, str, int], int] = field(default_factory=lambda: defaultdict(int))
    durations: defaultdict[tuple[str, str], Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    refused: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    in_flight: int = 0
    models: dict[str, ModelCounters] = field(default_factory=dict)

    def refuse(self, status: int) -> None:
        """Count a request that never reached a door."""
        self.refused[status] += 1
