"""Malformed calls, kind by kind, and the status that each must end with."""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

from modelmoor_server.grpc.wire import delimited
from unit.serving.hostile.doors import MARKER, Sending
from unit.serving.hostile.grpc_doors import HEALTH, INFERENCE, MODEL, PREDICTION, REFLECTION, written

INVALID, NOT_FOUND, EXHAUSTED = "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"
UNIMPLEMENTED, DENIED = "UNIMPLEMENTED", "PERMISSION_DENIED"
Case = tuple[str, Callable[[], Sending]]
_FLAT = [1.0, 2.0, 3.0, 4.0]
_X = {"1": "x", "2": "FP64", "3": [1, 4], "5": {"7": _FLAT}}
_RAW = {"1": "x", "2": "FP64", "3": [1, 4]}
_PROTO = {"1": 2, "2": {"2": [{"1": 1}, {"1": 4}]}, "6": _FLAT}
_IRIS: Mapping[str, Any] = {"1": "iris"}
BAD_UTF8 = {"hex": "fffe"}
SURROGATE = "\ud800" + MARKER  # three bytes that UTF-8 does not have


def _case(code: str, body: bytes, method: str = "ModelInfer", service: str = INFERENCE, **more: Any) -> Case:
    return code, lambda: Sending(f"{service}/{method}", body, **more)


def _infer(code: str = INVALID, /, **fields: Any) -> Case:
    """fields: by number, behind an underscore. `...` takes one out."""
    document = {"1": "iris", "5": [_X]} | {name[1:]: value for name, value in fields.items()}
    return _case(code, written({key: value for key, value in document.items() if value is not ...}))


def _tensor(**fields: Any) -> Case:
    tensor = _X | {name[1:]: value for name, value in fields.items()}
    return _infer(_5=[{key: value for key, value in tensor.items() if value is not ...}])


def _raw(data: bytes, /, **fields: Any) -> Case:
    return _infer(_5=[_RAW | {name[1:]: value for name, value in fields.items()}], _7=[{"hex": data.hex()}])


def _tf(code: str = INVALID, spec: Mapping[str, Any] = _IRIS, /, **fields: Any) -> Case:
    proto = _PROTO | {name[1:]: value for name, value in fields.items()}
    proto = {key: value for key, value in proto.items() if value is not ...}
    return _case(code, written({"1": dict(spec), "2": [{"1": "x", "2": proto}]}), "Predict", PREDICTION)


def _shape(*sizes: int) -> dict[str, Any]:
    return {"2": [{"1": size} for size in sizes]}


