"""Compressed bodies: gzip and deflate, both ways (RFC 9110, 8.4 and 12.5.3).

A request's body is bounded by what it becomes, not by what it is: it is unpacked with a limit on the output and refused
as soon as it passes that. What is small is unpacked on the event loop, anything else on the model's thread; zlib works
without the interpreter's lock. An answer is packed where it was made, and only where that is worth it.
"""

import zlib
from functools import lru_cache
from typing import NamedTuple

from modelmoor_server.errors import InvalidRequest, TooLarge
from modelmoor_server.http.message import Head, Response, error

SMALL = 64 * 1024  # bytes that may be unpacked or packed on the event loop: about 0.2 and 1.5 ms
WORTH = 4 * 1024  # packing less costs more time than a network within a cluster saves
LEVEL = 1  # measured on JSON numbers: level 6 takes eight times as long for 3 to 6 percent less
MEMBERS = 16  # gzip members in one body
VARY = (b"Vary", b"Accept-Encoding")
HEADERS = (b"content-encoding", b"accept-encoding")
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's number for each coding's wrapping
_BROKEN = "The body is not what its Content-Encoding says, or it is cut off."


class Packing(NamedTuple):
    """request: the coding of a request's body, answer: the one that its answer may have; None: as it is.

    negotiated: whether the caller said anything about the answer.
    """

    request: str | None
    answer: str | None
    negotiated: bool


def packing_of(head: Head) -> Packing | Response | None:
    """What a request says about compression: None where it says nothing, a 415 where its body cannot be read."""
    sent, wanted = (head.headers.get(name) for name in HEADERS)
    if sent is None and wanted is None:
        return None
    words = (word.strip().lower() for word in (sent or b"").decode("latin-1").split(","))
    codings = [word for word in words if word not in ("", "identity")]
    if len(codings) > 1 or not _WINDOWS.keys() >= set(codings):
        sentence = "The body's Content-Encoding is not supported: send it as gzip, as deflate, or as it is."
        return error(415, sentence, ((b"Accept-Encoding", b"gzip, deflate"),))
    answer = None if wanted is None else accepted(wanted)
    return Packing(codings[0] if codings else None, answer, wanted is not None)


@lru_cache(128)
def accepted(header: bytes) -> str | None:
    """The coding that an Accept-Encoding header likes best among ours; None where the answer must go as it is."""
    weights: dict[str, float] = {}
    for part in header.decode("latin-1").lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        try:
            weights[name] = min(max(float(weight), 0.0), 1.0)
        except ValueError:
            weights[name] = 0.0
    other = weights.get("*", 0.0)
    gzip, deflate = (weights.get(name, other) for name in ("gzip", "deflate"))
    # identity is preferred only where it is named with a higher weight: to be left out means to be acceptable
    if max(gzip, deflate) <= 0.0 or weights.get("identity", 0.0) > max(gzip, deflate):
        return None
    return "gzip" if gzip >= deflate else "deflate"


def pack(body: bytes, coding: str) -> bytes:
    """A body in one of our codings."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _WINDOWS[coding])
    return packer.compress(body) + packer.flush()


def unpack(body: bytes, coding: str, limit: int) -> bytes:
    """What a body was before it was packed. Raises TooLarge beyond `limit` bytes, InvalidRequest where it is broken.

    Never holds more than `limit` bytes and one more, whatever the body promises.
    """
    pieces: list[bytes] = []
    room = limit + 1
    for _ in range(MEMBERS):
        unpacker = zlib.decompressobj(_WINDOWS[coding])
        try:
            piece = unpacker.decompress(body, room)
        except zlib.error:
            raise InvalidRequest(_BROKEN) from None
        pieces.append(piece)
        room -= len(piece)
        if room <= 0:
            raise TooLarge(f"The body is larger than {limit} bytes once unpacked: send the rows in several requests.")
        if not unpacker.eof:
            raise InvalidRequest(_BROKEN)
        body = unpacker.unused_data
        if not body:
            return b"".join(pieces)
        if _WINDOWS[coding] != _WINDOWS["gzip"]:
            break  # only gzip may have several members
    raise InvalidRequest(_BROKEN)


def packed_answer(response: Response, head: Head) -> Response:
    """An answer that is made on the spot, packed where the caller takes that; what may vary says so in any case."""
    wanted = head.headers.get(b"accept-encoding")
    coding = accepted(wanted) if wanted is not None and WORTH <= len(response.body) <= SMALL else None
    if coding is None:
        return with_headers(response, response.body, VARY) if len(response.body) >= WORTH else response
    return with_headers(response, pack(response.body, coding), VARY, (b"Content-Encoding", coding.encode()))


def with_headers(response: Response, body: bytes, *headers: tuple[bytes, bytes]) -> Response:
    """An answer with another body and more headers."""
    return Response(response.status, body, response.content_type, response.headers + headers)
