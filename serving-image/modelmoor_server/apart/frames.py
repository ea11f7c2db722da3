"""What travels between the server and the process that decodes large bodies (reader.py, child.py).

A request is a pickled head and the body's bytes. An answer is a pickled head, the memory of its numeric arrays as it
is, and its texts in slices: whoever reads them lets go of the interpreter between two of these steps.
"""

import math
import pickle
import socket
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np

from modelmoor_server.apart.reader import Decoded, Portable
from modelmoor_server.errors import RequestError

SLICE = 20_000  # objects that are unpickled in one go: some milliseconds
_COUNT = struct.Struct("<Q")


class Closed(Exception):
    """The other side has ended."""


def send(sock: socket.socket, portable: Portable, body: bytes) -> None:
    """Hand a body to the child."""
    _send(sock, [pickle.dumps(portable, 5), body])


def take(sock: socket.socket) -> tuple[Portable, bytes]:
    """The next body, in the child. Raises Closed."""
    head, body = _receive(sock)
    return pickle.loads(head.data), bytes(body)  # noqa: S301 - from our own parent


def answer(sock: socket.socket, outcome: Decoded | RequestError) -> None:
    """Hand an outcome to the server."""
    if isinstance(outcome, RequestError):
        _send(sock, [pickle.dumps((type(outcome), str(outcome)), 5)])
        return
    inputs: dict[str, np.ndarray] = outcome.request.inputs
    pieces: list[bytes | memoryview] = []
    arrays = []
    slices: list[bytes | memoryview]
    for name, array in inputs.items():
        if array.dtype.hasobject:
            flat = array.ravel().tolist()
            slices = [pickle.dumps(flat[start : start + SLICE], 5) for start in range(0, len(flat), SLICE)]
        else:
            slices = [np.ascontiguousarray(array).reshape(-1).view(np.uint8).data]
        pieces += slices
        arrays.append((name, None if array.dtype.hasobject else array.dtype, array.shape, len(slices)))
    rest = {"outputs": outcome.request.outputs, "id": outcome.request.id}
    head = (type(outcome.request), rest, arrays, outcome.state)
    _send(sock, [pickle.dumps(head, 5), *pieces])


def receive(sock: socket.socket) -> Decoded | RequestError:
    """The outcome, in the server. Raises Closed."""
    head, *pieces = _receive(sock)
    told = pickle.loads(head.data)  # noqa: S301 - from our own child, which runs our own code
    if len(told) == 2:
        kind, sentence = told
        return kind(sentence)  # type: ignore[no-any-return]
    kind, rest, arrays, state = told
    inputs: dict[str, np.ndarray] = {}
    for name, dtype, shape, count in arrays:
        own, pieces = pieces[:count], pieces[count:]
        inputs[name] = _objects(own, shape) if dtype is None else own[0].view(dtype).reshape(shape)
    return Decoded(kind(inputs=inputs, **rest), state)


def _objects(slices: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(int(np.prod(shape, dtype=np.int64)), dtype=object)
    for number, piece in enumerate(slices):
        values = pickle.loads(piece.data)  # noqa: S301 - see receive
        start = number * SLICE
        # A missing value is one object again: NumPy and pandas tell some of them by identity.
        array[start : start + len(values)] = [math.nan if type(v) is float and v != v else v for v in values]
    return array.reshape(shape)


def _send(sock: socket.socket, pieces: Iterable[Any]) -> None:
    views = [memoryview(piece) for piece in pieces]
    sock.sendall(b"".join(_COUNT.pack(size) for size in (len(views), *(view.nbytes for view in views))))
    for view in views:
        sock.sendall(view)


def _receive(sock: socket.socket) -> list[np.ndarray]:
    (count,) = _COUNT.unpack(_exactly(sock, _COUNT.size).data)
    sizes = _exactly(sock, _COUNT.size * count).view("<u8").tolist()
    return [_exactly(sock, size) for size in sizes]


def _exactly(sock: socket.socket, size: int) -> np.ndarray:
    """So many bytes, as an array that owns them: unlike a bytearray it is not filled with zeros first."""
    data = np.empty(size, dtype=np.uint8)
    view = data.data
    while view:
        received = sock.recv_into(view)
        if not received:
            raise Closed
        view = view[received:]
    return data
