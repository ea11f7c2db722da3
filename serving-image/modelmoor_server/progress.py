"""How far a download is: one log line at the start, one every five seconds, one at the end."""

import logging
from collections.abc import Callable

log = logging.getLogger("modelmoor_server.fetch")
INTERVAL = 5.0  # seconds between two lines


class Progress:
    """Counts bytes. total: the size of everything in bytes, 0 where the store does not tell."""

    def __init__(self, place: str, total: int, clock: Callable[[], float]) -> None:
        self.done = 0
        self._place, self._total, self._clock = place, total, clock
        self._started = self._told = clock()

    def start(self, files: int) -> None:
        """Say what is about to come."""
        log.info("FetchStarted", extra={"fields": {"place": self._place, "files": files, "size": self._total}})

    def add(self, size: int) -> None:
        """`size` more bytes are on disk."""
        self.done += size
        if self._clock() - self._told >= INTERVAL:
            self._told = self._clock()
            log.info("FetchProgress", extra={"fields": self._fields()})

    def end(self) -> None:
        """Everything is on disk."""
        log.info("FetchEnded", extra={"fields": self._fields()})

    def _fields(self) -> dict[str, object]:
        seconds = max(self._clock() - self._started, 1e-3)
        fields: dict[str, object] = {
            "place": self._place,
            "done": self.done,
            "bytes_per_second": int(self.done / seconds),
        }
        if self._total:
            fields |= {"size": self._total, "percent": min(100, 100 * self.done // self._total)}
        return fields
