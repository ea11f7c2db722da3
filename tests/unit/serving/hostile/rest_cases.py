"""Malformed requests to the doors beside v1 and v2: binary tensors, TensorFlow Serving, MLflow, CSV, the repository."""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

from unit.serving.hostile.doors import MARKER, Sending
from unit.serving.hostile.rest_doors import STATED

IRIS, PEOPLE, TEXT = "/v2/models/iris/infer", "/v2/models/people/infer", "/v2/models/text/infer"
ROWS, FRAMES, MATRIX = "/v1/models/iris:predict", "/invocations?model=people", "/invocations?model=iris"
INDEX, LOAD = "/v2/repository/index", "/v2/repository/models/iris/load"
_CSV = {"Content-Type": "text/csv"}
_B64 = b'{"b64": "AAAA"}'


def _binary(tail: bytes, target: str = IRIS, /, off: int = 0, size: Any = 16, **changes: Any) -> Callable[[], Sending]:
    tensor = {"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": size}} | changes
    header = json.dumps({"inputs": [tensor]}).encode()
    return lambda: Sending(target, header + tail, {STATED: str(len(header) + off)})


def _json(document: Any, target: str) -> Callable[[], Sending]:
    return lambda: Sending(target, json.dumps(document).encode())


def _raw(body: bytes, target: str, headers: Mapping[str, str] = {}) -> Callable[[], Sending]:
    return lambda: Sending(target, body, headers)


def _csv(text: str | bytes, target: str = FRAMES) -> Callable[[], Sending]:
    return lambda: Sending(target, text if isinstance(text, bytes) else text.encode(), _CSV)


def _split(**members: Any) -> Callable[[], Sending]:
    frame = {"columns": ["age", "city"], "data": [[1, "Rome"]]} | members
    return _json({"dataframe_split": {key: value for key, value in frame.items() if value is not ...}}, FRAMES)


