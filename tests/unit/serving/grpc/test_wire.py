"""Tensors on the wire: what we read and write is what protobuf's own library reads and writes, whatever the values."""

import contextlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.grpc import tfs_tensors, v2_tensors
from modelmoor_server.grpc.messages import message_class
from modelmoor_server.grpc.wire import fields, split
from modelmoor_server.signature import Datatype, Field, Signature, from_tensors
from modelmoor_server.signature.raw import from_bytes, to_bytes

CONTENTS = message_class("inference.InferTensorContents")
REQUEST = message_class("inference.ModelInferRequest")
CLOSED = message_class("modelmoor.wire.ModelInferRequest")
TENSOR = message_class("tensorflow.TensorProto")
TYPED = [datatype for datatype in Datatype if datatype is not Datatype.FP16]
NUMBERS = [datatype for datatype in Datatype if datatype is not Datatype.BYTES]
V2_FIELD = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
TF_FIELD = {
    "BOOL": "bool_val", "INT8": "int_val", "INT16": "int_val", "INT32": "int_val", "INT64": "int64_val",
    "UINT8": "int_val", "UINT16": "int_val", "UINT32": "uint32_val", "UINT64": "uint64_val", "FP32": "float_val",
    "FP64": "double_val", "BYTES": "string_val", "FP16": "half_val",
}  # fmt: skip


def flat(datatype: Datatype) -> st.SearchStrategy[np.ndarray]:
    """Flat arrays of a datatype, special values included."""
    if datatype is Datatype.BYTES:
        return st.lists(st.binary(max_size=20), max_size=20).map(v2_tensors.objects)
    return arrays.arrays(datatype.numpy, st.integers(0, 50))


