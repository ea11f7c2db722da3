"""TensorFlow's TensorProto <-> arrays, without TensorFlow."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.grpc.messages import message_class, parsed
from modelmoor_server.grpc.v2_tensors import bounded, elements, objects, packed_elements
from modelmoor_server.grpc.wire import DECODED_BYTES, DELIMITED, VARINT, delimited, fields
from modelmoor_server.signature import Datatype
from modelmoor_server.signature.raw import ELEMENTS, octets, to_bytes
from modelmoor_server.signature.values import check_shape

_SHAPE_BYTES = 4096
_DTYPE, _TENSOR_SHAPE, _VERSION, _CONTENT = 1, 2, 3, 4
_Tensor = message_class("tensorflow.TensorProto")
_Shape = message_class("tensorflow.TensorShapeProto")
_NAMES: Mapping[int, str] = {field.number: field.name for field in _Tensor.DESCRIPTOR.fields}
# dtype -> datatype, and the field for its elements
_DTYPES = {
    1: (Datatype.FP32, 5), 2: (Datatype.FP64, 6), 3: (Datatype.INT32, 7), 4: (Datatype.UINT8, 7),
    5: (Datatype.INT16, 7), 6: (Datatype.INT8, 7), 7: (Datatype.BYTES, 8), 9: (Datatype.INT64, 10),
    10: (Datatype.BOOL, 11), 17: (Datatype.UINT16, 7), 19: (Datatype.FP16, 13), 22: (Datatype.UINT32, 16),
    23: (Datatype.UINT64, 17),
}  # fmt: skip
_NUMBERS = {datatype: (dtype, number) for dtype, (datatype, number) in _DTYPES.items()}


def dtype_of(datatype: str | None) -> int:
    """The DataType of a datatype; DT_INVALID where a model does not tell it."""
    return _NUMBERS[Datatype(datatype)][0] if datatype is not None else 0


def shape_of(shape: tuple[int, ...] | None) -> Any:
    """A shape as TensorFlow writes it, -1 for what is variable."""
    return _Shape(unknown_rank=True) if shape is None else _Shape(dim=[{"size": size} for size in shape])


def array_of(data: memoryview, where: str) -> tuple[Datatype, tuple[int, ...], np.ndarray]:
    """Datatype, shape and elements of a TensorProto. Raises InvalidRequest.

    As TensorFlow reads it: where there are fewer values than elements, the last one stands for the rest. A tensor
    without any value is refused, though TensorFlow reads zeros: it is a client that filled another field.
    """
    dtype, shape, content = 0, _Shape(), memoryview(b"")
    values: dict[int, list[tuple[int, memoryview]]] = {}
    count = 0
    for field in fields(data):
        bounded(count := count + 1, where)
        if field.number == _DTYPE and field.kind == VARINT:
            dtype = _small(field.value)
        elif field.number == _TENSOR_SHAPE and field.kind == DELIMITED:
            if len(field.value) > _SHAPE_BYTES:
                raise InvalidRequest(f"{where}: the shape has too many dimensions.")
            shape = parsed(_Shape, bytes(field.value))
        elif field.number == _CONTENT and field.kind == DELIMITED:
            content = field.value
        elif field.number != _VERSION and len(field.value):
            values.setdefault(field.number, []).append((field.kind, field.value))
        elif field.number == 8:
            values.setdefault(8, []).append((field.kind, field.value))
    if dtype not in _DTYPES:
        raise InvalidRequest(f"{where}: a dtype that is not served.")
    datatype, number = _DTYPES[dtype]
    if shape.unknown_rank:
        raise InvalidRequest(f"{where}: the shape of a tensor must be known.")
    sizes = check_shape([dim.size for dim in shape.dim], where)
    wanted = math.prod(sizes)
    if wanted * datatype.numpy.itemsize > DECODED_BYTES:
        raise InvalidRequest(f"{where}: the shape {list(sizes)} is too large.")
    if len(content):
        return datatype, sizes, _from_content(content, datatype, wanted, where)
    strangers = [_NAMES.get(other, str(other)) for other in values if other != number]
    if strangers:
        raise InvalidRequest(f"{where}: {datatype} goes into {_NAMES[number]}, not {strangers[0]}.")
    return datatype, sizes, _filled(_from_values(values.get(number, []), datatype, where), wanted, where)


def bytes_of(array: np.ndarray, datatype: str) -> bytes:
    """An output as a TensorProto. Elements are in the field of their dtype, as TensorFlow Serving writes them."""
    dtype, number = _NUMBERS[Datatype(datatype)]
    head: bytes = _Tensor(dtype=dtype, tensor_shape=shape_of(array.shape)).SerializeToString()
    if array.dtype == object:
        return b"".join((head, *(delimited(number, text) for text in octets(array))))
    if not array.size:
        return head
    if datatype in (Datatype.FP32, Datatype.FP64, Datatype.BOOL):
        return head + delimited(number, to_bytes(array))
    values = (array.view(np.uint16) if datatype == Datatype.FP16 else array).ravel().tolist()
    tail: bytes = _Tensor(**{_NAMES[number]: values}).SerializeToString()
    return head + tail


def _from_content(content: memoryview, datatype: Datatype, wanted: int, where: str) -> np.ndarray:
    if datatype is Datatype.BYTES:
        raise InvalidRequest(f"{where}: text goes into string_val, not tensor_content.")
    if len(content) != wanted * datatype.numpy.itemsize:
        raise InvalidRequest(
            f"{where}: the shape needs {wanted * datatype.numpy.itemsize} bytes, tensor_content has {len(content)}."
        )
    return elements(content, datatype.numpy, where)


def _from_values(values: list[tuple[int, memoryview]], datatype: Datatype, where: str) -> np.ndarray:
    if datatype is Datatype.BYTES:
        return objects([bytes(value) for _, value in values])
    dtype = np.dtype(np.uint16) if datatype is Datatype.FP16 else datatype.numpy
    chunks = [packed_elements(kind, value, dtype, where) for kind, value in values]
    flat = np.concatenate([np.empty(0, dtype), *chunks])
    return flat.view(np.float16) if datatype is Datatype.FP16 else flat


def _filled(flat: np.ndarray, wanted: int, where: str) -> np.ndarray:
    if len(flat) == wanted:
        return flat
    if not len(flat) or len(flat) > wanted:
        raise InvalidRequest(f"{where}: the shape needs {wanted} values, the tensor has {len(flat)}.")
    if wanted - len(flat) > ELEMENTS:  # or a hundred bytes would become 32 million numbers, and as many predictions
        raise InvalidRequest(f"{where}: one value stands for more than {ELEMENTS} elements, send tensor_content.")
    return np.concatenate([flat, np.full(wanted - len(flat), flat[-1], flat.dtype)])


def _small(octets_: memoryview) -> int:
    return octets_[0] if len(octets_) == 1 else -1
