"""Malformed requests, kind by kind: each must be refused as the caller's fault."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from unit.serving.hostile.doors import MARKER, Sending

IRIS, ROWS, TABLE = "/v2/models/iris/infer", "/v1/models/iris:predict", "/v1/models/people:predict"
_TENSOR = {"name": "x", "shape": [2, 4], "datatype": "FP64", "data": [1, 2, 3, 4, 5, 6, 7, 8]}


def _v2(target: str = IRIS, headers: Mapping[str, str] = {}, /, **changes: Any) -> Callable[[], Sending]:
    tensor = {key: value for key, value in (_TENSOR | changes).items() if value is not ...}
    return lambda: Sending(target, json.dumps({"inputs": [tensor]}).encode(), headers)


def _whole(document: Any, target: str = IRIS) -> Callable[[], Sending]:
    return lambda: Sending(target, json.dumps(document).encode())


def _raw(body: bytes, target: str = IRIS, **headers: str) -> Callable[[], Sending]:
    return lambda: Sending(target, body, {name.replace("_", "-"): text for name, text in headers.items()})


_GOOD = json.dumps({"inputs": [_TENSOR]}).encode()
REFUSED: Mapping[str, Callable[[], Sending]] = {
    "no body": _raw(b""),
    "blank body": _raw(b" \r\n\t"),
    "truncated": _raw(_GOOD[:-3]),
    "truncated in a number": _raw(_GOOD[: _GOOD.rindex(b"8")] + b"-"),
    "truncated in an escape": _raw(b'{"inputs": "\\u00'),
    "twice": _raw(_GOOD * 2),
    "deep lists": _raw(b"[" * 60_000),
    "deep lists, closed": _raw(b'{"inputs":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    "deep objects": _raw(b'{"inputs":' * 6000 + b"1" + b"}" * 6000),
    "deep data": _raw(b'{"instances":' + b"[" * 900 + b"1" + b"]" * 900 + b"}", ROWS),
    "deep lists with NaN": _raw(b'{"instances":' + b"[" * 50_000 + b"NaN" + b"]" * 50_000 + b"}", ROWS),
    "deep and large, with NaN": _raw(b'{"instances": [NaN, ' + b"[" * 300_000 + b"]" * 300_000 + b"]}", ROWS),
    "bad UTF-8": _raw(b'{"inputs": "\xff\xfe"}'),
    "bad UTF-8, overlong": _raw(b'{"inputs": "\xc0\x80"}'),
    "bad UTF-8 in a key": _raw(b'{"\xe9inputs": 1}'),
    "a lone surrogate": _raw(b'{"instances": ["\\ud800"]}', "/v1/models/text:predict"),
    "a lone surrogate with NaN": _raw(b'{"instances": ["\\ud800"], "x": NaN}', "/v1/models/text:predict"),
    "UTF-16": _raw(_GOOD.decode().encode("utf-16")),
    "byte order mark": _raw(b"\xef\xbb\xbf" + _GOOD),
    "a list": _whole([_TENSOR]),
    "a string": _whole(MARKER),
    "a number of 8,000 digits": _raw(b'{"instances": [[' + b"1" * 8000 + b", 2, 3, 4]]}", ROWS),
    "a number of 8,000 digits with NaN": _raw(b'{"instances": [[' + b"1" * 8000 + b", NaN, 3, 4]]}", ROWS),
    "a number beyond all": _raw(b'{"instances": [[1e999, 2, 3, 4]]}', ROWS),
    "form data": _raw(b"instances=" + MARKER.encode(), ROWS, Content_Type="application/x-www-form-urlencoded"),
    "protobuf": _raw(b"\x0a\x04iris\x12\x01\x31", IRIS, Content_Type="application/x-protobuf"),
    "an unknown coding": _raw(_GOOD, IRIS, Content_Encoding=MARKER),
    "gzip that is none": _raw(_GOOD, IRIS, Content_Encoding="gzip"),
    "no inputs": _whole({"id": MARKER}),
    "inputs is no list": _whole({"inputs": {MARKER: 1}}),
    "no tensors": _whole({"inputs": []}),
    "a tensor that is none": _whole({"inputs": [MARKER]}),
    "no data": _v2(data=...),
    "no shape": _v2(shape=...),
    "name is no text": _v2(name={MARKER: 1}),
    "empty name": _v2(name=""),
    "shape against data": _v2(shape=[2, 5]),
    "shape against nesting": _v2(shape=[4, 2], data=[[1, 2, 3, 4], [5, 6, 7, 8]]),
    "negative shape": _v2(shape=[-1, 4]),
    "two negative sizes": _v2(shape=[-2, -4]),
    "huge shape": _v2(shape=[2**40, 2**40]),
    "shape beyond 64 bits": _v2(shape=[2**70, 4]),
    "shape whose product is 0 by overflow": _v2(shape=[2**32, 2**32], data=[]),
    "shape of a thousand sizes": _v2(shape=[1] * 1000, data=[1]),
    "no rows": _v2(shape=[0, 4], data=[]),
    "shape of text": _v2(shape=["2", "4"]),
    "shape of booleans": _v2(shape=[True, True], data=[1]),
    "shape of fractions": _v2(shape=[2.0, 4.0]),
    "too many columns": _v2(shape=[2, 5], data=list(range(10))),
    "ragged": _v2(data=[[1, 2, 3, 4], [5, 6, 7]]),
    "a list beside a value": _v2(data=[[1, 2, 3, 4], 5, 6, 7, 8]),
    "unknown datatype": _v2(datatype=MARKER),
    "datatype is no text": _v2(datatype=7),
    "text where numbers are wanted": _v2(data=[MARKER] * 8),
    "BYTES where numbers are wanted": _v2(datatype="BYTES", data=[MARKER] * 8),
    "booleans where numbers are wanted": _v2(data=[True] * 8),
    "null where it is not taken": _v2(data=[None] * 8),
    "objects as data": _v2(data=[{MARKER: 1}] * 8),
    "data is text": _v2(data=MARKER),
    "NaN where it is not taken": _v2(data=[float("nan")] * 8),
    "infinity where it is not taken": _v2(data=[float("inf")] * 8),
    "a fraction in an integer tensor": _v2(datatype="INT32", data=[1.5] * 8),
    "an integer beyond its datatype": _v2(datatype="INT8", data=[300] * 8),
    "an integer beyond 64 bits": _v2(datatype="INT64", data=[2**70] * 8),
    "the same tensor twice": _whole({"inputs": [_TENSOR, _TENSOR]}),
    "one tensor too many": _whole({"inputs": [_TENSOR, _TENSOR | {"name": "y"}]}),
    "unknown output": _whole({"inputs": [_TENSOR], "outputs": [{"name": MARKER}]}),
    "outputs is no list": _whole({"inputs": [_TENSOR], "outputs": {"name": MARKER}}),
    "an output that is none": _whole({"inputs": [_TENSOR], "outputs": [MARKER]}),
    "id is no text": _whole({"inputs": [_TENSOR], "id": [MARKER]}),
    "parameters is no object": _whole({"inputs": [_TENSOR], "parameters": [MARKER]}),
    "unknown content type": _v2(parameters={"content_type": MARKER}),
    "content type is no text": _v2(parameters={"content_type": {MARKER: 1}}),
    "base64 that is none": _v2(parameters={"content_type": "base64"}, datatype="BYTES", data=["*" + MARKER] * 8),
    "columns that are missing": _v2("/v2/models/people/infer", name="age", shape=[8]),
    "rows that differ": _whole(
        {"inputs": [{"name": "age", "shape": [2], "datatype": "FP64", "data": [1, 2]},
                    {"name": "city", "shape": [1], "datatype": "BYTES", "data": ["Rome"]}]}, "/v2/models/people/infer"),
    "binary data beyond the body": _v2(IRIS, {"Inference-Header-Content-Length": "120"},
                                       data=..., parameters={"binary_data_size": 10**9}),
    "binary header beyond the body": _v2(IRIS, {"Inference-Header-Content-Length": "99999"}),
    "binary header is negative": _v2(IRIS, {"Inference-Header-Content-Length": "-5"}),
    "binary header is no number": _v2(IRIS, {"Inference-Header-Content-Length": MARKER}),
    "binary data without its header": _v2(data=..., parameters={"binary_data_size": 64}),
    "binary size is negative": _v2(data=..., parameters={"binary_data_size": -64}),
    "unknown model": _v2(f"/v2/models/{MARKER}/infer"),
    "unknown version": _v2(f"/v2/models/iris/versions/{MARKER}/infer"),
    "unknown path": _v2(f"/v2/models/iris/{MARKER}"),
    "neither instances nor inputs": _whole({MARKER: 1}, ROWS),
    "both instances and inputs": _whole({"instances": [[1, 2, 3, 4]], "inputs": [[1, 2, 3, 4]]}, ROWS),
    "no instances": _whole({"instances": []}, ROWS),
    "instances is text": _whole({"instances": MARKER}, ROWS),
    "ragged rows": _whole({"instances": [[1, 2, 3, 4], [1, 2, 3]]}, ROWS),
    "objects beside lists": _whole({"instances": [{"age": 1, "city": "Rome"}, [1, "Rome"]]}, TABLE),
    "a row without a column": _whole({"instances": [{"age": 1}]}, TABLE),
    "text in a number's column": _whole({"instances": [{"age": MARKER, "city": "Rome"}]}, TABLE),
    "a list in a text": _whole({"instances": [[[MARKER]]]}, "/v1/models/text:predict"),
    "numbers as text": _whole({"instances": [1, 2]}, "/v1/models/text:predict"),
    "a million lists": _raw(b'{"instances": [' + b",".join([b"[]"] * 1_000_001) + b"]}", ROWS),
    "a million objects": _raw(b'{"instances": [' + b",".join([b"{}"] * 1_000_001) + b"]}", ROWS),
    "most lists that are parsed": _raw(b'{"instances": [' + b",".join([b"[]"] * 999_000) + b"]}", ROWS),
    "an exclamation for an id in the path": _raw(_GOOD, "/v2/models/iris/versions/%00/infer"),
}  # fmt: skip
