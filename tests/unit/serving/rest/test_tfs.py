"""TensorFlow Serving's REST interface at the door, beyond what v1 is tested for."""

import base64
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from modelmoor_server.batching import key_of
from modelmoor_server.errors import InvalidRequest, ModelError, Phase, Reason
from modelmoor_server.inference import InferenceRequest, output_tensor
from modelmoor_server.naming import OF_SIGNATURE
from modelmoor_server.repository import Entry, State
from modelmoor_server.rest import tfs, values
from unit.serving.process import Started

ROWS = [[0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 0.5, 2.0]]
IRIS = "/v1/models/iris"


def test_signature_name(doors: Started, models: Path) -> None:
    """The default signature is the prediction; each output of a scikit-learn model is a signature of its own."""
    model = joblib.load(models / "iris.joblib")

    for name in ("", "serving_default", "predict"):
        body = {"instances": ROWS, "signature_name": name}
        assert doors.ask("POST", f"{IRIS}:predict", body) == (200, {"predictions": model.predict(ROWS).tolist()})
    status, answer = doors.ask("POST", f"{IRIS}:predict", {"instances": ROWS, "signature_name": "predict_proba"})
    assert status == 200
    np.testing.assert_allclose(answer["predictions"], model.predict_proba(ROWS), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nope", "signature_name: the model has no such signature; it has "),
        (7, "signature_name must be a string."),
    ],
)
def test_unknown_signature(doors: Started, name: object, sentence: str) -> None:
    """What the model does not have is a 400 that lists what it has."""
    status, answer = doors.ask("POST", f"{IRIS}:predict", {"instances": ROWS, "signature_name": name})

    assert status == 400
    assert answer["error"].startswith(sentence)
    if name == "nope":
        assert answer["error"].endswith("decision_function, predict, predict_proba, serving_default.")


@pytest.mark.parametrize("pin", ["/versions/1", "/versions/{version}", "/labels/stable", "/labels/%73table"])
def test_versions_and_labels(doors: Started, pin: str) -> None:
    """One version is served: by number, by its digest and by the label that stands for what is served."""
    version = doors.ask("GET", "/v2/models/iris")[1]["versions"][0]
    path = IRIS + pin.format(version=version)

    assert doors.ask("POST", f"{path}:predict", {"instances": ROWS})[0] == 200
    assert doors.ask("GET", path) == doors.ask("GET", IRIS)
    assert doors.ask("GET", f"{path}/metadata") == doors.ask("GET", f"{IRIS}/metadata")


@pytest.mark.parametrize("path", ["/versions/2", "/labels/canary"])
@pytest.mark.parametrize("rest", ["", "/metadata", ":predict"])
def test_what_is_not_served(doors: Started, path: str, rest: str) -> None:
    """Another version and another label are a 404, never the answer of this one."""
    status, answer = doors.ask("POST" if rest == ":predict" else "GET", IRIS + path + rest, {"instances": ROWS})

    assert status == 404
    assert "and no other." in answer["error"]


def test_labels_are_not_of_v2(doors: Started) -> None:
    """Labels are TensorFlow Serving's word; the v2 protocol has none."""
    assert doors.ask("GET", "/v2/models/iris/labels/stable") == (
        404,
        {"error": "No such path here; GET /v2/models lists the models."},
    )


@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_other_verbs(doors: Started, verb: str) -> None:
    """What takes tf.Example only is refused, with the way that works."""
    status, answer = doors.ask("POST", f"{IRIS}:{verb}", {"examples": [{"x": 1}]})

    assert status == 400
    assert ":predict" in answer["error"]


def test_metadata(doors: Started) -> None:
    """Metadata has the shape of GetModelMetadataResponse, with the model's own names and types."""
    status, metadata = doors.ask("GET", "/v1/models/people/metadata")
    definitions = metadata["metadata"]["signature_def"]["signature_def"]

    assert status == 200
    assert metadata["model_spec"] == {"name": "people", "signature_name": "", "version": "1"}
    assert set(definitions) == {"serving_default", "predict", "predict_proba", "decision_function"}
    assert definitions["serving_default"]["inputs"] == {
        "age": {
            "name": "age",
            "dtype": "DT_DOUBLE",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        },
        "city": {
            "name": "city",
            "dtype": "DT_STRING",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        },
    }
    assert list(definitions["predict_proba"]["outputs"]) == ["predict_proba"]


