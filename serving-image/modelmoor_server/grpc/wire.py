"""Protobuf's wire format, for what its library should not see: tensors, and bodies that were made to be expensive.

The library parses a whole message at once with the interpreter held, and a hostile one of 64 MiB becomes half a
gigabyte of elements. Here tensors are cut out as slices, and their elements are read by numpy. The format:
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from modelmoor_server.errors import InvalidRequest

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
HEAD_BYTES = 1 << 20  # what is left of a message without its tensors
CUTS = 1 << 15  # fields that are looked at one by one, on the event loop
_WIDTH = {FIXED64: 8, FIXED32: 4}
_CHUNK = 1 << 20  # bytes decoded at a time: a bound for the memory that decoding itself takes
DECODED_BYTES = 1 << 28  # a number of one byte may become an element of eight


class WireField(NamedTuple):
    """One field of a message: `value` is its payload (of a varint, its bytes); [start, end) is all of it."""

    number: int
    kind: int
    value: memoryview
    start: int
    end: int


def fields(data: memoryview) -> Iterator[WireField]:
    """The fields of a message in their order, payloads as slices. Raises InvalidRequest."""
    position, size = 0, len(data)
    while position < size:
        start = position
        tag, position = _number(data, position)
        number, kind = tag >> 3, tag & 7
        begin = position
        if kind == DELIMITED:
            length, begin = _number(data, position)
            position = begin + length
        elif kind == VARINT:
            position = _number(data, position)[1]
        elif kind in _WIDTH:
            position += _WIDTH[kind]
        else:
            raise _broken()
        if position > size or not number:
            raise _broken()
        yield WireField(number, kind, data[begin:position], start, position)


def split(message: bytes, cut: Mapping[int, int | None]) -> tuple[bytes, dict[int, list[list[memoryview]]]]:
    """A message without its tensors, and the tensors.

    cut: by number, the fields to take out: whole (None), or only one field of the message within. The result has for
    each number a list of slices an occurrence; several slices of one field are to be put together.
    Raises InvalidRequest where the message is broken, or where what remains is beyond all reason.
    """
    head: list[memoryview | bytes] = []
    found: dict[int, list[list[memoryview]]] = {number: [] for number in cut}
    view, size, count = memoryview(message), 0, 0
    for field in fields(view):
        count += 1
        if field.number not in cut or field.kind != DELIMITED:
            head.append(view[field.start : field.end])
        elif (inner := cut[field.number]) is None:
            found[field.number].append([field.value])
        else:
            rest, pieces = bytearray(), []
            for part in fields(field.value):
                count += 1
                if part.number == inner and part.kind == DELIMITED:
                    pieces.append(part.value)
                else:
                    rest += field.value[part.start : part.end]
                if count > CUTS or len(rest) > HEAD_BYTES:
                    raise _excessive()
            found[field.number].append(pieces)
            head.append(delimited(field.number, rest))
        size += len(head[-1]) if head else 0
        if count > CUTS or size > HEAD_BYTES:
            raise _excessive()
    return b"".join(head), found


def delimited(number: int, payload: bytes | bytearray | memoryview) -> bytes:
    """A field with a length: text, bytes, a message, or packed elements."""
    return b"".join((varint(number << 3 | DELIMITED), varint(len(payload)), payload))


def varint(value: int) -> bytes:
    """A whole number from 0 up."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varints(data: memoryview, dtype: np.dtype[Any], where: str) -> np.ndarray:
    """Packed varints as an array of an integer dtype or of bool. Raises InvalidRequest for numbers that do not fit.

    where: begins the sentence. Negative numbers are ten bytes each, as two's complement.
    """
    octets = np.frombuffer(data, np.uint8)
    chunks = [np.empty(0, dtype)]
    position, total = 0, 0
    while position < len(octets):
        window = octets[position : position + _CHUNK]
        ends = np.flatnonzero(window < 0x80) + 1
        if not len(ends):
            raise _broken()
        chunks.append(_fitted(_decoded(window, ends), dtype, where))
        position += int(ends[-1])
        total += len(ends) * dtype.itemsize
        if total > DECODED_BYTES:
            raise InvalidRequest(f"{where}: too many numbers to be sent one by one, send them as raw bytes.")
    return np.concatenate(chunks)


def _decoded(octets: np.ndarray, ends: np.ndarray) -> np.ndarray:
    starts = np.concatenate(([0], ends[:-1]))
    lengths = ends - starts
    longest = int(lengths.max(initial=0))
    if longest > 10:
        raise _broken()
    values = (octets[starts] & 0x7F).astype(np.uint64)
    for place in range(1, longest):
        longer = np.flatnonzero(lengths > place)
        values[longer] |= (octets[starts[longer] + place] & 0x7F).astype(np.uint64) << np.uint64(7 * place)
    return values


def _fitted(values: np.ndarray, dtype: np.dtype[Any], where: str) -> np.ndarray:
    if dtype.kind == "b":
        return np.asarray(values != 0)
    signed = values if dtype.kind == "u" else values.view(np.int64)
    info = np.iinfo(dtype)
    if len(signed) and (int(signed.min()) < info.min or int(signed.max()) > info.max):
        raise InvalidRequest(f"{where}: a number does not fit the datatype.")
    return np.asarray(signed.astype(dtype))


def _number(data: memoryview, position: int) -> tuple[int, int]:
    """A varint and where it ends."""
    value = shift = 0
    try:
        while True:
            octet = data[position]
            position += 1
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value, position
            shift += 7
            if shift > 63:
                raise _broken()
    except IndexError:
        raise _broken() from None


def _broken() -> InvalidRequest:
    return InvalidRequest("The message is not valid protobuf.")


def _excessive() -> InvalidRequest:
    return InvalidRequest(
        f"The message holds more than {CUTS} fields, or {HEAD_BYTES} bytes of names, shapes and parameters."
    )