def same(got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal in dtype and in every bit of every element."""
    assert got.dtype == wanted.dtype
    if wanted.dtype == object:
        assert got.tolist() == wanted.tolist()
    elif wanted.dtype.kind == "f":
        nan = np.isnan(wanted)
        np.testing.assert_array_equal(np.isnan(got), nan)
        np.testing.assert_array_equal(np.signbit(got[~nan]), np.signbit(wanted[~nan]))
        np.testing.assert_array_equal(got[~nan], wanted[~nan])
    else:
        np.testing.assert_array_equal(got, wanted)


@settings(deadline=None)
@given(st.data(), st.sampled_from(TYPED))
def test_typed_contents(data: st.DataObject, datatype: Datatype) -> None:
    """Written by the library and read by us, written by us and read by the library."""
    array = data.draw(flat(datatype))
    theirs = CONTENTS(**{V2_FIELD[datatype]: array.tolist()}).SerializeToString()
    cut = data.draw(st.integers(0, len(theirs))) if datatype is Datatype.BYTES else 0  # messages may come in pieces
    same(v2_tensors.from_typed([memoryview(theirs[:cut]), memoryview(theirs[cut:])], datatype, "x"), array)

    ours = CONTENTS.FromString(v2_tensors.typed_of(array, datatype))
    assert ours.SerializeToString() == theirs


@settings(deadline=None)
@given(st.data(), st.sampled_from(list(Datatype)))
def test_raw_contents(data: st.DataObject, datatype: Datatype) -> None:
    """Raw is little-endian and comes back bit for bit, writable, from any address."""
    array = data.draw(flat(datatype))
    raw = to_bytes(array)
    shifted = memoryview(b"x" + raw)[1:]
    same(from_bytes(datatype, array.shape, shifted, "x")[1], array)
    if not len(array):
        return  # a request must have rows
    signature = Signature((Field("x", datatype, (-1,), binary=True),), ())
    got = from_tensors(signature, [("x", datatype, array.shape, shifted)])["x"]

    same(got, array)
    assert got.flags.writeable
    if datatype is not Datatype.BYTES:
        assert raw == array.astype(array.dtype.newbyteorder("<")).tobytes()


@settings(deadline=None)
@given(st.data(), st.sampled_from(list(Datatype)), st.booleans())
def test_tensor_proto(data: st.DataObject, datatype: Datatype, content: bool) -> None:
    """TensorFlow's tensors in both forms; in what we write, elements are in the field of their dtype."""
    array = data.draw(flat(datatype))
    dtype = tfs_tensors.dtype_of(datatype)
    shape = {"dim": [{"size": len(array)}]}
    values = (array.view(np.uint16) if datatype is Datatype.FP16 else array).tolist()
    if content and datatype is not Datatype.BYTES:
        theirs = TENSOR(dtype=dtype, tensor_shape=shape, tensor_content=array.tobytes())
    else:
        theirs = TENSOR(dtype=dtype, tensor_shape=shape, **{TF_FIELD[datatype]: values})
    told, sizes, got = tfs_tensors.array_of(memoryview(theirs.SerializeToString()), "x")

    assert (told, sizes) == (datatype, array.shape)
    same(got, array)
    written = TENSOR.FromString(tfs_tensors.bytes_of(array, datatype))
    assert written == TENSOR(dtype=dtype, tensor_shape=shape, **{TF_FIELD[datatype]: values}) or array.dtype.kind == "f"
    same(tfs_tensors.array_of(memoryview(written.SerializeToString()), "x")[2], array)


def unpacked(number: int, array: np.ndarray) -> bytes:
    """Elements one by one, as old clients write them."""
    out = b""
    for value in array.tolist():
        one = TENSOR(int64_val=[value]).SerializeToString()[2:]  # the varint alone
        out += bytes([number << 3]) + one
    return out


@settings(deadline=None)
@given(arrays.arrays(np.int64, st.integers(1, 20)))
def test_elements_that_are_not_packed(array: np.ndarray) -> None:
    """Readers must take both forms of a repeated number, also mixed."""
    mixed = unpacked(3, array) + CONTENTS(int64_contents=array.tolist()).SerializeToString()

    same(v2_tensors.from_typed([memoryview(mixed)], "INT64", "x"), np.concatenate([array, array]))


INPUT = st.builds(
    dict,
    name=st.text(max_size=5),
    datatype=st.text(max_size=5),
    shape=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
    parameters=st.dictionaries(st.text(max_size=3), st.builds(dict, string_param=st.text(max_size=3)), max_size=2),
    contents=st.builds(
        dict, fp64_contents=st.lists(st.floats(), max_size=3), bytes_contents=st.lists(st.binary(), max_size=3)
    ),
)


@settings(deadline=None)
@given(st.lists(INPUT, max_size=4), st.lists(st.binary(max_size=200), max_size=4), st.text(), st.integers(0, 2**63 - 1))
def test_split_loses_nothing(inputs: list[dict[str, Any]], raw: list[bytes], model: str, number: int) -> None:
    """Head and cuts together are the message: whatever order, whatever lengths."""
    whole = REQUEST(model_name=model, inputs=inputs, raw_input_contents=raw, id="i")
    whole.parameters["n"].int64_param = number
    head, cuts = split(whole.SerializeToString(), {5: 5, 7: None})
    again, closed = REQUEST.FromString(head), CLOSED.FromString(whole.SerializeToString())

    # small messages are read by the library, tensors left closed: the same head, the same pieces
    assert [list(map(bytes, pieces)) for pieces in cuts[5]] == [list(tensor.contents) for tensor in closed.inputs]
    assert list(closed.raw_input_contents) == raw
    assert CLOSED.FromString(head).model_name == closed.model_name
    assert [bytes(pieces[0]) for pieces in cuts[7]] == raw
    for tensor, pieces in zip(again.inputs, cuts[5], strict=True):
        assert not tensor.HasField("contents")
        tensor.contents.MergeFromString(b"".join(pieces))
    again.raw_input_contents.extend(raw)
    assert again.SerializeToString(deterministic=True) == whole.SerializeToString(deterministic=True)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    """Whatever the bytes are: an answer, or InvalidRequest."""
    for read in (
        lambda: list(fields(memoryview(data))),
        lambda: split(data, {5: 5, 7: None}),
        lambda: v2_tensors.from_typed([memoryview(data)], "INT32", "x"),
        lambda: v2_tensors.from_typed([memoryview(data)], "FP32", "x"),
        lambda: from_bytes("BYTES", [1], memoryview(data), "x"),
        lambda: tfs_tensors.array_of(memoryview(data), "x"),
    ):
        with contextlib.suppress(InvalidRequest):
            read()


def tensor(**members: Any) -> memoryview:
    return memoryview(TENSOR(**members).SerializeToString())


def test_a_missing_tail_is_the_last_value() -> None:
    """TensorFlow's short form: one value fills the shape; more values than elements, and none at all, are refused."""
    shape = {"dim": [{"size": 2}, {"size": 3}]}
    _, sizes, got = tfs_tensors.array_of(tensor(dtype=1, tensor_shape=shape, float_val=[1.0, 7.0]), "x")

    assert sizes == (2, 3)
    assert got.tolist() == [1, 7, 7, 7, 7, 7]
    many = {"dim": [{"size": 1_000_001}]}
    assert len(tfs_tensors.array_of(tensor(dtype=1, tensor_shape=many, float_val=[1.0]), "x")[2]) == 1_000_001
    many = {"dim": [{"size": 1_000_002}]}
    with pytest.raises(InvalidRequest, match="one value stands for more than 1000000 elements"):
        tfs_tensors.array_of(tensor(dtype=1, tensor_shape=many, float_val=[1.0]), "x")
    for values in ([], [1.0] * 7):
        with pytest.raises(InvalidRequest, match="needs 6 values"):
            tfs_tensors.array_of(tensor(dtype=1, tensor_shape=shape, float_val=values), "x")


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"dtype": 8, "float_val": [1.0]}, "a dtype that is not served"),
        ({"dtype": 1, "double_val": [1.0]}, "FP32 goes into float_val, not double_val"),
        ({"dtype": 1, "tensor_shape": {"unknown_rank": True}, "float_val": [1.0]}, "must be known"),
        ({"dtype": 1, "tensor_shape": {"dim": [{"size": -1}]}, "float_val": [1.0]}, "whole numbers"),
        ({"dtype": 1, "tensor_shape": {"dim": [{"size": 1 << 40}]}, "float_val": [1.0]}, "the shape has more than"),
        ({"dtype": 1, "tensor_content": b"123"}, "needs 4 bytes, tensor_content has 3"),
        ({"dtype": 7, "tensor_content": b"123"}, "text goes into string_val"),
        ({"dtype": 6, "int_val": [128]}, "does not fit"),
    ],
)
def test_tensor_protos_that_are_refused(members: dict[str, Any], sentence: str) -> None:
    """A value that would be guessed is refused with the reason."""
    with pytest.raises(InvalidRequest, match=sentence):
        tfs_tensors.array_of(tensor(**members), "x")


def test_numbers_are_read_in_bounded_memory() -> None:
    """64 MiB of numbers of one byte would be half a gigabyte: refused while they are read."""
    size = 40 << 20
    head = bytes([3 << 3 | 2]) + _varint(size)
    with pytest.raises(InvalidRequest, match="too many numbers"):
        v2_tensors.from_typed([memoryview(head + bytes(size))], "INT64", "x")
    assert math.prod(v2_tensors.from_typed([memoryview(bytes([10]) + _varint(size) + bytes(size))], "BOOL", "x").shape)


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])