def test_status_of_what_is_not_ready() -> None:
    """States are those of TensorFlow Serving: LOADING, then AVAILABLE, or END with what went wrong."""
    failure = ModelError(Phase.LOAD, Reason.CORRUPT_ARTIFACT, "The file is cut off.", "Copy it again.")
    loading, failed = tfs.status(Entry("m")), tfs.status(Entry("m", State.FAILED, failure=failure))

    assert loading["model_version_status"] == [
        {"version": "1", "state": "LOADING", "status": {"error_code": "OK", "error_message": ""}}
    ]
    assert failed["ready"] is False
    assert failed["model_version_status"][0]["state"] == "END"
    assert failed["model_version_status"][0]["status"] == {
        "error_code": "FAILED_PRECONDITION",
        "error_message": "The file is cut off.",
    }


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(("dtype", "shortest"), [(np.float16, 0.5), (np.float32, 0.1), (np.float64, 0.1)])
def test_what_is_no_number_is_a_word(dtype: type, shortest: float) -> None:
    """NaN and infinities are written as TensorFlow Serving writes them; other numbers keep their shortest digits."""
    array = np.array([[shortest, NAN], [INF, -INF]], dtype=dtype)
    whole = values.dump({"x": values.column(output_tensor("x", array))})
    several = values.dump({"x": values.rows([output_tensor("a", array), output_tensor("b", array[:, 1].copy())])})

    assert whole == f'{{"x":[[{shortest},NaN],[Infinity,-Infinity]]}}'.encode()
    assert several == (
        f'{{"x":[{{"a":[{shortest},NaN],"b":NaN}},{{"a":[Infinity,-Infinity],"b":-Infinity}}]}}'.encode()
    )
    assert values.dump({"x": values.column(output_tensor("x", np.array(NAN, dtype=dtype)))}) == b'{"x":NaN}'
    assert values.dump({"x": values.column(output_tensor("x", np.zeros((0, 2), dtype=dtype)))}) == b'{"x":[]}'


def test_several_outputs_keep_the_digits_of_float32() -> None:
    """A row object does not show the noise of a double where the model gave a float."""
    outputs = [output_tensor("a", np.array([0.1, 0.2], dtype=np.float32)), output_tensor("b", np.array([1, 2]))]

    assert values.dump({"x": values.rows(outputs)}) == b'{"x":[{"a":0.1,"b":1},{"a":0.2,"b":2}]}'


def test_bytes_are_base64() -> None:
    """Bytes that are no text, and outputs whose name says bytes, are b64 objects."""
    mixed = np.array([b"\xff", "text"], dtype=object)
    named = output_tensor("png_bytes", np.array([["a"]], dtype=object))

    assert values.column(output_tensor("raw", mixed)) == [{"b64": "/w=="}, {"b64": "dGV4dA=="}]
    assert values.rows([named, output_tensor("n", np.array([1]))]) == [{"png_bytes": [{"b64": "YQ=="}], "n": 1}]


@pytest.mark.parametrize("arrays", [(np.array(1.0),), (np.zeros(2), np.zeros(3))])
def test_outputs_that_are_not_one_a_row(arrays: tuple[np.ndarray, ...]) -> None:
    """Rows cannot be made of them; the sentence tells the form that works."""
    with pytest.raises(InvalidRequest, match="column form"):
        values.rows([output_tensor(str(i), array) for i, array in enumerate(arrays)])


def test_another_signature_is_never_batched() -> None:
    """What a model or its owner says of rows is said of its own signature: others may add them up."""
    x = np.zeros(2)

    assert key_of(InferenceRequest({"x": x}, ("y",))) is not None
    assert key_of(InferenceRequest({f"half{OF_SIGNATURE}x": x}, (f"half{OF_SIGNATURE}y",))) is None


# A real SavedModel: text as base64, several signatures, answers that are no numbers and no rows.


PNG = [b"\x89PNG\r\n\x1a\n\x00", "äöü".encode(), b""]
PREDICT = "/v1/models/m:predict"


