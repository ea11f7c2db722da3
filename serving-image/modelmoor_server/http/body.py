"""Bodies are bounded while they arrive, never after."""

import re
from typing import Protocol

from httptools import HttpParserError, HttpRequestParser

from modelmoor_server.http.head import MALFORMED
from modelmoor_server.http.limits import Limits
from modelmoor_server.http.message import Refusal


class Body(Protocol):
    """A body on its way in. received: raw bytes so far. held: bytes that it keeps in memory."""

    @property
    def received(self) -> int: ...
    @property
    def held(self) -> int: ...
    @property
    def complete(self) -> bool: ...

    def feed(self, data: bytes) -> int:
        """Take what belongs to the body from the start of `data`; tells how many bytes that were. Raises Refusal."""
        ...

    def take(self) -> bytes:
        """The whole body, once it is complete."""
        ...


class SizedBody:
    """A body by Content-Length. Its pieces are joined once."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._pieces: list[bytes] = []
        self.received = 0

    @property
    def held(self) -> int:
        return self._length  # promised bytes count as held, or a thousand promises would pass the limit together

    @property
    def complete(self) -> bool:
        return self.received == self._length

    def feed(self, data: bytes) -> int:
        taken = data[: self._length - self.received]
        self._pieces.append(taken)
        self.received += len(taken)
        return len(taken)

    def take(self) -> bytes:
        return b"".join(self._pieces)


class ChunkedBody:
    """A chunked body: our own scan bounds it and finds its end, httptools judges the grammar and decodes.

    Trailer fields are dropped. limit: bytes of the decoded body.
    """

    def __init__(self, limit: int, limits: Limits) -> None:
        self._limit = limit
        self._limits = limits
        self._line = b""  # an unfinished line of framing
        self._remaining = 0  # bytes of the chunk in hand, its CRLF included
        self._announced = 0  # bytes of content by the chunk sizes; httptools must count the same
        self._framing = 0  # bytes that are not content
        self._in_trailer = False
        self._refusal: Refusal | None = None
        self.received = 0
        self.complete = False
        self._content = _Content()
        self._parser = HttpRequestParser(self._content)
        self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: body\r\nTransfer-Encoding: chunked\r\n\r\n")

    @property
    def held(self) -> int:
        return self._content.size

    def feed(self, data: bytes) -> int:
        position = chunks_end = 0
        while position < len(data) and not self.complete and self._refusal is None:
            in_trailer = self._in_trailer
            if self._remaining:
                step = min(self._remaining, len(data) - position)
                self._remaining -= step
                position += step
            else:
                position = self._scan_line(data, position)
            if not in_trailer:
                chunks_end = position
        self.received += position
        # The trailer section stays out: httptools would report its fields as if they were headers.
        self._decode(data[:chunks_end])
        if self._refusal is not None:
            try:
                raise self._refusal
            finally:
                self._refusal = None  # it holds this frame, which holds the body: see _Content
        if self.complete:
            self._decode(b"\r\n")
            if self.held != self._announced:
                raise Refusal(400, MALFORMED)
        return position

    def take(self) -> bytes:
        return b"".join(self._content.pieces)

    def _decode(self, data: bytes) -> None:
        try:
            if data:
                self._parser.feed_data(data)
        except HttpParserError:
            raise Refusal(400, MALFORMED) from None

    def _scan_line(self, data: bytes, position: int) -> int:
        end = data.find(b"\n", position) + 1
        self._line += data[position : end or len(data)]
        if len(self._line) > self._limits.chunk_line_bytes:
            self._refusal = Refusal(400, "A line of the chunked body's framing is too long.")
        elif end:
            line, self._line = self._line, b""
            self._framing += len(line)
            self._refusal = self._read_trailer(line) if self._in_trailer else self._read_size(line)
        return end or len(data)

    def _read_size(self, line: bytes) -> Refusal | None:
        match = _SIZE.fullmatch(line)
        size = int(match[1], 16) if match else _TOO_MANY_DIGITS
        if size >= _TOO_MANY_DIGITS:
            return Refusal(400, MALFORMED)
        if self._announced + size > self._limit:
            return too_large(self._limit)
        self._announced += size
        self._framing += 2
        if self._too_much_framing():
            return Refusal(400, "The body's chunks are so small that their framing outweighs them.")
        self._in_trailer = size == 0
        self._remaining = size + 2 if size else 0
        return None

    def _read_trailer(self, line: bytes) -> Refusal | None:
        self.complete = line == b"\r\n"
        if not self.complete and not (line.endswith(b"\r\n") and line.find(b":") > 0):
            return Refusal(400, MALFORMED)
        if self._too_much_framing():
            return Refusal(431, "The body's trailer fields are too large.")
        return None

    def _too_much_framing(self) -> bool:
        raw = self._framing + self._announced
        return raw > self._limits.chunk_overhead_slack + self._announced * self._limits.chunk_overhead_factor


class _Content:
    """What httptools decodes of a chunked body. An object of its own: the parser holds it, and in a cycle of the two a
    refused body would stay in memory until the next collection."""

    __slots__ = ("pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0

    def on_body(self, piece: bytes) -> None:
        """A piece of content."""
        self.pieces.append(piece)
        self.size += len(piece)


def too_large(limit: int) -> Refusal:
    """The refusal of a body beyond `limit` bytes, with the way out."""
    return Refusal(413, f"The body is larger than {limit} bytes: send the rows in several requests.")


_SIZE = re.compile(rb"([0-9A-Fa-f]+)(?:;[^\r\n]*)?\r\n")
_TOO_MANY_DIGITS = 1 << 64  # what httptools, too, takes for an overflow
