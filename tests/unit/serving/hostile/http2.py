"""HTTP/2 by hand (RFC 9113, RFC 7541): what no client's library would send.

Header fields go as literals, and are read by libnghttp2's decoder.
"""

import contextlib
import ctypes
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
CANCEL = struct.pack(">I", 8)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Frame(NamedTuple):
    """One frame that came back."""

    kind: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """A frame as bytes."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def field(name: bytes, text: bytes) -> bytes:
    """A header field of at most 127 bytes each."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(text),)) + text


def head(path: bytes, *more: bytes, method: bytes = b"POST", kind: bytes = b"application/grpc") -> bytes:
    """The header fields of a call."""
    pairs = ((b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"a"),
             (b"te", b"trailers"), (b"content-type", kind))  # fmt: skip
    return b"".join((*(field(*pair) for pair in pairs), *more))


def call(path: bytes, message: bytes = b"\0\0\0\0\0", *more: bytes, stream: int = 1) -> bytes:
    """A whole call: header fields, and one message in its envelope of five bytes."""
    return frame(HEADERS, END_HEADERS, stream, head(path, *more)) + frame(DATA, END_STREAM, stream, message)


@contextlib.contextmanager
def connected(port: int, host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A connection on which preface and settings have been sent."""
    with socket.create_connection((host, port), timeout=20) as sock:
        sock.sendall(PREFACE + frame(SETTINGS))
        yield sock


def received(sock: socket.socket, *kinds: int) -> list[Frame]:
    """Frames until one of these kinds has come, or the connection has ended. Fails after the socket's timeout."""
    data, found = b"", list[Frame]()
    with contextlib.suppress(ConnectionError):
        while not any(each.kind in kinds for each in found) and (piece := sock.recv(65536)):
            data += piece
            while len(data) >= 9 and len(data) >= (end := 9 + int.from_bytes(data[:3], "big")):
                found.append(Frame(data[3], int.from_bytes(data[5:9], "big"), data[9:end]))
                data = data[end:]
    return found


class _Field(ctypes.Structure):
    """nghttp2_nv."""

    _fields_ = (
        ("name", ctypes.c_void_p), ("value", ctypes.c_void_p), ("name_size", ctypes.c_size_t),
        ("value_size", ctypes.c_size_t), ("flags", ctypes.c_uint8),
    )  # fmt: skip


def fields(frames: list[Frame]) -> list[tuple[int, bytes, bytes]]:
    """Stream, name and value of every header field of a connection, of which no frame may be left out."""
    library = ctypes.CDLL("libnghttp2.so.14")
    library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
    inflater, flags, found = ctypes.c_void_p(), ctypes.c_int(), list[tuple[int, bytes, bytes]]()
    assert library.nghttp2_hd_inflate_new(ctypes.byref(inflater)) == 0
    for each in frames:
        rest = each.payload if each.kind == HEADERS else b""
        while rest:
            one = _Field()
            into = ctypes.byref(one), ctypes.byref(flags)
            used = library.nghttp2_hd_inflate_hd2(inflater, *into, rest, ctypes.c_size_t(len(rest)), 1)
            assert used >= 0
            rest = rest[used:]
            if flags.value & 2:
                pair = ctypes.string_at(one.name, one.name_size), ctypes.string_at(one.value, one.value_size)
                found.append((each.stream, *pair))
        library.nghttp2_hd_inflate_end_headers(inflater)
    library.nghttp2_hd_inflate_del(inflater)
    return found


def status(frames: list[Frame]) -> int | None:
    """The `grpc-status` of the first call that has one."""
    return next((int(value) for _, name, value in fields(frames) if name == b"grpc-status"), None)
