"""Binary tensors: byte for byte what tritonclient sends and reads, and every disagreement of sizes a 400."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from modelmoor_server.signature import Datatype, Field
from unit.serving.rest.door import EVERY, JSON_LIMIT, Echo, ask, golden

IDENTITY = {"model_name": "echo", "model_version": "0123456789ab"}
# The bytes of three elements each, written by hand: the same numbers as in tritonclient/make.py.
RAW = {
    "BOOL": b"\x01\x00\x01",
    "UINT8": b"\x00\x01\xff",
    "UINT16": b"\x00\x00\x01\x00\xff\xff",
    "UINT32": b"\x00\x00\x00\x00\x01\x00\x00\x00\xff\xff\xff\xff",
    "UINT64": b"\x00" * 8 + b"\x01" + b"\x00" * 7 + b"\xff" * 8,
    "INT8": b"\x80\x00\x7f",
    "INT16": b"\x00\x80\x00\x00\xff\x7f",
    "INT32": b"\x00\x00\x00\x80\x00\x00\x00\x00\xff\xff\xff\x7f",
    "INT64": b"\x00" * 7 + b"\x80" + b"\x00" * 8 + b"\xff" * 7 + b"\x7f",
    "FP16": b"\x00\xbe\x66\x2e\xff\x7b",
    "FP32": b"\x00\x00\xc0\xbf\xcd\xcc\xcc\x3d\xff\xff\x7f\x7f",
    "FP64": b"\x00" * 6 + b"\xf8\xbf" + b"\x9a\x99\x99\x99\x99\x99\xb9\x3f" + b"\xff" * 6 + b"\xef\x7f",
    "BYTES": b"\x00\x00\x00\x00" + b"\x07\x00\x00\x00Z\xc3\xbcrich" + b"\x06\x00\x00\x00\xe6\x97\xa5\xe6\x9c\xac",
}
FLOATS = Echo((Field("x", Datatype.FP64, (-1, 2)),))
TEXTS = Echo((Field("x", Datatype.BYTES, (-1,)),))


def request(tensors: list[dict[str, Any]], data: bytes, **more: Any) -> tuple[bytes, int]:
    header = json.dumps({"inputs": tensors, **more}).encode()
    return header + data, len(header)


def tensor(datatype: str, shape: list[int], size: Any, **more: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}, **more}


def test_every_datatype_as_tritonclient_sends_it() -> None:
    """What tritonclient sends of every datatype is read, and comes back with the same bytes in the same order."""
    body, length = golden("every-datatype-binary")
    assert length is not None
    assert body[length:] == b"".join(RAW[field.datatype or ""] for field in EVERY)
    answer = ask(Echo(), body, length)

    outputs = [
        {"name": f.name, "shape": [3], "datatype": f.datatype, "parameters": {"binary_data_size": len(RAW[f.datatype])}}
        for f in EVERY
        if f.datatype is not None
    ]
    assert answer.status == 200
    assert answer.header == {**IDENTITY, "id": "42", "outputs": outputs}
    assert answer.data == body[length:]
    assert answer.response.content_type == b"application/octet-stream"


def test_every_datatype_as_json() -> None:
    """The same numbers as JSON, the borders of each type whole; binary data alone where an output asks for it."""
    body, length = golden("every-datatype-json")
    assert length is None
    tensors = json.loads(body)["inputs"]
    fields = tuple(field for field in EVERY if field.datatype != Datatype.FP16)
    answer = ask(Echo(fields), body)

    int8, texts, uint64 = answer.header["outputs"]
    assert int8 == {"name": "int8", "shape": [3], "datatype": "INT8", "data": [-128, 0, 127]}
    assert texts == {"name": "bytes", "shape": [3], "datatype": "BYTES", "data": ["", "Zürich", "日本"]}
    assert uint64 == {"name": "uint64", "shape": [3], "datatype": "UINT64", "parameters": {"binary_data_size": 24}}
    assert answer.data == RAW["UINT64"]

    everything = ask(Echo(fields), {"inputs": tensors})
    told = {output["datatype"]: output["data"] for output in everything.header["outputs"]}
    told["FP32"] = np.array(told["FP32"], np.float32).tolist()  # written as short as a float32 can be
    assert told == {given["datatype"]: given["data"] for given in tensors}
    assert (everything.response.content_type, everything.response.headers) == (b"application/json", ())


def test_the_whole_answer_byte_for_byte() -> None:
    """JSON, then the bytes; the header counts the JSON alone."""
    body, length = request(
        [tensor("FP32", [1, 2], 8)], struct.pack("<2f", 0.5, -2), id="ü", parameters={"binary_data_output": True}
    )
    answer = ask(FLOATS, body, length)

    header = (
        '{"model_name":"echo","model_version":"0123456789ab","id":"ü","outputs":'
        '[{"name":"x","shape":[1,2],"datatype":"FP64","parameters":{"binary_data_size":16}}]}'
    ).encode()
    assert answer.response.body == header + struct.pack("<2d", 0.5, -2)
    assert answer.response.headers == ((b"Inference-Header-Content-Length", b"%d" % len(header)),)


@pytest.mark.parametrize(
    ("overall", "own", "binary"),
    [
        ({}, None, False),
        ({}, True, True),
        ({"binary_data_output": True}, None, True),
        ({"binary_data_output": True}, False, False),
        ({"binary_data_output": False}, True, True),
    ],
)
def test_who_decides_on_the_form(overall: dict[str, bool], own: bool | None, binary: bool) -> None:
    """`binary_data_output` is for all outputs, `binary_data` for one and goes first; also for a request in JSON."""
    output = {"name": "x"} | ({} if own is None else {"parameters": {"binary_data": own}})
    given = {"name": "any", "datatype": "FP64", "shape": [1, 2], "data": [1, 2]}
    answer = ask(FLOATS, {"inputs": [given], "outputs": [output], "parameters": overall})

    assert answer.status == 200
    assert (answer.data == struct.pack("<2d", 1, 2)) is binary
    assert ("data" in answer.header["outputs"][0]) is not binary


def test_sixteen_bits() -> None:
    """FP16 and BF16 come as binary data and are widened without loss; in JSON they are refused, as Triton refuses."""
    half = np.array([[0.1, 65504]], np.float16)
    answer = ask(FLOATS, *request([tensor("FP16", [1, 2], 4)], half.tobytes()))
    assert answer.header["outputs"][0]["data"] == [0.0999755859375, 65504.0]

    answer = ask(FLOATS, *request([tensor("BF16", [1, 2], 4)], b"\xcd\x3d\x80\xff"))
    assert answer.header["outputs"][0]["data"] == [0.10009765625, None]  # -inf, which JSON has no number for

    for datatype in ("FP16", "BF16"):
        answer = ask(FLOATS, {"inputs": [{"name": "x", "datatype": datatype, "shape": [1, 2], "data": [1, 2]}]})
        assert answer.header == {"error": f"input 'x': {datatype} has no JSON form; send it as binary data, or as FP32"}
        assert answer.status == 400


def test_raw_body() -> None:
    """A header length of 0: the body is the one input, its open size is reckoned, and the answer is binary."""
    answer = ask(FLOATS, struct.pack("<6d", *range(6)), 0)
    assert answer.header["outputs"][0]["shape"] == [3, 2]
    assert answer.data == struct.pack("<6d", *range(6))

    answer = ask(TEXTS, b"a whole text", 0)
    assert (answer.header["outputs"][0]["shape"], answer.data) == ([1], b"\x0c\x00\x00\x00a whole text")


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (FLOATS, b"", "The raw body has 0 bytes: FP64 of shape [-1, 2] has a multiple of 16."),
        (FLOATS, b"x" * 17, "The raw body has 17 bytes: FP64 of shape [-1, 2] has a multiple of 16."),
        (Echo((Field("x", Datatype.INT8, (3,)),)), b"x" * 6, "The raw body has 6 bytes: INT8 of shape [3] has 3."),
        (Echo((Field("x", Datatype.INT8, (-1, -1)),)), b"x", "A raw body can leave one size open"),
        (Echo((Field("x", None, (-1, 2)),)), b"x", "A raw body needs an input of known datatype and shape"),
        (Echo((Field("x", Datatype.BYTES, (-1, 2)),)), b"x", "A raw body can be one text or picture alone"),
        (Echo(), b"x", "A raw body goes to a model of one input; this one has 13."),
    ],
)
def test_raw_bodies_that_fit_no_input(model: Echo, body: bytes, words: str) -> None:
    """What cannot be reckoned is refused."""
    answer = ask(model, body, 0)

    assert answer.status == 400
    assert answer.header["error"].startswith(words)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (([tensor("FP64", [1, 2], 15)], b"x" * 15), "input 'x': FP64 of shape [1, 2] is 16 bytes, the binary data"),
        (([tensor("FP64", [1, 3], 16)], b"x" * 16), "input 'x': FP64 of shape [1, 3] is 24 bytes, the binary data"),
        (([tensor("FP64", [1, 2], 16)], b"x" * 15), "inputs[0]: binary_data_size is 16, the body holds 15 more"),
        (([tensor("FP64", [1, 2], 10**18)], b""), f"inputs[0]: binary_data_size is {10**18}, the body holds 0 more"),
        (([tensor("FP64", [1, 2], 10**30)], b""), "inputs[0]: binary_data_size must be a number of bytes."),
        (([tensor("FP64", [1, 2], 16)], b"x" * 17), "The body holds 1 bytes beyond the JSON and the binary tensors."),
        (([tensor("FP64", [1, 2], -16)], b"x" * 16), "inputs[0]: binary_data_size must be a number of bytes."),
        (([tensor("FP64", [1, 2], True)], b"x"), "inputs[0]: binary_data_size must be a number of bytes."),
        (([tensor("FP64", [1, 2], "16")], b"x" * 16), "inputs[0]: binary_data_size must be a number of bytes."),
        (([tensor("FP64", [1, 2], 16, data=[1, 2])], b"x" * 16), "inputs[0]: there is both data and binary_data_size."),
        (([tensor("FP99", [1, 2], 16)], b"x" * 16), "input 'x': unknown datatype"),
        (([tensor("FP64", [0, 2], 0)], b""), "input 'x': there are no rows"),
        (([tensor("FP64", [2**31, 2**31], 0)], b""), "input 'x': the shape has more than 2147483647 elements"),
        (([tensor("FP64", [0, 2**62], 0)], b""), "input 'x': the shape has more than 2147483647 elements"),
        (([tensor("BOOL", [1, 2], 2)], b"\x01\x02"), "input 'x': a BOOL in binary form is a byte of 0 or 1"),
        (([tensor("BYTES", [1, 2], 8)], b"\x00" * 8), "input 'x': expected FP64, got BYTES"),
    ],
)
def test_sizes_that_do_not_agree(parts: tuple[list[dict[str, Any]], bytes], words: str) -> None:
    """Sizes are compared with shape and body, and the first disagreement is told; never a 5xx."""
    answer = ask(FLOATS, *request(*parts))

    assert answer.status == 400
    assert answer.header["error"].startswith(words), answer.header


@pytest.mark.parametrize(
    ("count", "data", "words"),
    [
        (1, b"", "the binary data ends before element 0"),
        (3, b"\x00" * 11, "the binary data ends before element 2"),
        (2, b"\x07\x00\x00\x00ab" + b"\x00" * 4, "the binary data ends within element 0"),
        (1, b"\xff\xff\xff\xff", "the binary data ends within element 0"),
        (2, b"\x03\x00\x00\x00abc\x00\x00", "the binary data ends within element 1"),
        (1, b"\x01\x00\x00\x00ab", "1 bytes of binary data are left after 1 elements"),
        (1, b"\x01\x00\x00\x00\xff", "the text is not UTF-8"),
        (1_000_001, b"\x00" * 8, "more than 1000000 elements of BYTES"),
    ],
)
def test_texts_that_do_not_agree(count: int, data: bytes, words: str) -> None:
    """Lengths that leave the tensor's bytes, remains, and bytes that are no text are refused with their place."""
    answer = ask(TEXTS, *request([tensor("BYTES", [count], len(data))], data))

    assert answer.status == 400
    assert words in answer.header["error"]


