"""Open Inference Protocol v2 at the door, with real models behind it."""

import contextlib
import http.client
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from unit.serving.process import PEOPLE, Started, by_hand, started
from unit.serving.rest.door import golden

ROWS = [[0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 0.5, 2.0]]
INFER = "/v2/models/iris/infer"


def _tensor(data: Any = None, **changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": [2, 4], "datatype": "FP64", "data": ROWS if data is None else data}
    return {key: value for key, value in (tensor | changes).items() if value is not ...}


@pytest.mark.parametrize("data", [ROWS, [0.1, 0.2, 0.3, 0.4, 1.0, -1.0, 0.5, 2.0]], ids=["nested", "flat"])
def test_infer_is_what_the_model_says(doors: Started, models: Path, data: Any) -> None:
    """Labels and scores are those of the model in process; the id comes back; outputs in the asked order."""
    model = joblib.load(models / "iris.joblib")
    outputs = [{"name": "predict_proba"}, {"name": "predict", "parameters": {"binary_data": False}}]
    body = {"id": "my-id", "inputs": [_tensor(data)], "outputs": outputs, "parameters": {"anything": 1}}
    status, answer = doors.ask("POST", INFER, body)

    assert status == 200
    assert (answer["model_name"], answer["id"]) == ("iris", "my-id")
    scores, labels = answer["outputs"]
    assert (scores["name"], scores["datatype"], scores["shape"]) == ("predict_proba", "FP64", [2, 3])
    np.testing.assert_array_equal(np.reshape(scores["data"], (2, 3)), model.predict_proba(ROWS))
    assert labels == {"name": "predict", "datatype": "BYTES", "shape": [2], "data": model.predict(ROWS).tolist()}


def test_default_output_and_no_id(doors: Started) -> None:
    """Who asks for nothing gets the prediction, and no id that nobody sent."""
    status, answer = doors.ask("POST", INFER, {"inputs": [_tensor()]})

    assert status == 200
    assert [output["name"] for output in answer["outputs"]] == ["predict"]
    assert "id" not in answer


def test_version_may_be_named(doors: Started) -> None:
    """The version is the digest's beginning; 1 means whatever is served; any other is not here."""
    _, metadata = doors.ask("GET", "/v2/models/iris")
    (version,) = metadata["versions"]
    statuses = {
        name: doors.ask("POST", f"/v2/models/iris/versions/{name}/infer", {"inputs": [_tensor()]})[0]
        for name in (version, "1", "2")
    }

    assert statuses == {version: 200, "1": 200, "2": 404}
    assert doors.ask("GET", f"/v2/models/iris/versions/{version}")[1] == metadata
    assert doors.ask("GET", "/v2/models/iris/versions/1/ready") == (200, {"name": "iris", "ready": True})
    assert metadata["parameters"]["digest"].startswith(f"sha256:{version}")


def test_columns_by_name(doors: Started, models: Path) -> None:
    """A table comes as one tensor a column, in any order, as MLServer's `pd` does it."""
    model = joblib.load(models / "people.joblib")
    columns = [
        {"name": "city", "shape": [20, 1], "datatype": "BYTES", "data": PEOPLE["city"].tolist()},
        {"name": "age", "shape": [20], "datatype": "INT64", "data": PEOPLE["age"].astype(int).tolist()},
    ]
    body = {"inputs": columns, "parameters": {"content_type": "pd"}}
    status, answer = doors.ask("POST", "/v2/models/people/infer", body)

    assert status == 200
    assert answer["outputs"][0]["data"] == model.predict(PEOPLE).tolist()


def test_text(doors: Started) -> None:
    """A text model takes BYTES, with and without a second dimension."""
    for shape in ([2], [2, 1]):
        tensor: dict[str, Any] = {"name": "t", "shape": shape, "datatype": "BYTES", "data": ["good day", "bad night"]}
        tensor["parameters"] = {"content_type": "str"}
        status, answer = doors.ask("POST", "/v2/models/text/infer", {"inputs": [tensor]})

        assert (status, answer["outputs"][0]["data"]) == (200, [1, 0])


def test_metadata(doors: Started) -> None:
    """Names, datatypes, shapes and class labels are told, and what was really warmed up."""
    status, metadata = doors.ask("GET", "/v2/models/iris")

    assert status == 200
    assert metadata["name"] == "iris"
    assert metadata["platform"] == "sklearn"
    (field,) = metadata["inputs"]
    assert (field["datatype"], field["shape"]) == ("FP64", [-1, 4])
    predict = metadata["outputs"][0]
    assert (predict["name"], predict["datatype"]) == ("predict", "BYTES")
    assert predict["parameters"]["labels"] == ["setosa", "versicolor", "virginica"]
    assert metadata["parameters"]["warm_up"] == "Done"


@pytest.mark.slow
def test_metadata_is_the_same_by_every_engine(doors: Started, models: Path) -> None:
    """To the byte, as status is; which code answers stands in a header beside it."""
    paths = ("/v2/models/iris", "/v2/models/iris/ready", "/v1/models/iris", "/v1/models/iris/metadata")
    with started(by_hand(models, "iris"), {"MODELMOOR_ENGINE": "Library"}) as other:
        other.event("Ready")
        for path in paths:
            told = {}
            for server in (doors, other):
                _, headers, body = server.exchange("GET", path)
                told[headers["Modelmoor-Engine"]] = body
            assert told.keys() == {"Native", "Library"}
            assert told["Native"] == told["Library"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The request has no body: send a JSON object."),
        (b"{", "The body is not valid JSON (line 1, column 2)."),
        (b"[]", "The body must be a JSON object."),
        (b"\xff\xfe{}", "The body is not valid JSON (line 1, column 1)."),
        (b"[" * 5000, "The body is not valid JSON (line 1, column 1026)."),
        ({}, "inputs must be a list of at least one tensor."),
        ({"inputs": []}, "inputs must be a list of at least one tensor."),
        ({"inputs": [1]}, "inputs[0] must be an object."),
        ({"inputs": [{}]}, "inputs[0]: name, shape, datatype, data missing."),
        ({"inputs": [_tensor(shape=...)]}, "inputs[0]: shape missing."),
        ({"inputs": [_tensor(name=3)]}, "inputs[0]: name must be a string."),
        ({"inputs": [_tensor(shape=[2, -4])]}, "inputs[0]: shape must be a list of whole numbers."),
        ({"inputs": [_tensor(shape=[True, 4])]}, "inputs[0]: shape must be a list of whole numbers."),
        ({"inputs": [_tensor()], "id": 7}, "id must be a string."),
        ({"inputs": [_tensor()], "parameters": []}, "parameters must be an object."),
        ({"inputs": [_tensor()], "outputs": {}}, "outputs must be a list."),
        ({"inputs": [_tensor()], "outputs": [{}]}, "outputs[0] must be an object with a name."),
        (
            {"inputs": [_tensor()], "parameters": {"content_type": "hf"}},
            "content_type must be one of np, pd, str, base64, datetime.",
        ),
        (
            {"inputs": [_tensor(parameters={"content_type": "str"})]},
            "inputs[0]: content type str needs datatype BYTES.",
        ),
        (
            {"inputs": [_tensor(data=..., parameters={"binary_data_size": 64})]},
            "inputs[0]: binary_data_size needs the header Inference-Header-Content-Length.",
        ),
    ],
)
def test_invalid_requests(doors: Started, body: Any, sentence: str) -> None:
    """What is not of the protocol is a 400 with one sentence that names the place."""
    assert doors.ask("POST", INFER, body) == (400, {"error": sentence})


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (_tensor(datatype="BYTES", data=[["a"] * 4] * 2), ["x"]),
        (_tensor(datatype="FP99"), ["x"]),
        (_tensor(shape=[2, 5]), ["x"]),
        (_tensor(shape=[99999999999, 99999999999], data=[1.0]), ["x"]),
        (_tensor([[0.1, 0.2, 0.3, 0.4], [1.0, "secret", 0.5, 2.0]]), ["x", "row 1", "number"]),
        (_tensor([[0.1, 0.2, 0.3], [1.0, 1.0, 0.5, 2.0]]), ["x"]),
        (_tensor(shape=[2, 3], data=[[1.0] * 3] * 2), ["x"]),
    ],
)
def test_what_does_not_fit_the_signature(doors: Started, tensor: dict[str, Any], words: list[str]) -> None:
    """What does not fit is a 400 that names field and row, never the value; the next request is answered."""
    status, answer = doors.ask("POST", INFER, {"inputs": [tensor]})

    assert status == 400
    assert all(word in answer["error"] for word in words), answer
    assert "secret" not in answer["error"]
    assert doors.ask("POST", INFER, {"inputs": [_tensor()]})[0] == 200


