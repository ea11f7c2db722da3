"""The bodies of one prediction whose request comes compressed, or whose answer may go so."""

import asyncio
from contextlib import suppress

from modelmoor_server.errors import RequestError
from modelmoor_server.http.message import Headers, Response
from modelmoor_server.rest.coding import SMALL, VARY, WORTH, Packing, pack, unpack, with_headers


class Packed:
    """What a call asks where its bodies may be compressed; it can be pickled.

    limit: bytes of the unpacked request. An answer says `Vary` where the caller negotiated; no cache stores the others,
    since they answer a POST.
    """

    __slots__ = ("_coding", "_limit", "_packing", "_still")

    def __init__(self, packing: Packing, limit: int) -> None:
        self._packing = packing
        self._limit = limit
        self._still = packing.request is not None  # packed, the request's body
        self._coding: str | None = None  # of the answer, once it is packed

    def size(self, body: bytes) -> int:
        """Bytes of the request's body; of one that is still packed as many as it may become."""
        return max(len(body), self._limit, SMALL + 1) if self._still else len(body)

    def begun(self, body: bytes) -> bytes:
        """The request's body, unpacked where that is small and may be done on the event loop."""
        if self._still and len(body) <= SMALL:
            with suppress(RequestError):  # large, or broken: `unpacked` will tell, not on the event loop
                return self._unpack(body, min(SMALL, self._limit))
        return body

    def unpacked(self, body: bytes) -> bytes:
        """The request's body as it was before it was packed. Raises InvalidRequest, TooLarge."""
        return self._unpack(body, self._limit) if self._still else body

    def packed(self, body: bytes) -> bytes:
        """The answer's body, packed where the caller takes that and it is worth it."""
        coding = self._packing.answer
        if coding is None or len(body) < WORTH or (len(body) > SMALL and _on_loop()):
            return body
        self._coding = coding
        return pack(body, coding)

    def told(self, response: Response) -> Response:
        """The answer with the headers that tell how it is packed."""
        headers: Headers = (VARY,) if self._packing.negotiated else ()
        if self._coding is not None and response.status == 200:
            headers += ((b"Content-Encoding", self._coding.encode()),)
        return with_headers(response, response.body, *headers)

    def _unpack(self, body: bytes, limit: int) -> bytes:
        body = unpack(body, self._packing.request or "gzip", limit)
        self._still = False
        return body


def _on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
