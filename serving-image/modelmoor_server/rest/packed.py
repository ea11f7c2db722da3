"""A prediction whose body comes compressed, or whose answer may go so."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from modelmoor_server.errors import RequestError
from modelmoor_server.http.message import Headers, Response
from modelmoor_server.rest.calls import HttpCall
from modelmoor_server.rest.coding import SMALL, VARY, WORTH, Packing, pack, unpack, with_headers

if TYPE_CHECKING:
    from modelmoor_server.inference import InferenceRequest, InferenceResponse


class Packed(HttpCall):
    """What a call gains whose bodies may be compressed: each door's call has a subclass that puts this before it.

    An answer says `Vary` where the caller negotiated; no cache stores the others, since they answer a POST.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        cls.__bases__[1].packed = cls  # type: ignore[attr-defined]

    def expect(self, packing: Packing, limit: int) -> None:
        """Say how the bodies are packed, before the call is submitted. limit: bytes of the unpacked one."""
        self._packing, self._limit = packing, limit
        self._packed = packing.request is not None
        self._coding = None
        if self._packed and len(self._body) <= SMALL:
            with suppress(RequestError):  # large, or broken: `decode` will tell, not on the event loop
                self._unpack(min(SMALL, limit))

    @property
    def size(self) -> int:
        """Bytes of the body; of one that is still packed as many as it may become."""
        return max(len(self._body), self._limit, SMALL + 1) if self._packed else len(self._body)

    def decode(self) -> "InferenceRequest":
        """Raises InvalidRequest, TooLarge."""
        if self._packed:
            self._unpack(self._limit)
        return super().decode()

    def encode(self, response: "InferenceResponse") -> bytes:
        body = super().encode(response)
        coding = self._packing.answer
        if coding is None or len(body) < WORTH or (len(body) > SMALL and _on_loop()):
            return body
        self._coding = coding
        return pack(body, coding)

    def answer(self, response: Response) -> None:
        """Give the answer, with the headers that tell how it is packed."""
        headers: Headers = (VARY,) if self._packing.negotiated else ()
        if self._coding is not None and response.status == 200:
            headers += ((b"Content-Encoding", self._coding.encode()),)
        super().answer(with_headers(response, response.body, *headers))

    def _unpack(self, limit: int) -> None:
        self._body = unpack(self._body, self._packing.request or "gzip", limit)
        self._packed = False


def _on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
