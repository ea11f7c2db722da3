"""Content types, the best classes, and outputs that JSON alone cannot carry."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from modelmoor_server.signature import Datatype, Field
from unit.serving.rest.door import Echo, ask, golden

PICTURES = Echo((Field("x", Datatype.BYTES, (-1,), binary=True),))
TEXTS = Echo((Field("x", Datatype.BYTES, (-1,)),))
MATRIX = Echo((Field("input", Datatype.FP64, (-1, 3), nullable=True),))
PNG = b"\x89PNG\r\n\x1a\n\x00"
SCORES = np.array([[0.1, 0.5, 0.4], [0.25, 0.25, np.nan], [1e-7, 3, 2]])


def texts(values: Any, shape: list[int] | None = None, **parameters: Any) -> dict[str, Any]:
    made = {"name": "x", "datatype": "BYTES", "shape": shape or [len(values)], "data": values}
    return made | ({"parameters": parameters} if parameters else {})


def encoded(*values: bytes) -> list[str]:
    return [base64.b64encode(value).decode() for value in values]


@pytest.mark.parametrize("level", ["tensor", "request"])
def test_base64_in(level: str) -> None:
    """Elements of content type base64 are decoded, whichever level names it; line breaks are of encoders."""
    tensor = texts([*encoded(b"day", "Zürich".encode()), "bmln\naHQ="])
    if level == "tensor":
        body: dict[str, Any] = {"inputs": [tensor | {"parameters": {"content_type": "base64"}}]}
    else:
        body = {"inputs": [tensor], "parameters": {"content_type": "base64"}}
    answer = ask(TEXTS, body)

    assert answer.header["outputs"][0]["data"] == ["day", "Zürich", "night"]


def test_a_tensor_knows_better_than_its_request() -> None:
    """A content type of a tensor goes before the request's; base64 of the request leaves numbers alone."""
    fields = (Field("x", Datatype.BYTES, (-1,)), Field("n", Datatype.INT64, (-1,)))
    number = {"name": "n", "datatype": "INT64", "shape": [1], "data": [5]}
    body = {"inputs": [texts(["ZGF5"], content_type="str"), number], "parameters": {"content_type": "base64"}}

    assert [output["data"] for output in ask(Echo(fields), body).header["outputs"]] == [["ZGF5"], [5]]


@pytest.mark.parametrize("data", [["ZGF"], ["ZGF5!"], ["ü"], [7], [None], [["ZGF5", {}]]])
def test_what_is_not_base64(data: Any) -> None:
    """It is a 400 that names the tensor and no value."""
    answer = ask(TEXTS, {"inputs": [texts(data, content_type="base64")]})

    assert (answer.status, answer.header) == (400, {"error": "inputs[0]: the data is not base64."})


def test_base64_within_binary_data() -> None:
    """MLServer's clients may send base64 as raw contents."""
    data = b"\x04\x00\x00\x00ZGF5"
    tensor = texts([], [1], content_type="base64", binary_data_size=len(data))
    del tensor["data"]
    header = json.dumps({"inputs": [tensor]}).encode()

    assert ask(TEXTS, header + data, len(header)).header["outputs"][0]["data"] == ["day"]


def test_base64_out() -> None:
    """An output gives its BYTES as base64 where it is asked to, and says so."""
    outputs = [{"name": "x", "parameters": {"content_type": "base64"}}]
    (told,) = ask(TEXTS, {"inputs": [texts(["day"])], "outputs": outputs}).header["outputs"]
    assert told == {
        "name": "x", "shape": [1], "datatype": "BYTES", "data": ["ZGF5"], "parameters": {"content_type": "base64"},
    }  # fmt: skip

    answer = ask(MATRIX, {"inputs": [row([1, 2, 3])], "outputs": [outputs[0] | {"name": "input"}]})
    assert (answer.status, answer.header["error"]) == (
        400, "output 'input': content type base64 needs datatype BYTES",
    )  # fmt: skip


