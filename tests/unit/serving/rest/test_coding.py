"""Compressed requests and answers, at a real server and on their own."""

import contextlib
import gzip
import json
import statistics
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmoor_server.errors import InvalidRequest, TooLarge
from modelmoor_server.rest import coding
from unit.serving.process import Started

V1, V2 = "/v1/models/iris:predict", "/v2/models/iris/infer"
ROWS = [[0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 0.5, 2.0]]
LIMIT = 8 * 1024 * 1024


def _v2(rows: Any) -> dict[str, Any]:
    data = np.ravel(rows).tolist()
    tensor = {"name": "x", "shape": list(np.shape(rows)), "datatype": "FP64", "data": data}
    return {"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}


def _unpacked(headers: Any, body: bytes) -> Any:
    name = headers["content-encoding"]
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[name]
    return json.loads(unpack(body))


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "deflate", "identity", "identity, GZIP"])
@pytest.mark.parametrize(("path", "body"), [(V1, {"instances": ROWS}), (V2, _v2(ROWS))])
def test_packed_requests(doors: Started, name: str, path: str, body: dict[str, Any]) -> None:
    """A packed request is answered as the same one unpacked."""
    raw = json.dumps(body).encode()
    pack = {"deflate": zlib.compress, "identity": bytes}.get(name, gzip.compress)

    assert doors.ask("POST", path, pack(raw), {"Content-Encoding": name}) == doors.ask("POST", path, raw)


def test_large_both_ways(doors: Started, models: Path) -> None:
    """What is too large for the event loop is unpacked and packed elsewhere, and equal to the in-process answer."""
    rows = np.random.default_rng(1).normal(size=(20_000, 4)).round(3)
    body = gzip.compress(json.dumps(_v2(rows)).encode())
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    status, head, packed = doors.exchange("POST", V2, body, headers)
    answer = _unpacked(head, packed)

    assert (status, head["content-encoding"], head["vary"]) == (200, "gzip", "Accept-Encoding")
    expected = joblib.load(models / "iris.joblib").predict_proba(rows)
    np.testing.assert_allclose(np.reshape(answer["outputs"][0]["data"], expected.shape), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("accepted", "used"),
    [
        ("gzip", "gzip"),
        ("deflate, gzip;q=0.5", "deflate"),
        ("gzip;q=0", None),
        ("*", "gzip"),
        ("br, zstd", None),
        ("identity", None),
        ("", None),
    ],
)
def test_packed_answers(doors: Started, accepted: str, used: str | None) -> None:
    """An answer is packed only as the caller asked, and says that it depended on that."""
    body = json.dumps(_v2(np.ones((100, 4)))).encode()
    plain = doors.ask("POST", V2, body)[1]
    _, headers, packed = doors.exchange("POST", V2, body, {"Accept-Encoding": accepted})

    assert headers["content-encoding"] == used
    assert headers["vary"] == "Accept-Encoding"
    assert int(headers["content-length"]) == len(packed)
    assert _unpacked(headers, packed) == plain


def test_small_answers_and_errors_stay_as_they_are(doors: Started) -> None:
    """Packing what is small would cost more than it saves; an error is never packed."""
    for body in ({"instances": ROWS}, {"instances": ["x" * 10_000]}):
        raw = json.dumps(body).encode()
        _, headers, answer = doors.exchange("POST", V1, raw, {"Accept-Encoding": "gzip"})

        assert headers["content-encoding"] is None
        assert headers["vary"] == "Accept-Encoding"
        assert json.loads(answer)


def test_answers_made_on_the_spot(doors: Started) -> None:
    """Metrics and descriptions are packed, too, and say in any case that they may be."""
    for path in ("/metrics", "/docs", "/v1/models/iris/metadata"):
        status, headers, packed = doors.exchange("GET", path, None, {"Accept-Encoding": "gzip"})
        _, plain_headers, plain = doors.exchange("GET", path)
        large = len(plain) >= coding.WORTH

        assert (status, headers["content-encoding"]) == (200, "gzip" if large else None)
        assert headers["vary"] == plain_headers["vary"] == ("Accept-Encoding" if large else None)
        assert plain_headers["content-encoding"] is None
        if large and path != "/metrics":  # metrics count themselves
            assert gzip.decompress(packed) == plain