@pytest.mark.parametrize("stated", ["-1", "+2", "2, 2", "1e1", "²", "x", "", "99999999999", "3"])
def test_header_lengths_that_are_none(stated: str) -> None:
    """The header must be a number within the body."""
    answer = ask(FLOATS, b"{}", stated)

    assert answer.status == 400
    assert answer.header["error"] == "Inference-Header-Content-Length must be a number of bytes within the body."


def test_the_json_keeps_its_own_limit() -> None:
    """A binary body may be large, the JSON in front of it may not."""
    padded = request([tensor("FP64", [1, 2], 16)], b"\x00" * 16, id="x" * JSON_LIMIT)
    answer = ask(FLOATS, *padded)

    assert answer.status == 413
    assert answer.header == {"error": f"The JSON before the binary data is larger than {JSON_LIMIT} bytes."}


def test_binary_data_without_the_header() -> None:
    """Who names a binary size and forgets the header is told so."""
    answer = ask(FLOATS, {"inputs": [tensor("FP64", [1, 2], 16)]})

    assert answer.status == 400
    assert answer.header["error"] == ("inputs[0]: binary_data_size needs the header Inference-Header-Content-Length.")


def test_the_model_may_write_into_its_input() -> None:
    """An input is an array of its own, aligned and writeable, not a view of the request's body at an odd address."""
    seen: list[np.ndarray] = []

    class Keeping(Echo):
        def predict(self, inputs: Any, outputs: Any) -> dict[str, np.ndarray]:
            seen.append(inputs["x"])
            inputs["x"] += 1
            return super().predict(inputs, outputs)

    for pad in range(8):
        answer = ask(
            Keeping(FLOATS.fields), *request([tensor("FP64", [1, 2], 16)], struct.pack("<2d", 1, 2), id="x" * pad)
        )
        assert answer.header["outputs"][0]["data"] == [2, 3]
    assert all(array.flags.aligned and array.flags.writeable for array in seen)
