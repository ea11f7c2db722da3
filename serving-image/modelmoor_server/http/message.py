"""What a connection hands over and gets back: requests, answers, refusals, and how an answer is written."""

import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import orjson

JSON = b"application/json"
Headers = tuple[tuple[bytes, bytes], ...]


class Refusal(Exception):
    """A request that is refused before anyone looks at its meaning: the answer is sent and the connection closed."""

    def __init__(self, status: int, sentence: str, headers: Headers = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and headers, judged.

    target: origin form, path and query. headers: lower-case names; repeated ones are joined by a comma.
    length: bytes of the body by Content-Length (0 where there is no body), None for a chunked one.
    keep_alive: whether the client wants the connection kept. expects_continue: it waits for `100 Continue`.
    """

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    length: int | None
    keep_alive: bool
    http10: bool = False
    expects_continue: bool = False


@dataclass(slots=True)
class Response:
    """An answer: a status, a body and the few headers beyond those that every answer has."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: Headers = ()


class Pending(Protocol):
    """An answer that is not there yet."""

    def cancel(self) -> bool:
        """The caller has left. True: it had not begun, and now never will; the answer will not come."""
        ...


class Respond(Protocol):
    """How an answer is given: on the event loop, at once or later, exactly once."""

    def __call__(self, response: Response) -> None: ...


class Route(Protocol):
    """Where a request goes, known from its head alone.

    body_limit: bytes; a larger body is refused before it is read. vital: answered even on a surplus connection.
    refusal: an answer that is certain from the head, for callers who wait for `100 Continue`.
    """

    @property
    def body_limit(self) -> int: ...
    @property
    def vital(self) -> bool: ...
    @property
    def refusal(self) -> Response | None: ...

    def start(self, head: Head, body: bytes, respond: Respond) -> Pending | None:
        """Begin to answer. Returns what can be cancelled, or None where the answer has been given."""
        ...


def error(status: int, sentence: str, headers: Headers = ()) -> Response:
    """An error answer, in the one shape that all doors share."""
    return Response(status, orjson.dumps({"error": sentence}), JSON, headers)


def retry_later() -> Headers:
    """When a caller may come back: 1 to 3 seconds, so that those who were refused together do not return together."""
    return random.choice(_RETRY)  # noqa: S311 - keeps callers apart, no secret


def written(response: Response, date: bytes, *, close: bool, keep_alive: bool, without_body: bool) -> bytes:
    """The bytes of an answer. keep_alive: say so aloud, as HTTP/1.0 wants it."""
    start = _STARTS.get((response.status, response.content_type)) or _start(response.status, response.content_type)
    if not (close or keep_alive or without_body or response.headers) and response.status != HTTPStatus.NO_CONTENT:
        return b"%b%d\r\nDate: %b\r\n\r\n%b" % (start, len(response.body), date, response.body)  # the frequent case
    end = b"Connection: close\r\n\r\n" if close else b"Connection: keep-alive\r\n\r\n" if keep_alive else b"\r\n"
    extra = b"".join([b"%b: %b\r\n" % header for header in response.headers]) if response.headers else b""
    if response.status == HTTPStatus.NO_CONTENT:
        return b"HTTP/1.1 204 No Content\r\nDate: %b\r\n%b%b" % (date, extra, end)
    body = b"" if without_body else response.body
    return b"%b%d\r\nDate: %b\r\n%b%b%b" % (start, len(response.body), date, extra, end, body)


_RETRY: tuple[Headers, ...] = tuple(((b"Retry-After", b"%d" % seconds),) for seconds in (1, 2, 3))
_STARTS: dict[tuple[int, bytes], bytes] = {}  # filled by the few statuses and content types that we send


def _start(status: int, content_type: bytes) -> bytes:
    phrase = HTTPStatus(status).phrase.encode()
    start = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: " % (status, phrase, content_type)
    _STARTS[status, content_type] = start
    return start