_GOOD = written({"1": "iris", "5": [_X]})
_LONG = MARKER * 20_000
REFUSED: Mapping[str, Case] = {
    # no message of the protocol
    "no body": _case(NOT_FOUND, b""),
    "JSON": _case(INVALID, json.dumps({"model_name": "iris"}).encode()),
    "truncated": _case(INVALID, _GOOD[:-3]),
    "truncated in a length": _case(INVALID, _GOOD + b"\x2a\xff"),
    "a length beyond the message": _case(INVALID, _GOOD + b"\x0a\xff\xff\xff\xff\x7f" + MARKER.encode()),
    "a length beyond 64 bits": _case(INVALID, b"\x0a" + b"\xff" * 10 + b"\x01"),
    "a varint without an end": _case(INVALID, b"\x08" + b"\xff" * 5000),
    "field 0": _case(INVALID, b"\x02\x04" + b"iris"),
    "an unknown wire kind": _case(INVALID, b"\x0f" + _GOOD),
    "a group without an end": _case(INVALID, _GOOD + b"\xa3\x06" * 3),
    "deep groups": _case(INVALID, b"\xa3\x06" * 20_000 + b"\xa4\x06" * 20_000),
    "deep messages": _case(INVALID, _GOOD + b"\x22" * 50_000),
    "gzip without saying so": _case(INVALID, gzip.compress(_GOOD)),
    "a large one that is none": _case(INVALID, b"\xff" * 200_000),
    "a large one, truncated": _case(INVALID, (_GOOD + delimited(7, bytes(200_000)))[:-1]),
    "a large one of small fields": _case(INVALID, b"\x1a\x00" * 100_000),
    "a large one of small inputs": _case(INVALID, b"\x2a\x00" * 100_000),
    "a large one of names": _infer(_3="é" * 1_000_000),
    "a large one with bad text": _case(INVALID, written({"1": BAD_UTF8}) + delimited(7, bytes(200_000))),
    "name is no UTF-8": _infer(_1=BAD_UTF8),
    "name has a lone surrogate": _infer(_1=SURROGATE),
    "id is no UTF-8": _infer(_3=BAD_UTF8),
    "version is no UTF-8": _infer(_2=SURROGATE),
    "tensor's name is no UTF-8": _tensor(_1=BAD_UTF8),
    "tensor's name has a lone surrogate": _tensor(_1=SURROGATE),
    "datatype is no UTF-8": _tensor(_2=BAD_UTF8),
    "a parameter's name is no UTF-8": _infer(_4={"1": SURROGATE, "2": {"2": 1}}),
    "beyond the limit": _case(EXHAUSTED, _GOOD + bytes(65 << 20)),
    "beyond the limit, once unpacked": _case(EXHAUSTED, _GOOD + bytes(68 << 20), packed=True),
    # names
    "unknown model": _infer(NOT_FOUND, _1=MARKER),
    "a model's name that is long": _infer(NOT_FOUND, _1=_LONG),
    "no model's name": _infer(NOT_FOUND, _1=...),
    "unknown version": _infer(NOT_FOUND, _2=MARKER),
    "unknown method": _case(UNIMPLEMENTED, _GOOD, MARKER),
    "unknown service": _case(UNIMPLEMENTED, _GOOD, "ModelInfer", f"/{MARKER}"),
    "a method that is long": _case(UNIMPLEMENTED, _GOOD, MARKER * 500),
    "unknown output": _infer(_6=[{"1": MARKER}]),
    "output without a name": _infer(_6=[{}]),
    "unknown datatype": _tensor(_2=MARKER),
    "no datatype": _tensor(_2=...),
    "a datatype without typed contents": _tensor(_2="FP16"),
    "BF16": _tensor(_2="BF16"),
    "no input": _infer(_5=...),
    "the same input twice": _infer(_5=[_X, _X]),
    "an input too many": _infer(_5=[_X, _X | {"1": "y"}]),
    "ten thousand inputs": _infer(_5=[_X | {"1": f"{i}"} for i in range(10_000)]),
    "columns that are missing": _infer(_1="people", _5=[_X | {"1": "age", "3": [4]}]),
    "content type": _infer(_4={"1": "content_type", "2": {"3": MARKER}}),
    "shared memory": _tensor(_4={"1": "shared_memory_region", "2": {"3": MARKER}}),
    # shapes and contents
    "no shape": _tensor(_3=...),
    "negative shape": _tensor(_3=[-1, 4]),
    "two negative sizes": _tensor(_3=[-2, -2]),
    "huge shape": _tensor(_3=[2**40, 2**20]),
    "a product beyond 64 bits": _tensor(_3=[2**32, 2**32]),
    "a huge size beside none": _tensor(_3=[2**63 - 1, 0]),
    "a thousand sizes": _tensor(_3=[1] * 1000),
    "shape against data": _tensor(_3=[2, 4]),
    "no rows": _tensor(_3=[0, 4], _5=...),
    "too many columns": _tensor(_3=[1, 2], _5={"7": [1.0, 2.0]}),
    "shape as a text": _tensor(_3="1,4"),
    "no contents": _tensor(_5=...),
    "FP32 in FP64": _tensor(_5={"6": {"hex": "0000803f" * 4}}),
    "text in FP64": _tensor(_5={"8": [MARKER] * 4}),
    "integers in FP64": _tensor(_5={"3": [1, 2, 3, 4]}),
    "two fields at once": _tensor(_5={"3": [1, 2, 3, 4], "7": _FLAT}),
    "seven bytes of FP64": _tensor(_5={"7": {"hex": "00" * 31}}),
    "text for numbers": _tensor(_2="BYTES", _5={"8": [MARKER] * 4}),
    "truth for numbers": _tensor(_2="BOOL", _5={"1": [1, 1, 0, 0]}),
    "INT8 beyond it": _tensor(_2="INT8", _5={"2": [1, 2, 3, 300]}),
    "UINT8, negative": _tensor(_2="UINT8", _5={"4": [2**64 - 1, 2, 3, 4]}),
    "INT32 beyond it": _tensor(_2="INT32", _5={"2": [2**40, 2, 3, 4]}),
    "varints of eleven bytes": _tensor(_2="INT64", _5={"3": {"hex": "ff" * 10 + "01"}}),
    "NaN where it is not taken": _tensor(_5={"7": [float("nan")] * 4}),
    "infinity where it is not taken": _tensor(_5={"7": [float("-inf")] * 4}),
    "text that is no UTF-8": _infer(
        _1="text", _5=[{"1": "x", "2": "BYTES", "3": [1], "5": {"8": [{"hex": "ff" + MARKER.encode().hex()}]}}]
    ),
    "a million texts too many": _infer(
        _1="text", _5=[{"1": "x", "2": "BYTES", "3": [1], "5": {"hex": (b"\x42\x00" * 1_000_001).hex()}}]
    ),
    # raw contents
    "raw of too few bytes": _raw(bytes(31)),
    "raw of too many bytes": _raw(bytes(33)),
    "raw of none": _raw(b""),
    "raw, negative shape": _raw(bytes(32), _3=[-1, -4]),
    "raw, huge shape": _raw(bytes(32), _3=[2**31, 2**31]),
    "raw for two inputs": _infer(_5=[_RAW, _RAW | {"1": "y"}], _7=[{"hex": "00" * 32}]),
    "raw twice for one": _infer(_5=[_RAW], _7=[{"hex": "00" * 32}] * 2),
    "raw beside typed": _infer(_7=[{"hex": "00" * 32}]),
    "raw truth of 2": _raw(b"\0\1\2\0", _2="BOOL"),
    "raw NaN": _raw(b"\0\0\0\0\0\0\xf8\x7f" * 4),
    "raw text beyond the message": _raw(b"\xff\xff\xff\xff" + MARKER.encode(), _2="BYTES", _3=[1]),
    "raw text with a rest": _raw(b"\1\0\0\0a" + MARKER.encode(), _2="BYTES", _3=[1]),
    "raw text cut off": _raw(b"\1\0\0", _2="BYTES", _3=[1]),
    "raw text, a billion": _raw(bytes(8), _2="BYTES", _3=[2**30]),
    "a large raw of too few bytes": _raw(bytes(200_000)),
    # TensorFlow Serving
    "tfs, no message": _case(INVALID, b"\xff" * 9, "Predict", PREDICTION),
    "tfs, no model": _tf(INVALID, {}),
    "tfs, unknown model": _tf(NOT_FOUND, {"1": MARKER}),
    "tfs, unknown version": _tf(NOT_FOUND, {"1": "iris", "2": {"1": 99}}),
    "tfs, negative version": _tf(NOT_FOUND, {"1": "iris", "2": {"1": -1}}),
    "tfs, unknown label": _tf(NOT_FOUND, {"1": "iris", "4": MARKER}),
    "tfs, unknown signature": _tf(INVALID, {"1": "iris", "3": MARKER}),
    "tfs, bad UTF-8": _tf(INVALID, {"1": BAD_UTF8}),
    "tfs, no input": _case(INVALID, written({"1": {"1": "iris"}}), "Predict", PREDICTION),
    "tfs, an input without a name": _case(
        INVALID, written({"1": {"1": "iris"}, "2": [{"2": _PROTO}]}), "Predict", PREDICTION
    ),
    "tfs, an input's name is no UTF-8": _case(
        INVALID, written({"1": {"1": "iris"}, "2": [{"1": BAD_UTF8, "2": _PROTO}]}), "Predict", PREDICTION
    ),
    "tfs, unknown output": _case(
        INVALID, written({"1": {"1": "iris"}, "2": [{"1": "x", "2": _PROTO}], "3": [MARKER]}), "Predict", PREDICTION
    ),
    "tfs, unknown dtype": _tf(_1=99),
    "tfs, negative dtype": _tf(_1=-1),
    "tfs, a dtype not served": _tf(_1=8),
    "tfs, no dtype": _tf(_1=...),
    "tfs, another field": _tf(_5=[1, 2, 3, 4], _6=...),
    "tfs, negative shape": _tf(_2=_shape(-1, 4)),
    "tfs, huge shape": _tf(_2=_shape(2**40, 4)),
    "tfs, a product beyond 64 bits": _tf(_2=_shape(2**32, 2**32)),
    "tfs, a thousand sizes": _tf(_2=_shape(*[1] * 1000)),
    "tfs, unknown rank": _tf(_2={"3": True}),
    "tfs, shape is no message": _tf(_2=MARKER),
    "tfs, too many values": _tf(_2=_shape(1, 2)),
    "tfs, no values": _tf(_6=...),
    "tfs, content too short": _tf(_4={"hex": "00" * 31}, _6=...),
    "tfs, text as content": _tf(_1=7, _4=MARKER, _6=...),
    "tfs, one value for 8 million rows": _tf(_2=_shape(8_000_000, 4), _6=[1.0]),
    "tfs, one value for a million texts": _tf(_1=7, _2=_shape(30_000_000), _6=..., _8=[MARKER]),
    "tfs, half a double": _tf(_6={"hex": "00" * 4}),
    "tfs, NaN": _tf(_6=[float("nan")] * 4),
    "tfs, a large one of small fields": _case(INVALID, b"\x1a\x00" * 100_000, "Predict", PREDICTION),
    "tfs, metadata of nothing": _case(INVALID, written({"1": {"1": "iris"}}), "GetModelMetadata", PREDICTION),
    "tfs, metadata of something else": _case(
        INVALID, written({"1": {"1": "iris"}, "2": [MARKER]}), "GetModelMetadata", PREDICTION
    ),
    "tfs, status of a stranger": _case(NOT_FOUND, written({"1": {"1": MARKER}}), "GetModelStatus", MODEL),
    "tfs, classify": _case(UNIMPLEMENTED, MARKER.encode(), "Classify", PREDICTION),
    "tfs, reload": _case(UNIMPLEMENTED, MARKER.encode(), "HandleReloadConfigRequest", MODEL),
    # the rest
    "metadata of a stranger": _case(NOT_FOUND, written({"1": MARKER}), "ModelMetadata"),
    "metadata that is no message": _case(INVALID, b"\xff", "ModelMetadata"),
    "ready, bad UTF-8": _case(INVALID, written({"1": BAD_UTF8}), "ModelReady"),
    "index that is no message": _case(INVALID, b"\xff", "RepositoryIndex"),
    "load": _case(DENIED, written({"2": "iris"}), "RepositoryModelLoad"),
    "load, bad UTF-8": _case(INVALID, written({"2": SURROGATE}), "RepositoryModelLoad"),
    "unload": _case(DENIED, written({"2": MARKER}), "RepositoryModelUnload"),
    "unload that is no message": _case(INVALID, b"\xff" * 70_000, "RepositoryModelUnload"),
    "health of a stranger": _case(NOT_FOUND, written({"1": MARKER}), "Check", HEALTH),
    "health, bad UTF-8": _case(INVALID, written({"1": BAD_UTF8}), "Check", HEALTH),
    "reflection, bad UTF-8": (INVALID, lambda: Sending(REFLECTION, written({"3": BAD_UTF8}))),
    "metadata beyond its limit": _case(EXHAUSTED, _GOOD, headers={"x": MARKER * 2000}),
}