def test_bytes_that_are_no_text() -> None:
    """JSON can hold text alone: other bytes go out as base64, which the output says; as binary data they are whole."""
    body = {"inputs": [texts(encoded(PNG, b"day"), content_type="base64")]}
    (told,) = ask(PICTURES, body).header["outputs"]
    assert told["data"] == encoded(PNG, b"day")
    assert told["parameters"] == {"content_type": "base64"}

    answer = ask(PICTURES, body | {"parameters": {"binary_data_output": True}})
    assert answer.data == b"\x09\x00\x00\x00" + PNG + b"\x03\x00\x00\x00day"

    (told,) = ask(PICTURES, {"inputs": [texts(encoded(b"night", b"day"), content_type="base64")]}).header["outputs"]
    assert told == {"name": "x", "shape": [2], "datatype": "BYTES", "data": ["night", "day"]}


def row(values: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": "input", "datatype": "FP64", "shape": [1, len(values)], "data": values, **more}


def columns(*names: str, rows: int = 2) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datatype": "INT64",
            "shape": [rows, 1],
            "data": [position + 10 * index for index in range(rows)],
        }
        for position, name in enumerate(names)
    ]


def test_a_frame_for_a_model_of_a_matrix() -> None:
    """With content type pd, columns become the matrix in the order they came; without it, no name is guessed."""
    body = {"inputs": columns("a", "b", "c"), "parameters": {"content_type": "pd"}}
    assert ask(MATRIX, body).header["outputs"][0]["data"] == [0, 1, 2, 10, 11, 12]

    answer = ask(MATRIX, {"inputs": columns("a", "b", "c")})
    assert (answer.status, answer.header["error"]) == (400, "missing input 'input'; unknown inputs 'a', 'b', 'c'")


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (columns("a", "b"), "input 'input': expected shape [-1, 3], got [2, 2]"),
        ([*columns("a", "b"), *columns("c", rows=3)], "column 'c': expected 2 rows, got 3"),
        ([*columns("a", "b"), row([1, 2])], "input 'input': expected shape [-1], got [1, 2]"),
    ],
)
def test_frames_that_fit_no_matrix(inputs: list[dict[str, Any]], sentence: str) -> None:
    """Columns must be of one length, and as many as the matrix has."""
    answer = ask(MATRIX, {"inputs": inputs, "parameters": {"content_type": "pd"}})

    assert (answer.status, answer.header) == (400, {"error": sentence})


def test_a_frame_of_text_and_numbers() -> None:
    """A matrix of unknown types takes columns of several kinds, each value as it came."""
    seen: list[np.ndarray] = []

    class Keeping(Echo):
        def predict(self, inputs: Any, outputs: Any) -> dict[str, np.ndarray]:
            seen.append(inputs["input"])
            return {name: np.zeros(2) for name in outputs}

    text = {"name": "city", "datatype": "BYTES", "shape": [2], "data": ["Paris", "Rome"]}
    body = {"inputs": [text, *columns("age")], "parameters": {"content_type": "pd"}}
    ask(Keeping((Field("input", None, (-1, 2), nullable=True),)), body)

    assert [array.tolist() for array in seen] == [[["Paris", 0], ["Rome", 10]]]


