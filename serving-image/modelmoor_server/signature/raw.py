"""Tensors as bytes: little-endian, row-major, no padding; the form of binary tensors and of gRPC's raw contents.

BOOL is one byte, 0 or 1. A BYTES element is its length (4 bytes, unsigned) and then its bytes. BF16, which no array
here can hold, is widened to FP32 without loss. Sizes are compared with the shape before anything is allocated.
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.signature.types import Datatype, Field
from modelmoor_server.signature.values import check_shape, shown, wire_datatype

BF16 = "BF16"
ELEMENTS = 1_000_000  # of BYTES in one tensor: each costs 4 bytes on the wire and about 60 in memory
_LENGTH = struct.Struct("<I")


def from_bytes(datatype: str, shape: Sequence[int], data: memoryview, name: str) -> tuple[str, np.ndarray]:
    """A tensor's bytes as (datatype, array of `shape`); BYTES as an object array of `bytes`.

    The array may be a read-only view of `data`. Raises InvalidRequest.
    """
    sizes = check_shape(shape, name)
    count = math.prod(sizes)
    if datatype == BF16:
        halves = _numbers(data, np.dtype("<u2"), count, datatype, sizes, name)
        return Datatype.FP32, (halves.astype(np.uint32) << 16).view(np.float32).reshape(sizes)
    wire = wire_datatype(datatype, name)
    if wire is Datatype.BYTES:
        return wire, _elements(data, count, name).reshape(sizes)
    if wire is Datatype.BOOL:
        octets = _numbers(data, np.dtype(np.uint8), count, datatype, sizes, name)
        if octets.size and octets.max() > 1:
            raise InvalidRequest(f"input {shown(name)}: a BOOL in binary form is a byte of 0 or 1")
        return wire, octets.view(np.bool_).reshape(sizes)
    array = _numbers(data, wire.numpy.newbyteorder("<"), count, datatype, sizes, name)
    return wire, array.astype(wire.numpy, copy=False).reshape(sizes)


def whole_body(field: Field, data: memoryview) -> tuple[str, str, tuple[int, ...], Any]:
    """A body that is nothing but the bytes of the one input: its tensor, with the one unknown size reckoned.

    BYTES is one element, without its length. Raises InvalidRequest where the field leaves more than that open.
    """
    shape, datatype = field.shape, field.datatype
    if datatype is None or shape is None:
        raise InvalidRequest("A raw body needs an input of known datatype and shape: send the tensor's header as JSON.")
    if datatype is Datatype.BYTES:
        if len(data) and math.prod(abs(size) for size in shape) == 1:
            element = np.empty(1, dtype=object)
            element[0] = bytes(data)
            return field.name, datatype, tuple(abs(size) for size in shape), element
        raise InvalidRequest("A raw body can be one text or picture alone: send the tensor's header as JSON.")
    open_sizes = sum(size == -1 for size in shape)
    if open_sizes > 1:
        raise InvalidRequest("A raw body can leave one size open: send the tensor's header as JSON.")
    row = math.prod(size for size in shape if size != -1) * datatype.numpy.itemsize
    if not row or not data or len(data) % row or (not open_sizes and len(data) != row):
        wanted = f"a multiple of {row}" if open_sizes else f"{row}"
        raise InvalidRequest(f"The raw body has {len(data)} bytes: {datatype} of shape {list(shape)} has {wanted}.")
    return field.name, datatype, tuple(len(data) // row if size == -1 else size for size in shape), data


def to_bytes(array: np.ndarray) -> bytes:
    """An array's bytes; text as UTF-8. The inverse of `from_bytes`, for every dtype that the protocol has."""
    if array.dtype != object:
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return b"".join(part for element in octets(array) for part in (_LENGTH.pack(len(element)), element))


def octets(array: np.ndarray) -> Iterator[bytes]:
    """The elements of a text output as bytes."""
    return (value if type(value) is bytes else str(value).encode() for value in array.ravel().tolist())


def _numbers(
    data: memoryview, dtype: np.dtype[Any], count: int, datatype: str, shape: tuple[int, ...], name: str
) -> np.ndarray:
    if len(data) != count * dtype.itemsize:
        raise InvalidRequest(
            f"input {shown(name)}: {datatype} of shape {list(shape)} is {count * dtype.itemsize} bytes, "
            f"the binary data has {len(data)}"
        )
    return np.frombuffer(data, dtype)


def _elements(data: memoryview, count: int, name: str) -> np.ndarray:
    """The elements of BYTES. Each is at least its length, so the shape is judged before the first one is cut out."""
    if count > ELEMENTS:
        raise InvalidRequest(f"input {shown(name)}: more than {ELEMENTS} elements of BYTES; send fewer rows a request")
    if len(data) < count * _LENGTH.size:
        raise InvalidRequest(f"input {shown(name)}: the binary data ends before element {len(data) // _LENGTH.size}")
    array = np.empty(count, dtype=object)
    position = 0
    for index in range(count):
        start = position + _LENGTH.size
        position = start + _LENGTH.unpack_from(data, position)[0] if start <= len(data) else start
        if position > len(data):
            raise InvalidRequest(f"input {shown(name)}: the binary data ends within element {index}")
        array[index] = bytes(data[start:position])
    if position != len(data):
        raise InvalidRequest(
            f"input {shown(name)}: {len(data) - position} bytes of binary data are left after {count} elements"
        )
    return array
