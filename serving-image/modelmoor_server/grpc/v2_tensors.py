"""Tensors of the Open Inference Protocol in the typed field of their datatype <-> arrays; raw: signature/raw.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.grpc.messages import message_class, parsed
from modelmoor_server.grpc.wire import DELIMITED, FIXED32, FIXED64, VARINT, delimited, fields, varints
from modelmoor_server.signature import Datatype
from modelmoor_server.signature.raw import ELEMENTS, octets, to_bytes

TEXT_BYTES = 8 << 20  # up to here the library reads them: 4 million at the most, before they are counted
_CONTENTS = message_class("inference.InferTensorContents")
_FIELDS = {field.number: field.name for field in _CONTENTS.DESCRIPTOR.fields}
_NUMBERS = {
    Datatype.BOOL: 1, Datatype.INT8: 2, Datatype.INT16: 2, Datatype.INT32: 2, Datatype.INT64: 3,
    Datatype.UINT8: 4, Datatype.UINT16: 4, Datatype.UINT32: 4, Datatype.UINT64: 5,
    Datatype.FP32: 6, Datatype.FP64: 7, Datatype.BYTES: 8,
}  # fmt: skip
_FIXED = {4: FIXED32, 8: FIXED64}


def from_typed(pieces: Sequence[memoryview], datatype: str, where: str) -> np.ndarray:
    """The `contents` of a tensor as a flat array. Raises InvalidRequest."""
    wire = known(datatype, where)
    if wire not in _NUMBERS:
        raise InvalidRequest(f"{where}: {wire} has no typed contents, send raw_input_contents.")
    data = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
    number = _NUMBERS[wire]
    if wire is Datatype.BYTES and len(data) <= TEXT_BYTES:
        return _texts(data, where)
    texts: list[bytes] = []
    chunks: list[np.ndarray] = []
    for field in fields(data):
        if field.number != number:
            if field.number in _FIELDS and field.value:
                raise InvalidRequest(f"{where}: {wire} goes into {_FIELDS[number]}, not {_FIELDS[field.number]}.")
            continue
        if wire is Datatype.BYTES and field.kind == DELIMITED:
            texts.append(bytes(field.value))
        else:
            chunks.append(packed_elements(field.kind, field.value, wire.numpy, where))
        bounded(len(texts) + len(chunks), where)
    if wire is Datatype.BYTES:
        return objects(texts)
    return chunks[0] if len(chunks) == 1 else np.concatenate([np.empty(0, wire.numpy), *chunks])


def _texts(data: memoryview, where: str) -> np.ndarray:
    """Text as the library reads it: much faster than one by one, and bounded while the message is."""
    contents = parsed(_CONTENTS, bytes(data))
    bounded(len(contents.bytes_contents), where)
    others = [field.name for field, _ in contents.ListFields() if field.name != _FIELDS[_NUMBERS[Datatype.BYTES]]]
    if others:
        raise InvalidRequest(f"{where}: BYTES goes into bytes_contents, not {others[0]}.")
    return objects(list(contents.bytes_contents))


def typed_of(array: np.ndarray, datatype: str) -> bytes:
    """An output as the bytes of its `contents`."""
    number = _NUMBERS[Datatype(datatype)]
    if array.dtype == object:
        return b"".join(delimited(number, text) for text in octets(array))
    if not array.size:
        return b""
    if array.dtype.kind in "fb":
        return delimited(number, to_bytes(array))
    contents: bytes = _CONTENTS(**{_FIELDS[number]: array.ravel().tolist()}).SerializeToString()
    return contents


# What both protocols' tensors have in common.


def known(datatype: str, where: str) -> Datatype:
    """The datatype of a name. Raises InvalidRequest."""
    try:
        return Datatype(datatype)
    except ValueError:
        raise InvalidRequest(f"{where}: unknown datatype; known are {', '.join(Datatype)}.") from None


def elements(data: memoryview, dtype: np.dtype[Any], where: str) -> np.ndarray:
    """Little-endian elements as a writable array of ours: the message may lie at an odd address, and is read-only."""
    wire = np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("<")
    found = np.frombuffer(data, wire)
    if dtype.kind == "b" and found.max(initial=0) > 1:
        raise InvalidRequest(f"{where}: a raw BOOL is a byte of 0 or 1.")
    copied: np.ndarray = found.astype(dtype)
    return copied


def packed_elements(kind: int, value: memoryview, dtype: np.dtype[Any], where: str) -> np.ndarray:
    """One occurrence of a repeated number: packed, or a single element. Raises InvalidRequest."""
    own = _FIXED[dtype.itemsize] if dtype.kind == "f" else VARINT
    if kind not in (own, DELIMITED) or (dtype.kind == "f" and len(value) % dtype.itemsize):
        raise InvalidRequest("The message is not valid protobuf.")
    return elements(value, dtype, where) if dtype.kind == "f" else varints(value, dtype, where)


def objects(values: list[bytes]) -> np.ndarray:
    """Text as an object array."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def bounded(count: int, where: str) -> None:
    """Refuse more elements than are worth their memory."""
    if count > ELEMENTS:
        raise InvalidRequest(f"{where}: more than {ELEMENTS} elements that are sent one by one.")
