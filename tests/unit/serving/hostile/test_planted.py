"""What a caller sends stays between him and the model: a marker planted everywhere turns up in no error and no log."""

import gzip
import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from unit.serving.hostile.doors import MARKER, Sending, exchange
from unit.serving.hostile.rest_doors import V1
from unit.serving.hostile.test_malformed import quiet
from unit.serving.process import Started

IRIS, ROWS, TABLE, TEXT = (
    "/v2/models/iris/infer", "/v1/models/iris:predict", "/v1/models/people:predict", "/v1/models/text:predict",
)  # fmt: skip


def _tensor(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1, 2, 3, 4]} | changes]}


PLANTED: Mapping[str, tuple[str, Any]] = {
    "a value": (ROWS, {"instances": [[MARKER, 2, 3, 4]]}),
    "a value in a tensor": (IRIS, _tensor(data=[MARKER, 2, 3, 4])),
    "a datatype": (IRIS, _tensor(datatype=MARKER)),
    "a shape": (IRIS, _tensor(shape=[MARKER])),
    "a content type": (IRIS, _tensor(parameters={"content_type": MARKER})),
    "an output": (IRIS, _tensor() | {"outputs": [{"name": MARKER}]}),
    "a parameter": (IRIS, _tensor(parameters={MARKER: MARKER, "content_type": "x"})),
    "a key": (ROWS, {MARKER: [[1, 2, 3, 4]]}),
    "a key of a row": (ROWS, {"instances": [{MARKER: 1, MARKER + "2": 2}, [1]]}),
    "a text where a number is wanted": (TABLE, {"instances": [{"age": MARKER, "city": MARKER}]}),
    "a number where text is wanted": (TEXT, {"instances": [MARKER, 1]}),
    "an id": (IRIS, _tensor(data=[None] * 4) | {"id": MARKER}),
    "a signature's name": (ROWS, {"signature_name": MARKER, "instances": [[1]]}),
    "no JSON": (ROWS, f'{{"instances": [["{MARKER}"'.encode()),
    "no JSON, but NaN": (ROWS, f'{{"instances": [[NaN, "{MARKER}"'.encode()),
    "no UTF-8": (ROWS, MARKER.encode() + b"\xff"),
    "compressed": (ROWS, gzip.compress(MARKER.encode())),
    "a large body": (ROWS, {"instances": [[1, 2, 3, MARKER]] * 40_000}),
    "a model's name": (f"/v2/models/{MARKER}/infer", _tensor()),
    "a version": (f"/v1/models/iris/versions/{MARKER}:predict", {"instances": [[1, 2, 3, 4]]}),
    "a path": (f"/{MARKER}?{MARKER}={MARKER}", {}),
    "a method of v1": (f"/v1/models/iris:{MARKER}", {}),
}


@pytest.mark.parametrize("place", PLANTED)
def test_planted_in_a_request(doors: Started, place: str) -> None:
    """A request with the marker in this place is refused in our own words, to the caller and to the log."""
    target, document = PLANTED[place]
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"Authorization": f"Bearer {MARKER}", "X-Api-Key": MARKER, MARKER: MARKER}
    verdict = V1.send(doors, Sending(target, body, headers))

    assert verdict.refused, verdict
    assert MARKER not in verdict.text
    quiet(doors)


def test_names_are_told_to_their_author_alone(doors: Started) -> None:
    """A column that the model does not know is named to the caller, who wrote it; the log does not learn of it."""
    body = json.dumps({"instances": [{"age": 1, "city": "Rome", MARKER: 2}]}).encode()

    assert f"unknown column '{MARKER}'" in V1.send(doors, Sending(TABLE, body)).text
    quiet(doors)


@pytest.mark.parametrize(
    "raw",
    [
        f"{MARKER} / HTTP/1.1\r\nHost: a\r\n\r\n",
        f"GET /{MARKER} HTTP/{MARKER}\r\nHost: a\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: {MARKER}/\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: a\r\n{MARKER}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: a\r\nX: {MARKER}\x00\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MARKER}\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {MARKER}\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{MARKER}\r\n",
        f"POST / HTTP/1.1\r\nHost: a\r\nExpect: {MARKER}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: a\r\nX: {MARKER * 2000}\r\n\r\n",
        f"GET /{MARKER * 2000} HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=range(11),
)
def test_planted_in_bad_http(doors: Started, raw: str) -> None:
    """Nor does HTTP that is refused before it reaches a door come back, in whole or in part."""
    (answer,) = exchange(doors, raw.encode())

    assert answer.status >= 400
    assert MARKER not in f"{answer.headers} {answer.body.decode()}"
    quiet(doors)


def test_planted_in_a_request_that_is_left(doors: Started) -> None:
    """A caller who hangs up in the middle leaves nothing behind."""
    with socket.create_connection(("127.0.0.1", doors.port)) as sock:
        sock.sendall(f"POST {ROWS}?{MARKER} HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{MARKER}".encode())
    assert doors.ask("GET", "/v2/health/live")[0] == 200
    assert MARKER.encode() not in doors.ask("GET", "/metrics")[1]
    quiet(doors)
