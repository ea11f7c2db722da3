"""The doors over HTTP: v2 with JSON and with binary tensors, v1, TensorFlow Serving, MLflow, CSV, the index."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unit.serving.hostile.doors import MARKER, Sending, Verdict, exchange, judged
from unit.serving.process import Started

STATED = "Inference-Header-Content-Length"
HEADERS = (
    {"Content-Type": "text/plain"}, {"Content-Type": "application/x-protobuf"}, {"Content-Type": MARKER},
    {"Content-Type": "application/json; charset=utf-16"}, {"Content-Type": "text/csv"}, {"Content-Encoding": "gzip"},
    {"Content-Encoding": MARKER}, {"Content-Encoding": "deflate"}, {"Content-Encoding": "deflate, gzip"},
    {"Accept": "text/html"}, {"Accept-Encoding": MARKER}, {"Accept-Encoding": "gzip;q=\xff, *;q=0"}, {STATED: "10"},
    {STATED: "-1"}, {STATED: "99999999999999999999"}, {STATED: MARKER}, {STATED: "0"}, {STATED: "\xb2"},
    {"Expect": MARKER}, {"Content-Length": "7"}, {"Content-Length": MARKER}, {"Transfer-Encoding": "chunked"},
    {"Transfer-Encoding": MARKER}, {"Authorization": f"Bearer {MARKER}"}, {"X-Request-Id": MARKER}, {"Origin": MARKER},
    {"Host": MARKER + "/"}, {MARKER: "x"}, {"Cookie": MARKER}, {"X": "\udcff\udcfe"}, {"Upgrade": MARKER},
)  # fmt: skip
TARGETS = (
    f"/{MARKER}", f"/v2/models/{MARKER}/infer", f"/v1/models/{MARKER}:predict", "/v2/models/iris/versions/{0}/infer",
    f"/v2/models/iris/versions/{MARKER}/infer", f"/v1/models/iris/versions/99:predict?{MARKER}=1", "/v2/health/live",
    "/v2/models/%ff/infer", "/v2/models//infer", "/v2/models/iris/infer/", f"/v2/models/iris/infer?x={MARKER}", "*",
    f"/v2/models/iris/{MARKER}", "/v2/models/../../etc/passwd", "/v2/models/%2e%2e%2f/infer", f"//{MARKER}",
    f"/a#{MARKER}", f"/ä{MARKER}", f"/v1/models/iris:{MARKER}", f"/v2/repository/models/{MARKER}/load",
    "/v2/repository/index", f"/v1/models/iris/labels/{MARKER}:predict", "/v1/models/iris:classify", "/invocations",
    f"/invocations?model={MARKER}", "/invocations?model=%ff", "/invocations?model=iris&model=sum",
    "/invocations?" + "a=1&" * 50, "/v2/repository/models/iris/load", "/v2/repository/models/people/unload",
)  # fmt: skip


def as_json(document: Any, *, escaped: bool = True) -> bytes:
    """JSON; without escapes lone surrogates become bytes that are no UTF-8."""
    return json.dumps(document, ensure_ascii=escaped).encode("utf-8", "surrogatepass")


def _json(document: Any, escaped: bool) -> tuple[bytes, Mapping[str, str]]:
    return as_json(document, escaped=escaped), {}


def _binary(document: Any, escaped: bool) -> tuple[bytes, Mapping[str, str]]:
    """{"json": the header, "tail": the tensors' bytes in Latin-1, "off": what the stated length is wrong by}."""
    parts = document if isinstance(document, dict) else {"json": document}
    header, tail, off = as_json(parts.get("json"), escaped=escaped), parts.get("tail"), parts.get("off", 0)
    stated = f"{len(header) + off}" if isinstance(off, int) else as_json(off).decode()
    data = tail.encode("utf-8" if escaped else "latin-1", "replace") if isinstance(tail, str) else as_json(tail)
    return header + data, {STATED: stated}


def _csv(document: Any, escaped: bool) -> tuple[bytes, Mapping[str, str]]:
    """A list of lines, each a list of cells. Without escapes nothing is quoted."""
    lines = [line if isinstance(line, list) else [line] for line in document] if isinstance(document, list) else []
    text = io.StringIO()
    if escaped:
        csv.writer(text).writerows(lines)
    else:
        text.write("\n".join(",".join(map(str, line)) for line in lines))
    return text.getvalue().encode("utf-8", "surrogatepass"), {"Content-Type": "text/csv"}


class Rest:
    """A door over HTTP. write: a document's body and headers; see `Door.encode`."""

    headers = HEADERS
    targets = TARGETS

    def __init__(
        self,
        name: str,
        good: Sequence[tuple[str, Any]],
        write: Callable[[Any, bool], tuple[bytes, Mapping[str, str]]] = _json,
    ) -> None:
        self.name = name
        self.good = good
        self._write = write

    def encode(self, document: Any, *, escaped: bool = True) -> tuple[bytes, Mapping[str, str]]:
        return self._write(document, escaped)

    def send(self, server: Started, sending: Sending) -> Verdict:
        """On a connection of its own, followed by nothing."""
        body = gzip.compress(sending.body, 1) if sending.packed else sending.body
        headers = {"Host": "a", "Content-Length": str(len(body)), "Connection": "close"}
        headers |= ({"Content-Encoding": "gzip"} if sending.packed else {}) | dict(sending.headers)
        head = f"POST {sending.target} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        return judged(exchange(server, (head + "\r\n").encode("utf-8", "surrogateescape") + body))


ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
PEOPLE = [{"age": 20, "city": "Rome"}, {"age": None, "city": "Paris"}]
_X = {"name": "x", "shape": [2, 4], "datatype": "FP64", "data": ROWS}
_AGE = {"name": "age", "shape": [2], "datatype": "INT64", "data": [20, None]}
_CITY = {"name": "city", "shape": [2, 1], "datatype": "BYTES", "data": ["Rome", None]}
_TEXT = {"name": "x", "shape": [1], "datatype": "BYTES", "data": ["day"], "parameters": {"content_type": "str"}}
_SIZED = {"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
_TEXTS = {"name": "city", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 17}}
V2 = Rest(
    "v2",
    [
        (
            "/v2/models/iris/infer",
            {
                "id": "42",
                "parameters": {"a": 1},
                "inputs": [_X],
                "outputs": [{"name": "predict"}, {"name": "predict_proba", "parameters": {"binary_data": False}}],
            },
        ),
        ("/v2/models/people/versions/1/infer", {"inputs": [_AGE, _CITY]}),
        ("/v2/models/text/infer", {"inputs": [_TEXT]}),
    ],
)
BINARY = Rest(
    "v2-binary",
    [
        (
            "/v2/models/iris/infer",
            {
                "json": {
                    "inputs": [_SIZED],
                    "outputs": [
                        {"name": "predict_proba", "parameters": {"classification": 2}},
                        {"name": "predict", "parameters": {"binary_data": True}},
                    ],
                },
                "tail": "\0\0\x20\x41" * 4,
                "off": 0,
            },
        ),
        (
            "/v2/models/people/infer",
            {
                "json": {"inputs": [_TEXTS, _AGE], "parameters": {"binary_data_output": True}},
                "tail": "\4\0\0\0Rome\5\0\0\0Paris",
                "off": 0,
            },
        ),
    ],
    _binary,
)
V1 = Rest(
    "v1",
    [
        ("/v1/models/iris:predict", {"instances": ROWS}),
        ("/v1/models/people:predict", {"instances": PEOPLE}),
        ("/v1/models/people:predict", {"inputs": {"age": [20, 30], "city": ["Rome", "Paris"]}}),
        ("/v1/models/text/versions/1:predict", {"instances": ["good", "night"]}),
    ],
)
TFS = Rest(
    "tfs",
    [
        ("/v1/models/sum:predict", {"signature_name": "serving_default", "inputs": [[1, 2, 3]]}),
        ("/v1/models/iris/labels/stable:predict", {"signature_name": "predict_proba", "instances": ROWS}),
        ("/v1/models/text:predict", {"instances": [{"b64": "Z29vZA=="}, {"b64": "bmlnaHQ"}]}),
        ("/v1/models/text:predict", {"inputs": {"input": [{"b64": "Z29vZA=="}]}}),
    ],
)
MLFLOW = Rest(
    "mlflow",
    [
        ("/invocations?model=people", {"dataframe_records": PEOPLE}),
        (
            "/invocations?model=people",
            {"dataframe_split": {"columns": ["age", "city"], "index": [0], "data": [[20, "Rome"]]}, "params": {}},
        ),
        ("/invocations?model=iris", {"dataframe_split": {"data": ROWS}}),
        ("/invocations?model=iris", {"instances": ROWS}),
        ("/invocations?model=people", {"inputs": {"age": [20, 30], "city": ["Rome", "Paris"]}}),
    ],
)
CSV = Rest(
    "csv",
    [
        ("/invocations?model=people", [["age", "city"], ["20", "Rome"], ["", 'a "quoted", word']]),
        ("/invocations?model=iris", [["a", "b", "c", "d"], ["5.1", "3.5", "1e0", ".2"]]),
    ],
    _csv,
)
INDEX = Rest("index", [("/v2/repository/index", {"ready": True}), ("/v2/repository/index", {})])
REST: Sequence[Rest] = (V2, BINARY, V1, TFS, MLFLOW, CSV, INDEX)
