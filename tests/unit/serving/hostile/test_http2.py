"""The gRPC port below gRPC: frames that no library sends end their own call or connection, and nobody else's."""

import contextlib
import socket
import threading
import time
from collections.abc import Mapping

import pytest

from unit.serving.hostile import http2
from unit.serving.hostile.doors import MARKER
from unit.serving.hostile.grpc_doors import INFERENCE, Neighbours
from unit.serving.hostile.http2 import call, connected, field, frame, head, received
from unit.serving.hostile.test_malformed import quiet, resident
from unit.serving.process import Started

BOTH_TRANSPORTS = "doors"
LIVE, INFER = f"{INFERENCE}/ServerLive".encode(), f"{INFERENCE}/ModelInfer".encode()
PLANTED = MARKER.encode()
OK, DEADLINE, EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 4, 8, 12, 13
# grpc itself refuses some before any code of ours is asked. 13 (INTERNAL) is what its own table of statuses wants for
# a body that does not unpack: https://grpc.github.io/grpc/core/md_doc_statuscodes.html
CALLS: Mapping[str, tuple[bytes, int]] = {
    "good": (call(LIVE), OK),
    "two messages": (call(LIVE, b"\0\0\0\0\0" * 2), OK),
    "a path that is no UTF-8": (call(b"/\xff\xfe" + PLANTED), UNIMPLEMENTED),
    "a path with a lone surrogate": (call(b"/\xed\xa0\x80/" + PLANTED), UNIMPLEMENTED),
    "a path with a NUL": (call(LIVE + b"\0"), UNIMPLEMENTED),
    "a path without a slash": (call(LIVE[1:]), UNIMPLEMENTED),
    "a path of nothing": (call(b"/"), UNIMPLEMENTED),
    "a path and a query": (call(LIVE + b"?" + PLANTED), UNIMPLEMENTED),
    "a field that is no UTF-8": (call(LIVE, b"\0\0\0\0\0", field(b"x", b"\xff\xfe" + PLANTED)), OK),
    "a field with line ends": (call(LIVE, b"\0\0\0\0\0", field(b"x", b"a\r\nb: " + PLANTED)), OK),
    "a message of four gigabytes": (call(LIVE, b"\0\xff\xff\xff\xff" + PLANTED), EXHAUSTED),
    "a deadline that has passed": (call(INFER, b"\0\0\0\0\0", field(b"grpc-timeout", b"0n")), DEADLINE),
    "a deadline that is none": (call(LIVE, b"\0\0\0\0\0", field(b"grpc-timeout", PLANTED)), INTERNAL),
    "packed, but not said how": (call(LIVE, b"\1\0\0\0\0"), INTERNAL),
    "gzip that is none": (call(LIVE, b"\1\0\0\0\x0b" + PLANTED, field(b"grpc-encoding", b"gzip")), INTERNAL),
    "a coding that nobody knows": (call(LIVE, b"\1\0\0\0\x0b" + PLANTED, field(b"grpc-encoding", PLANTED)), INTERNAL),
    "a name in capitals": (call(LIVE, b"\0\0\0\0\0", field(PLANTED, b"x")), INTERNAL),
}
# no HTTP/2, to libnghttp2, which ends the stream by RST_STREAM as RFC 9113, 8.1.1, has it; and as gRPC wants it, 12
# (UNIMPLEMENTED) for a coding that is not known
RESET = ("a path with a NUL", "a path without a slash", "a field with line ends", "a name in capitals")
NATIVE = {"a coding that nobody knows": UNIMPLEMENTED}
GARBAGE: Mapping[str, bytes] = {
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header table that overflows": frame(http2.HEADERS, 4, 1, b"\xff" * 6),
    "a broken Huffman code": frame(http2.HEADERS, 4, 1, b"\0\x84\xff\xff\xff\xff\0"),
    "data on no stream": frame(http2.DATA, 1, 5, PLANTED),
    "data on stream 0": frame(http2.DATA, 1, 0, PLANTED),
    "an even stream": frame(http2.HEADERS, 4, 2, head(LIVE)),
    "a stream twice": call(LIVE) * 2,
    "a window of nothing": frame(http2.WINDOW_UPDATE, 0, 0, bytes(4)),
    "a window beyond its limit": frame(http2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "settings of three bytes": frame(http2.SETTINGS, 0, 0, b"abc"),
    "settings of nonsense": frame(http2.SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff" + b"\0\5\0\0\0\1"),
    "a frame of 16 MiB": b"\xff\xff\xff\0\0\0\0\0\1" + PLANTED,
    "a frame of no kind": frame(77, 0, 0, PLANTED),
    "a ping of three bytes": frame(http2.PING, 0, 0, b"abc"),
    "a continuation of nothing": frame(http2.CONTINUATION, 4, 1, b"x"),
    "headers without an end": frame(http2.HEADERS, 0, 1, head(LIVE))
    + frame(http2.CONTINUATION, 0, 1, field(b"x", PLANTED * 10)) * 2000,
    "GET": frame(http2.HEADERS, 5, 1, head(LIVE, method=b"GET")),
    "another content type": frame(http2.HEADERS, 5, 1, head(LIVE, kind=b"text/html")),
    "no fields": frame(http2.HEADERS, 5, 1),
    "a preface twice": http2.PREFACE * 2,
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(request: pytest.FixtureRequest, doors: Started, neighbour: Neighbours, name: str) -> None:
    """Each odd call ends with its status, or by a reset of its stream, without an echo; the port goes on."""
    raw, code = CALLS[name]
    native = request.node.callspec.params["doors"] == "Native"
    with connected(doors.grpc_port) as sock:
        sock.sendall(raw)
        frames = _until_status(sock)

    if native and name in RESET and http2.status(frames) is None:
        assert [each.stream for each in frames if each.kind == http2.RST_STREAM] == [1]
    else:
        assert http2.status(frames) == (NATIVE.get(name, code) if native else code)
    # grpc's own sentence names a field by its key; no value of a field comes back
    assert name == "a name in capitals" or not any(PLANTED in each.payload for each in frames)
    neighbour.ask()
    quiet(doors)


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(doors: Started, neighbour: Neighbours, name: str) -> None:
    """Frames out of place cost their sender the connection at the most; new ones are answered."""
    with connected(doors.grpc_port) as sock:
        sock.sendall(GARBAGE[name])
        neighbour.ask()
    with connected(doors.grpc_port) as sock:
        sock.sendall(call(LIVE))
        assert http2.status(_until_status(sock)) == OK
    quiet(doors)


def test_too_many_pings(doors: Started, neighbour: Neighbours) -> None:
    """Who pings all the time is told to calm down (GOAWAY with ENHANCE_YOUR_CALM), and cut off."""
    with connected(doors.grpc_port) as sock:
        sock.sendall(b"".join(frame(http2.PING, 0, 0, number.to_bytes(8, "big")) for number in range(20)))
        (farewell,) = [each for each in received(sock, http2.GOAWAY) if each.kind == http2.GOAWAY]
        received(sock)  # ends as the connection does

    assert farewell.payload[4:] == b"\0\0\0\x0b" + b"too_many_pings"
    neighbour.ask()
    quiet(doors)


def _flood(server: Started, streams: int) -> None:
    """Open streams and cancel each at once (CVE-2023-44487), as many as the server lets us."""
    with connected(server.grpc_port) as sock:
        reader = threading.Thread(target=received, args=(sock,))
        reader.start()
        with contextlib.suppress(ConnectionError):  # to be cut off is what we deserve
            for number in range(1, 2 * streams, 2):
                opened = frame(http2.HEADERS, http2.END_HEADERS, number, head(INFER))
                sock.sendall(opened + frame(http2.RST_STREAM, 0, number, http2.CANCEL))
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        reader.join(20)
        assert not reader.is_alive()


@pytest.mark.parametrize(
    ("connections", "streams"), [(2, 2000), pytest.param(8, 20_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_streams_opened_and_cancelled(doors: Started, neighbour: Neighbours, connections: int, streams: int) -> None:
    """After a rapid-reset flood a call is answered soon, and memory is where it was."""
    _flood(doors, streams)  # leaves buffers behind
    before = resident(doors)
    floods = [threading.Thread(target=_flood, args=(doors, streams)) for _ in range(connections)]
    for each in floods:
        each.start()
    neighbour.ask()
    for each in floods:
        each.join(60)
        assert not each.is_alive()
    begun = time.perf_counter()
    neighbour.ask()

    assert time.perf_counter() - begun < 5.0
    assert resident(doors) < before + 32
    quiet(doors)


def _until_status(sock: socket.socket) -> list[http2.Frame]:
    """All frames until there is a status, or the stream is reset."""
    frames: list[http2.Frame] = []
    while http2.status(frames) is None and not any(each.kind == http2.RST_STREAM for each in frames):
        more = received(sock, http2.HEADERS, http2.RST_STREAM)
        assert any(each.kind in (http2.HEADERS, http2.RST_STREAM) for each in more), "the connection ended without one"
        frames += more
    return frames