REFUSED: Mapping[str, Callable[[], Sending]] = {
    # v2 with binary tensors
    "binary, nothing behind the JSON": _binary(b""),
    "binary, too few bytes": _binary(bytes(15)),
    "binary, too many bytes": _binary(bytes(17) + MARKER.encode()),
    "binary, sizes against the shape": _binary(bytes(8), size=8),
    "binary, size beyond 64 bits": _binary(bytes(16), size=2**70),
    "binary, size is negative": _binary(bytes(16), size=-16),
    "binary, size is a fraction": _binary(bytes(16), size=16.0),
    "binary, size is a boolean": _binary(b"\0", size=True),
    "binary, size is text": _binary(bytes(16), size=MARKER),
    "binary, the header ends within the JSON": _binary(bytes(16), off=-3),
    "binary, the header ends within the data": _binary(bytes(16), off=3),
    "binary, data as well": _binary(bytes(16), data=[1, 2, 3, 4]),
    "binary, unknown datatype": _binary(bytes(16), datatype=MARKER),
    "binary, truth of 2": _binary(b"\0\1\2\0", size=4, datatype="BOOL"),
    "binary, NaN": _binary(b"\0\0\xc0\x7f" * 4),
    "binary, negative shape": _binary(bytes(16), shape=[-1, -4]),
    "binary, huge shape": _binary(bytes(16), shape=[2**40, 2**40]),
    "binary, a product of none": _binary(b"", size=0, shape=[2**40, 0]),
    "binary, text beyond the body": _binary(b"\xff\xff\xff\xffabc", TEXT, size=7, shape=[1], datatype="BYTES"),
    "binary, text with a rest": _binary(b"\1\0\0\0abc", TEXT, size=7, shape=[1], datatype="BYTES"),
    "binary, text cut off": _binary(b"\1\0\0", TEXT, size=3, shape=[1], datatype="BYTES"),
    "binary, a billion texts": _binary(bytes(8), TEXT, size=8, shape=[2**30], datatype="BYTES"),
    "binary, text that is no UTF-8": _binary(b"\2\0\0\0\xff\xfe", TEXT, size=6, shape=[1], datatype="BYTES"),
    "binary, a lone surrogate": _binary(b"\3\0\0\0\xed\xa0\x80", TEXT, size=7, shape=[1], datatype="BYTES"),
    "binary, one tensor's bytes for two": _raw(
        (text := json.dumps({"inputs": [{"name": name, "shape": [1], "datatype": "FP64",
                                         "parameters": {"binary_data_size": 8}} for name in ("age", "city")]}).encode())
        + bytes(8), PEOPLE, {STATED: str(len(text))}),
    "binary, to v1": _raw(b'{"instances": [[1,2,3,4]]}', ROWS, {STATED: "26"}),
    "binary, the whole body, too short": _raw(bytes(31), IRIS, {STATED: "0"}),
    "binary, the whole body, for two inputs": _raw(bytes(32), PEOPLE, {STATED: "0"}),
    "binary, the whole body, of none": _raw(b"", IRIS, {STATED: "0"}),
    "binary, a length of digits that are none": _raw(bytes(32), IRIS, {STATED: "\u0663"}),
    "binary, a length of a thousand digits": _raw(bytes(32), IRIS, {STATED: "1" * 1000}),
    # TensorFlow Serving
    "b64 that is none": _raw(b'{"instances": [{"b64": "*%s"}]}' % MARKER.encode(), "/v1/models/text:predict"),
    "b64 that is no UTF-8": _raw(b'{"instances": [{"b64": "//8="}]}', "/v1/models/text:predict"),
    "b64 of a number": _raw(b'{"instances": [{"b64": 7}]}', "/v1/models/text:predict"),
    "b64 for numbers": _raw(b'{"instances": [[%b, 1, 2, 3]]}' % _B64, ROWS),
    "b64 in deep lists": _raw(b'{"instances": ' + b"[" * 900 + _B64 + b"]" * 900 + b"}", ROWS),
    "b64 in deep objects": _raw(b'{"instances": [' + b'{"a":' * 900 + _B64 + b"}" * 900 + b"]}", ROWS),
    "b64 in deep lists, in columns": _raw(b'{"inputs": ' + b"[" * 600 + _B64 + b"]" * 600 + b"}", ROWS),
    "b64 in deep lists, beyond what is read here": _raw(
        b'{"x": [' + b"0," * 90_000 + b'0], "instances": ' + b"[" * 900 + _B64 + b"]" * 900 + b"}", ROWS),
    "b64 in deep lists, MLflow": _raw(b'{"inputs": ' + b"[" * 900 + _B64 + b"]" * 900 + b"}", MATRIX),
    "unknown signature": _json({"signature_name": MARKER, "instances": [[1, 2, 3, 4]]}, ROWS),
    "signature is no text": _json({"signature_name": [MARKER], "instances": [[1, 2, 3, 4]]}, ROWS),
    "unknown label": _json({"instances": [[1, 2, 3, 4]]}, f"/v1/models/iris/labels/{MARKER}:predict"),
    "classify": _json({"examples": [{MARKER: 1}]}, "/v1/models/iris:classify"),
    "regress": _json({"examples": [{MARKER: 1}]}, "/v1/models/iris/versions/1:regress"),
    "columns of unequal length": _json({"inputs": {"age": [1, 2], "city": ["Rome"]}}, "/v1/models/people:predict"),
    "a column is missing": _json({"inputs": {"age": [1, 2]}}, "/v1/models/people:predict"),
    "a column is an object": _json({"inputs": {"age": {MARKER: 1}, "city": ["a"]}}, "/v1/models/people:predict"),
    # MLflow
    "no form": _json({"data": [[1, 2, 3, 4]]}, MATRIX),
    "two forms": _json({"instances": [[1, 2, 3, 4]], "inputs": [[1, 2, 3, 4]]}, MATRIX),
    "params": _json({"instances": [[1, 2, 3, 4]], "params": {MARKER: 1}}, MATRIX),
    "split is a list": _json({"dataframe_split": [[1, "Rome"]]}, FRAMES),
    "split without data": _split(data=...),
    "split of no rows": _split(data=[]),
    "split of columns by number": _split(columns=[1, 2]),
    "split of columns that are lists": _split(columns=[[MARKER], "city"]),
    "split of one column twice": _split(columns=["age", "age"]),
    "split of no columns": _split(columns=[]),
    "split, ragged": _split(data=[[1, "Rome"], [1]]),
    "split, deep": _split(data=[[[[[1]]], "Rome"]]),
    "split of objects": _split(data=[[{MARKER: 1}, "Rome"]]),
    "split, text for a number": _split(data=[[MARKER, "Rome"]]),
    "split, a name of a hundred thousand characters": _split(columns=["age", "ä" * 100_000]),
    "records of lists": _json({"dataframe_records": [[1, "Rome"]]}, FRAMES),
    "records of nothing": _json({"dataframe_records": [{}]}, FRAMES),
    "records that differ": _json({"dataframe_records": [{"age": 1, "city": "Rome"}, {"age": 1}]}, FRAMES),
    "records is an object": _json({"dataframe_records": {"age": [1], "city": ["Rome"]}}, FRAMES),
    "unknown model": _json({"instances": [[1]]}, f"/invocations?model={MARKER}"),
    "a model that is no UTF-8": _json({"instances": [[1]]}, "/invocations?model=%ff%fe"),
    "two models": _json({"instances": [[1]]}, "/invocations?model=iris&model=sum"),
    "a thousand parameters": _json({"instances": [[1]]}, "/invocations?" + "a=1&" * 1000),
    "another charset": _raw(b'{"instances": []}', MATRIX, {"Content-Type": "application/json; charset=utf-16"}),
    "another content type": _raw(MARKER.encode(), MATRIX, {"Content-Type": "text/plain"}),
    # CSV
    "CSV, empty": _csv(""),
    "CSV, blank": _csv("\n\n\n"),
    "CSV without rows": _csv("age,city\n"),
    "CSV without a name": _csv("age,\n1,Rome\n"),
    "CSV with a name twice": _csv("age,age\n1,2\n"),
    "CSV, unknown column": _csv("age,town\n1,Rome\n"),
    "CSV, ragged": _csv(f"age,city\n1,Rome,{MARKER}\n"),
    "CSV, a quote without an end": _csv(f'age,city\n1,"{MARKER}\n'),
    "CSV, a quote in the middle": _csv(f'age,city\n1,"Ro"{MARKER}\n'),
    "CSV, text for a number": _csv(f"age,city\n{MARKER},Rome\n"),
    "CSV, a number beyond all": _csv("a,b,c,d\n1e999,1,1,1\n", MATRIX),
    "CSV, a number of 8,000 digits": _csv("a,b,c,d\n" + "1" * 8000 + ",1,1,1\n", MATRIX),
    "CSV, NaN": _csv("a,b,c,d\nNaN,1,1,1\n", MATRIX),
    "CSV, an underscore in a number": _csv("a,b,c,d\n1_0,1,1,1\n", MATRIX),
    "CSV, digits of another script": _csv("a,b,c,d\n١,1,1,1\n", MATRIX),
    "CSV, a column too many": _csv("a,b,c,d,e\n1,1,1,1,1\n", MATRIX),
    "CSV, no UTF-8": _csv(b"age,city\n1,\xff\xfe\n"),
    "CSV, UTF-16": _csv("age,city\n1,Rome\n".encode("utf-16")),
    "CSV, a lone surrogate": _csv(b"age,city\n1,\xed\xa0\x80\n"),
    "CSV that is JSON": _csv('{"instances": [[1, 2, 3, 4]]}', MATRIX),
    "CSV of a million lines": _csv("a\n" * 1_000_002, MATRIX),
    "CSV of three million cells in a line": _csv("a,b\n" + "1," * 3_000_000),
    "CSV of a million columns": _csv(",".join(map(str, range(1_000_000)))),
    "CSV, packed": lambda: Sending(FRAMES, gzip.compress(MARKER.encode() * 100), _CSV | {"Content-Encoding": "gzip"}),
    "CSV, a bomb": lambda: Sending(FRAMES, gzip.compress(bytes(64 << 20), 1), _CSV | {"Content-Encoding": "gzip"}),
    # the repository
    "index of a list": _raw(b"[]", INDEX),
    "index of a number": _json({"ready": 1}, INDEX),
    "index, deep": _raw(b'{"ready":' * 5000, INDEX),
    "index of 50 MB": _raw(b"[1,2,3]," * 6_000_000, INDEX),
    "load of a list": _raw(b"[]", LOAD),
    "load, parameters of a list": _json({"parameters": [MARKER]}, LOAD),
    "load, no JSON": _raw(MARKER.encode(), LOAD),
    "load, bad UTF-8": _raw(b'{"parameters": {"\xff": 1}}', LOAD),
    "load, not allowed": _json({"parameters": {MARKER: MARKER}}, LOAD),
    "load of a stranger": _json({}, f"/v2/repository/models/{MARKER}/load"),
    "load of a path": _json({}, "/v2/repository/models/..%2f..%2fetc/load"),
    "unload, deep": _raw(b"[" * 60_000, "/v2/repository/models/iris/unload"),
}  # fmt: skip