@pytest.mark.parametrize(
    ("packed", "status", "words"),
    [
        (gzip.compress(b"{}")[:-1], 400, "cut off"),
        (gzip.compress(b"{}") + b"rest", 400, "cut off"),
        (gzip.compress(b"{}")[:-8] + b"\0" * 8, 400, "cut off"),
        (b"{}", 400, "cut off"),
        (b"", 400, "cut off"),
        (gzip.compress(b"") * 17, 400, "cut off"),
        (gzip.compress(b"{") + gzip.compress(b"}"), 400, "The body must have either"),
        (gzip.compress(b"not json"), 400, "not valid JSON"),
        (gzip.compress(b" " * (LIMIT + 1)), 413, "larger than 8388608 bytes once unpacked"),
        (gzip.compress(gzip.compress(b" " * LIMIT)), 400, "not valid JSON"),
    ],
    ids=["cut", "rest", "checksum", "plain", "empty", "members", "two", "json", "bomb", "twice"],
)
def test_broken_bodies(doors: Started, packed: bytes, status: int, words: str) -> None:
    """A body that is not what it says is a 400; one that becomes too large is a 413."""
    found, answer = doors.ask("POST", V1, packed, {"Content-Encoding": "gzip"})

    assert found == status
    assert words in answer["error"]
    assert doors.ask("POST", V1, {"instances": ROWS})[0] == 200


@pytest.mark.parametrize("name", ["br", "gzip, gzip", "gzip, br", "zstd", "chunked"])
def test_unknown_codings(doors: Started, name: str) -> None:
    """What cannot be read is a 415 that says what can."""
    status, headers, answer = doors.exchange("POST", V1, b"x", {"Content-Encoding": name})

    assert (status, headers["accept-encoding"]) == (415, "gzip, deflate")
    assert "Content-Encoding" in json.loads(answer)["error"]


@pytest.mark.slow
def test_bombs_are_bounded(doors: Started) -> None:
    """Bodies that promise a gigabyte cost neither memory nor the neighbours' time: health answers meanwhile."""
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(1024)) + bomb.flush()
    assert len(packed) < 2 * 1024 * 1024
    before = _resident(doors)
    statuses, waits = [], []

    def throw() -> None:
        statuses.extend(doors.ask("POST", V1, packed, {"Content-Encoding": "gzip"})[0] for _ in range(20))

    thrower = threading.Thread(target=throw)
    thrower.start()
    while thrower.is_alive():
        begun = time.perf_counter()
        assert doors.ask("GET", "/v2/health/live")[0] == 200
        waits.append(time.perf_counter() - begun)
    thrower.join()

    assert statuses == [413] * 20
    assert _resident(doors) - before < 64 * 1024 * 1024
    # the worst is the machine's own noise where tests run beside each other; the median is the server's doing
    assert statistics.median(waits) < 0.1
    assert max(waits) < 5


def _resident(server: Started) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


@given(st.binary(max_size=5000), st.sampled_from(["gzip", "deflate"]), st.integers(0, 6000))
def test_unpack_is_the_inverse_within_the_limit(body: bytes, name: str, limit: int) -> None:
    """Whatever was packed comes back, where it is within the limit, and is refused where it is not."""
    packed = coding.pack(body, name)
    if len(body) <= limit:
        assert coding.unpack(packed, name, limit) == body
    else:
        with pytest.raises(TooLarge):
            coding.unpack(packed, name, limit)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]))
def test_unpack_takes_anything(body: bytes, name: str) -> None:
    """No bytes make it raise anything but a refusal."""
    with contextlib.suppress(InvalidRequest, TooLarge):
        coding.unpack(body, name, 1000)


@given(st.binary(max_size=60))
def test_accept_encoding_takes_anything(header: bytes) -> None:
    """No header makes it raise."""
    assert coding.accepted(header) in (None, "gzip", "deflate")
