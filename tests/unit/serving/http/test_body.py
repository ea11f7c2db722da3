"""Bodies on their way in, apart from any connection."""

import gc
import weakref

import pytest

from modelmoor_server.http.body import ChunkedBody
from modelmoor_server.http.limits import Limits
from modelmoor_server.http.message import Refusal


@pytest.mark.parametrize(
    "last", [b"0\r\n\r\n", b"x", b"fffffff\r\n", b""], ids=["whole", "bad", "too large", "cut off"]
)
def test_a_chunked_body_leaves_with_its_request(last: bytes) -> None:
    """Whatever became of it, its memory is free at once, not at the next collection of cycles."""
    gc.collect()
    gc.disable()
    try:
        body = ChunkedBody(1000, Limits())
        gone = weakref.ref(body)
        body.feed(b"3\r\nabc\r\n")
        assert body.held == 3
        try:
            body.feed(last)
        except Refusal:
            pass
        else:
            assert body.complete == (last == b"0\r\n\r\n")
        del body

        assert gone() is None
    finally:
        gc.enable()
