"""The bytes of a pickle behind any compressor that joblib knows, counted after it: a bomb ends at the budget."""

from pathlib import Path
from typing import IO, Any

from modelmoor_server.inspection.pickles import is_plain, opened

RATIO = 200  # bytes out of one byte in; honest models of zeros stay below it
ROOM = 64 << 20


class NotListedError(Exception):
    """What is not on the list, or not within the bounds; the text is ours."""


class Stream:
    """A binary file that gives at most `budget` bytes, and never allocates for more than it could give."""

    def __init__(self, path: Path) -> None:
        size = path.stat().st_size
        self._file: IO[bytes] | Any = opened(path)
        self.budget = size if is_plain(path) else size * RATIO + ROOM

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self, size: int) -> None:
        """Count `size` bytes that are about to be read. Raises NotListedError beyond the budget."""
        if not 0 <= size <= self.budget:
            raise NotListedError("it states more bytes than it has")
        self.budget -= size

    def read(self, size: int = -1) -> bytes:
        self.take(size)
        data = self._file.read(size)
        while len(data) < size:
            more = self._file.read(size - len(data))
            if not more:
                raise EOFError
            data += more
        return bytes(data)

    def readline(self) -> bytes:
        line = self._file.readline(1 << 16)
        self.take(len(line))
        return bytes(line)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[:] = data
        return len(data)