@pytest.mark.parametrize(
    ("parameters", "of_tensor", "sentence"),
    [
        ({"content_type": "pillow"}, {}, "content_type must be one of np, pd, str, base64, datetime."),
        ({"content_type": ["np"]}, {}, "content_type must be one of np, pd, str, base64, datetime."),
        ({}, {"content_type": "hf"}, "inputs[0]: content_type must be one of np, pd, str, base64, datetime."),
        ({}, {"content_type": "str"}, "inputs[0]: content type str needs datatype BYTES."),
        ({"content_type": "str"}, {}, "inputs[0]: content type str needs datatype BYTES."),
        ({}, {"content_type": "base64"}, "inputs[0]: content type base64 needs datatype BYTES."),
        ({"binary_data_output": 1}, {}, "parameters: binary_data_output must be true or false."),
    ],
)
def test_parameters_that_mean_something_else(
    parameters: dict[str, Any], of_tensor: dict[str, Any], sentence: str
) -> None:
    """What would change the meaning and is not known is refused."""
    answer = ask(MATRIX, {"inputs": [row([1, 2, 3], parameters=of_tensor)], "parameters": parameters})

    assert (answer.status, answer.header) == (400, {"error": sentence})


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"binary_data": "yes"}, "outputs[0]: binary_data must be true or false."),
        ({"classification": -1}, "outputs[0]: classification must be a number of classes."),
        ({"classification": True}, "outputs[0]: classification must be a number of classes."),
        ({"content_type": "hf"}, "outputs[0]: content_type must be one of np, pd, str, base64, datetime."),
        ({"shared_memory_region": "r"}, "outputs[0]: shared memory is not supported; send the data in the request."),
        ([], "outputs[0].parameters must be an object."),
    ],
)
def test_parameters_of_outputs(parameters: Any, sentence: str) -> None:
    """Outputs are judged as strictly; what is not known at all is let through."""
    body = {"inputs": [row([1, 2, 3])], "outputs": [{"name": "input", "parameters": parameters}]}
    answer = ask(MATRIX, body)
    assert (answer.status, answer.header) == (400, {"error": sentence})

    body["outputs"] = [{"name": "input", "parameters": {"anything": 1}}]
    assert ask(MATRIX, body).status == 200


def test_shared_memory_is_refused() -> None:
    """A tensor that lies in the client's own memory cannot be read here, and nobody pretends."""
    answer = ask(MATRIX, *golden("iris-shared-memory"))

    assert answer.status == 400
    assert answer.header["error"] == "inputs[0]: shared memory is not supported; send the data in the request."


def scorer(scores: np.ndarray, labels: tuple[str, ...] | None) -> Echo:
    score = Field("score", Datatype.of(scores), (-1, *scores.shape[1:]), labels=labels)
    return Echo(MATRIX.fields, {"score": scores}, (score,))


def best(scores: np.ndarray, count: int, labels: tuple[str, ...] | None = None) -> Any:
    output = {"name": "score", "parameters": {"classification": count}}
    answer = ask(scorer(scores, labels), {"inputs": [row([1, 2, 3])], "outputs": [output]})
    return answer.header["outputs"][0] if answer.status == 200 else answer.header["error"]


def test_best_classes() -> None:
    """The highest scores of each row with index and label, as Triton writes them; NaN is never best."""
    assert best(SCORES, 2, ("a", "b", "c:d")) == {
        "name": "score",
        "shape": [3, 2],
        "datatype": "BYTES",
        "data": [
            "0.500000:1:b", "0.400000:2:c:d", "0.250000:0:a", "0.250000:1:b", "3.000000:1:b", "2.000000:2:c:d",
        ],
    }  # fmt: skip
    assert best(np.array([[-(2**63), 2**63 - 1, 0]]), 9)["data"] == [f"{2**63 - 1}:1", "0:2", f"{-(2**63)}:0"]
    assert best(np.array([[0, 255, 7]], np.uint8), 1)["data"] == ["255:1"]


def test_classes_of_what_has_none() -> None:
    """Labels, truth values and single numbers have no best class."""
    words = "output 'score': classification needs a score for each class of a row"
    for array in (np.array([0.5]), np.array([["a", "b"]], dtype=object), np.array([[True, False]])):
        assert best(array, 1) == words


def test_half_precision_out() -> None:
    """An FP16 output keeps its value in JSON, and is two bytes an element as binary data."""
    model = scorer(np.array([[0.1, 1]], np.float16), None)
    (told,) = ask(model, {"inputs": [row([1, 2, 3])]}).header["outputs"]
    assert told["datatype"] == "FP16"
    np.testing.assert_array_equal(np.array(told["data"], np.float16), np.array([0.1, 1], np.float16))

    answer = ask(model, {"inputs": [row([1, 2, 3])], "parameters": {"binary_data_output": True}})
    assert answer.data == b"\x66\x2e\x00\x3c"