def test_nan(doors: Started) -> None:
    """NaN and Infinity are read; what to make of them is the model's business, and never a 500."""
    body = b'{"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [NaN, 1, -Infinity]}]}'
    status, answer = doors.ask("POST", "/v2/models/sum/infer", body)

    assert status == 400
    assert "JSON" not in answer["error"]


def test_large_body_is_parsed_off_the_loop_and_answered(doors: Started, models: Path) -> None:
    """Many rows in one request are answered like few."""
    rows = np.random.default_rng(1).normal(size=(20_000, 4))
    body = {"inputs": [_tensor(rows.tolist(), shape=[20_000, 4])]}
    status, answer = doors.ask("POST", INFER, body)

    assert status == 200
    assert answer["outputs"][0]["data"] == joblib.load(models / "iris.joblib").predict(rows).tolist()


def _golden(doors: Started, name: str) -> tuple[int, Any, bytes]:
    """A request of tritonclient over the wire: status, JSON and the bytes behind it."""
    body, length = golden(name)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", doors.port, timeout=60)) as connection:
        headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
        connection.request("POST", INFER, body, headers)
        response = connection.getresponse()
        data = response.read()
    size = int(response.headers.get("Inference-Header-Content-Length", len(data)))
    assert (size < len(data)) == (response.headers["Content-Type"] == "application/octet-stream")
    return response.status, json.loads(data[:size]), data[size:]


