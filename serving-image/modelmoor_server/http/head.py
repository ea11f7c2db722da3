"""A request's head is judged whole: one pure function, so that it cannot matter how the bytes came in.

httptools (strict) does the grammar; what it lets pass is checked here (docs/decisions/0006-http-by-httptools.md).
"""

import re
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from modelmoor_server.http.limits import Limits
from modelmoor_server.http.message import Head, Refusal

METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"))
MALFORMED = "The request is not well-formed HTTP/1.1."
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/([0-9])\.([0-9])")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?[ \t]*")
_ABSOLUTE = re.compile(rb"https?://[^/?]+", re.IGNORECASE)
_BLANK_LINES = re.compile(rb"\A(?:\r\n)+")
_BARE_END = re.compile(rb"\n\r?\n")
_BLANK_BYTES = 8
_CACHED_BYTES = 1024
_CACHED_HEADS = 512


class HeadReader:
    """Finds heads in a stream and judges them.

    A client repeats its head from request to request, so the verdicts on short ones are kept; heads with
    credentials are not, since nobody should find those in the memory of a process that holds a model.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: dict[bytes, Head] = {}

    def end(self, data: bytes) -> int:
        """Where the first head in `data` ends; 0 while it is incomplete. Raises Refusal where it can only go wrong."""
        start = 0
        while data.startswith(b"\r\n", start) and start < _BLANK_BYTES:
            start += 2  # blank lines before a request are tolerated (RFC 9112, 2.2)
        end = data.find(b"\r\n\r\n", start) + 4
        if 3 < end <= self._limits.head_bytes:
            return end
        rest = data[start:]
        if rest and rest != b"\r":
            self._check_start(rest)
            if end > self._limits.head_bytes or len(data) > self._limits.head_bytes:
                raise _too_large()
            if _BARE_END.search(rest):
                raise Refusal(400, MALFORMED)
        return 0

    def read(self, raw: bytes) -> Head:
        """Judge a whole head, its empty line included. Raises Refusal."""
        head = self._known.get(raw)
        if head is None:
            head = self._judge(_BLANK_LINES.sub(b"", raw, 1))
            secret = b"authorization" in head.headers or b"cookie" in head.headers
            if len(raw) <= _CACHED_BYTES and not secret:
                if len(self._known) >= _CACHED_HEADS:
                    self._known.clear()
                self._known[raw] = head
        return head

    def knows(self, raw: bytes) -> bool:
        """Whether the verdict on a head is kept."""
        return raw in self._known

    def _judge(self, raw: bytes) -> Head:
        method, target, minor = self._line(raw[: raw.find(b"\n") + 1])
        collected = _Collector()
        upgrade = False
        try:
            collected.read(raw)
        except HttpParserUpgrade:
            # HTTP/1.1 may ignore an upgrade. We answer as 1.1 and close: what follows may be another protocol.
            upgrade = True
        except HttpParserError:
            raise _refusal_of(collected.headers) from None
        headers = collected.headers
        if collected.count > self._limits.headers:
            raise Refusal(431, f"The request has more than {self._limits.headers} header fields.")
        if minor == b"1" and b"host" not in headers:
            raise Refusal(400, "An HTTP/1.1 request needs exactly one Host header.")
        if b"host" in headers and not _HOST.fullmatch(headers[b"host"]):
            raise Refusal(400, "The request must have exactly one Host header that names a host.")
        return Head(
            method=method,
            target=target,
            headers=headers,
            length=_length(headers, minor),
            keep_alive=collected.keep_alive and not upgrade,
            http10=minor == b"0",
            expects_continue=minor == b"1" and _expects_continue(headers),
        )

    def _check_start(self, data: bytes) -> None:
        """Refuse as soon as the first line shows that this is no request of ours (or no HTTP at all)."""
        end = data.find(b"\n") + 1
        if end:
            self._line(data[:end])
        elif not _TOKEN.match(data):
            raise Refusal(400, MALFORMED)
        elif len(data) > self._limits.target_bytes + 64:
            raise self._target_too_long()

    def _line(self, line: bytes) -> tuple[bytes, bytes, bytes]:
        if len(line) > self._limits.target_bytes + 64 and _TOKEN.match(line):
            raise self._target_too_long()
        match = _LINE.fullmatch(line[:-2]) if line.endswith(b"\r\n") else None
        if match is None:
            raise Refusal(400, MALFORMED)
        method, target, major, minor = match.groups()
        if major != b"1" or minor not in (b"0", b"1"):
            raise Refusal(505, "This server speaks HTTP/1.1 and HTTP/1.0.")
        if method == b"CONNECT":
            raise Refusal(405, "CONNECT is not allowed: this server is no proxy.")
        if method not in METHODS:
            raise Refusal(501, "The request's method is not known.")
        if len(target) > self._limits.target_bytes:
            raise self._target_too_long()
        return method, _origin_form(method, target), minor

    def _target_too_long(self) -> Refusal:
        return Refusal(414, f"The request's target is longer than {self._limits.target_bytes} bytes.")


class _Collector:
    """What httptools reports of a head."""

    __slots__ = ("count", "headers", "keep_alive", "parser")

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.count = 0
        self.keep_alive = False
        self.parser: Any = None

    def read(self, raw: bytes) -> None:
        self.parser = HttpRequestParser(self)
        try:
            self.parser.feed_data(raw)
        finally:
            self.parser = None  # the two would keep each other alive until the next collection

    def on_headers_complete(self) -> None:
        self.keep_alive = self.parser.should_keep_alive()  # right in here alone: httptools forgets it afterwards

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.count += 1
        self.headers[name] = b"%b, %b" % (self.headers[name], value) if name in self.headers else value


def _origin_form(method: bytes, target: bytes) -> bytes:
    if b"#" in target:
        raise Refusal(400, "The request's target must not hold a fragment.")
    absolute = _ABSOLUTE.match(target)
    if absolute:
        target = target[absolute.end() :] or b"/"
        target = target if target.startswith(b"/") else b"/" + target
    if target == b"*" and method == b"OPTIONS":
        return target
    if not target.startswith(b"/") or target.startswith(b"//"):
        raise Refusal(400, "The request's target must be a path that begins with one slash.")
    return target


def _length(headers: dict[bytes, bytes], minor: bytes) -> int | None:
    encoding = headers.get(b"transfer-encoding")
    if encoding is None:
        return int(headers.get(b"content-length", b"0"))
    if minor == b"0":
        raise Refusal(400, "HTTP/1.0 knows no Transfer-Encoding.")
    if encoding.strip().lower() != b"chunked":
        raise _unknown_coding()
    return None


def _expects_continue(headers: dict[bytes, bytes]) -> bool:
    expectation = headers.get(b"expect")
    if expectation is None:
        return False
    if expectation.strip().lower() != b"100-continue":
        raise Refusal(417, "The only expectation that can be met is 100-continue.")
    return True


def _refusal_of(headers: dict[bytes, bytes]) -> Refusal:
    """The refusal of a head that httptools refused: 501 for a transfer coding that nobody here knows, else 400."""
    encoding = headers.get(b"transfer-encoding", b"chunked").strip().lower()
    if encoding != b"chunked" and b"content-length" not in headers:
        return _unknown_coding()
    return Refusal(400, MALFORMED)


def _unknown_coding() -> Refusal:
    return Refusal(501, "The only transfer coding that is understood is chunked.")


def _too_large() -> Refusal:
    return Refusal(431, "The request's headers are too large.")