def _b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def _in_process(saved: Path, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
    import tensorflow as tf

    outputs = tf.saved_model.load(str(saved)).signatures[signature](**inputs)
    return {name: tensor.numpy() for name, tensor in outputs.items()}


@pytest.mark.slow
def test_rows_and_columns_with_bytes(tensorflow: Started, saved: Path) -> None:
    """b64 objects are read in both forms, bytes and numbers come back as the program gives them in process."""
    import tensorflow as tf

    x = [[1.0, 0.0], [-2.0, 5.0], [0.5, -1.0]]
    real = _in_process(saved, "serving_default", png=tf.constant(PNG), x=tf.constant(x))
    by_row = {"instances": [{"png": _b64(png), "x": row} for png, row in zip(PNG, x, strict=True)]}
    by_column = {"signature_name": "serving_default", "inputs": {"png": [_b64(png) for png in PNG], "x": x}}
    row_status, rows = tensorflow.ask("POST", PREDICT, by_row)
    column_status, columns = tensorflow.ask("POST", PREDICT, by_column)

    assert (row_status, column_status) == (200, 200)
    assert rows["predictions"] == columns["predictions"]
    assert columns["outputs"]["length"] == real["length"].tolist() == [row["length"] for row in rows["predictions"]]
    np.testing.assert_array_equal(np.array(columns["outputs"]["ratio"], np.float32), real["ratio"])
    assert not np.isfinite(real["ratio"]).all(), "the test wants NaN and Infinity in the answer"
    assert columns["outputs"]["copy_bytes"] == [_b64(raw) for raw in real["copy_bytes"].tolist()]


@pytest.mark.slow
def test_signatures_of_a_saved_model(tensorflow: Started, saved: Path) -> None:
    """Each signature is called by its name; outputs that are not one a row come in the column form alone."""
    import tensorflow as tf

    real = _in_process(saved, "half", x=tf.constant([1.0, 4.0]))
    body = {"signature_name": "half", "inputs": {"x": [1.0, 4.0]}}

    assert tensorflow.ask("POST", PREDICT, body) == (
        200,
        {"outputs": {"y": real["y"].tolist(), "total": real["total"].item()}},
    )
    status, answer = tensorflow.ask("POST", PREDICT, {"signature_name": "half", "instances": [1.0, 4.0]})
    assert (status, "column form" in answer["error"]) == (400, True)
    for inputs in ({"n": 2**53}, 2**53):
        assert tensorflow.ask("POST", PREDICT, {"signature_name": "scalar", "inputs": inputs})[1] == {
            "outputs": 2**53 + 1
        }
    assert tensorflow.ask("POST", PREDICT, {"signature_name": "half", "instances": [{"nope": "a"}]})[0] == 400
    assert tensorflow.ask("POST", PREDICT, {"signature_name": "other", "instances": [1]})[0] == 400


@pytest.mark.slow
@pytest.mark.parametrize(
    "inputs",
    [
        {"png": [{"b64": "no base64!"}], "x": [[1, 2]]},
        {"png": [{"b64": 7}], "x": [[1, 2]]},
        {"png": [{"b64": "", "more": 1}], "x": [[1, 2]]},
        {"png": ["a"], "x": [[{"b64": "AAAA"}, 2]]},
    ],
)
def test_base64_that_is_none(tensorflow: Started, inputs: object) -> None:
    """A broken b64 object, or one where numbers belong, is a 400."""
    status, answer = tensorflow.ask("POST", PREDICT, {"inputs": inputs})

    assert status == 400
    assert "no base64!" not in answer["error"]


@pytest.mark.slow
def test_metadata_is_read_by_tensorflows_own_messages(tensorflow: Started, saved: Path) -> None:
    """TensorFlow's SignatureDef takes the answer as it is, and it says what the SavedModel itself says."""
    from google.protobuf.json_format import ParseDict
    from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

    definitions = tensorflow.ask("GET", "/v1/models/m/metadata")[1]["metadata"]["signature_def"]["signature_def"]
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((saved / "saved_model.pb").read_bytes())
    real = stored.meta_graphs[0].signature_def

    assert set(definitions) == set(real) - {"__saved_model_init_op"} == {"serving_default", "half", "scalar"}
    for name, definition in definitions.items():
        parsed = ParseDict(definition, meta_graph_pb2.SignatureDef())
        for side in ("inputs", "outputs"):
            ours, theirs = getattr(parsed, side), getattr(real[name], side)
            assert {key: (info.dtype, info.tensor_shape) for key, info in ours.items()} == {
                key: (info.dtype, info.tensor_shape) for key, info in theirs.items()
            }
        assert parsed.method_name == real[name].method_name


@pytest.mark.slow
def test_nan_in(tensorflow: Started) -> None:
    """NaN and Infinity are read where the model takes them."""
    body = b'{"instances": [{"png": "a", "x": [NaN, -Infinity]}]}'
    status, answer = tensorflow.ask("POST", PREDICT, body)

    assert status == 200
    assert json.dumps(answer["predictions"][0]["ratio"]) == "[NaN, -Infinity]"