def test_tritonclient_over_the_wire(doors: Started, models: Path) -> None:
    """Its FP32 rows get the answers of the FP64 model, one output as bytes and one as JSON; its parameters pass."""
    status, header, data = _golden(doors, "iris-outputs")
    model = joblib.load(models / "iris.joblib")
    rows = np.array([[0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 0.5, 2.0]], np.float32).astype(np.float64)

    assert status == 200
    scores, labels = header["outputs"]
    assert scores == {
        "name": "predict_proba",
        "shape": [2, 3],
        "datatype": "FP64",
        "parameters": {"binary_data_size": 48},
    }
    assert data == model.predict_proba(rows).astype("<f8").tobytes()
    assert labels["data"] == model.predict(rows).tolist()


def test_best_classes_over_the_wire(doors: Started, models: Path) -> None:
    """Two classes a row with their labels, best first, each behind its length."""
    status, header, data = _golden(doors, "iris-classes")
    scores = joblib.load(models / "iris.joblib").predict_proba(np.array([[0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 0.5, 2.0]]))
    names = ["setosa", "versicolor", "virginica"]
    texts = [f"{row[i]:f}:{i}:{names[i]}".encode() for row in scores for i in np.argsort(-row)[:2]]

    assert (status, header["outputs"][0]["shape"], header["outputs"][0]["datatype"]) == (200, [2, 2], "BYTES")
    assert data == b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def test_no_rows_over_the_wire(doors: Started) -> None:
    """A tensor without rows is a 400, in binary form, too."""
    assert _golden(doors, "iris-no-rows")[:2] == (400, {"error": "input 'x': there are no rows"})


def test_a_binary_body_has_its_own_limit(doors: Started, models: Path) -> None:
    """What is too large as JSON passes as binary data, up to 64 MiB."""
    rows = np.random.default_rng(2).normal(size=(300_000, 4))
    tensor = _tensor(data=..., shape=[300_000, 4], parameters={"binary_data_size": rows.nbytes})
    header = json.dumps({"inputs": [tensor]}).encode()
    length = {"Inference-Header-Content-Length": str(len(header))}
    status, answer = doors.ask("POST", INFER, header + rows.tobytes(), length)

    assert rows.nbytes > 9_000_000
    assert status == 200
    assert answer["outputs"][0]["data"] == joblib.load(models / "iris.joblib").predict(rows).tolist()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", doors.port, timeout=60)) as connection:
        connection.putrequest("POST", INFER)
        connection.putheader("Inference-Header-Content-Length", str(len(header)))
        connection.putheader("Content-Length", str((64 << 20) + 1))
        connection.endheaders()
        assert connection.getresponse().status == 413  # from its head alone


def test_too_large(doors: Started) -> None:
    """A body beyond the limit is refused before it is read, and one of nothing but lists before it is parsed."""
    assert doors.ask("POST", INFER, b" " * (8 * 1024 * 1024 + 1))[0] == 413
    status, answer = doors.ask("POST", INFER, b'{"inputs": [' + b"[]," * 1_000_001 + b"[]]}")

    assert status == 400
    assert answer["error"].startswith("The body holds more than 1000000 lists")


@pytest.mark.parametrize(
    ("path", "headers"),
    [(INFER, {"Content-Encoding": "br"}), ("/v1/models/iris:predict", {"Inference-Header-Content-Length": "1"})],
    ids=["brotli", "binary"],
)
def test_what_is_not_supported_says_so(doors: Started, path: str, headers: dict[str, str]) -> None:
    """Encodings that this server does not read are told apart from broken JSON."""
    status, answer = doors.ask("POST", path, b"\x1f\x8b", headers)

    assert status == 415
    assert "not supported" in answer["error"] or "v2 protocol" in answer["error"]
