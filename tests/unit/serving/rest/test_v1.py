"""The v1 protocol at the door, with real models behind it."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from modelmoor_server.inference import InferenceResponse, output_tensor
from modelmoor_server.intake import Identity, Intake
from modelmoor_server.rest.v1 import V1Call
from unit.serving.inference.models import SIGNATURE
from unit.serving.process import Started

ROWS = [[0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 0.5, 2.0]]
PREDICT = "/v1/models/iris:predict"


def test_instances(doors: Started, models: Path) -> None:
    """Rows in, predictions out."""
    labels = joblib.load(models / "iris.joblib").predict(ROWS).tolist()

    assert doors.ask("POST", PREDICT, {"instances": ROWS}) == (200, {"predictions": labels})
    assert doors.ask("POST", "/v1/models/iris%3Apredict", {"instances": ROWS})[0] == 200
    assert doors.ask("POST", "/v1/models/iris/versions/1:predict", {"instances": ROWS})[0] == 200


def test_inputs(doors: Started, models: Path) -> None:
    """The column form is answered as KServe does and as TensorFlow Serving does."""
    labels = joblib.load(models / "iris.joblib").predict(ROWS).tolist()

    assert doors.ask("POST", PREDICT, {"inputs": ROWS}) == (200, {"predictions": labels, "outputs": labels})


def test_rows_as_objects(doors: Started) -> None:
    """A table's rows come as objects; columns that are missing or unknown are named."""
    rows = [{"age": 30, "city": "Rome"}, {"city": "Oslo", "age": None}]
    status, answer = doors.ask("POST", "/v1/models/people:predict", {"instances": rows})
    bad_status, bad = doors.ask("POST", "/v1/models/people:predict", {"instances": [rows[0], {"age": 1, "town": "x"}]})

    assert (status, len(answer["predictions"])) == (200, 2)
    assert bad_status == 400
    assert all(word in bad["error"] for word in ("row 1", "city", "town"))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "The body must have either instances (a list of rows) or inputs (columns)."),
        (
            {"instances": ROWS, "inputs": ROWS},
            "The body must have either instances (a list of rows) or inputs (columns).",
        ),
        ({"instances": []}, "instances must be a list of at least one row"),
    ],
)
def test_invalid_requests(doors: Started, body: Any, sentence: str) -> None:
    """What is not of the protocol is a 400 with one sentence."""
    assert doors.ask("POST", PREDICT, body) == (400, {"error": sentence})


def test_status_is_that_of_kserve_and_of_tensorflow_serving(doors: Started) -> None:
    """One answer satisfies both kinds of clients."""
    assert doors.ask("GET", "/v1/models/iris") == (
        200,
        {
            "name": "iris",
            "ready": True,
            "model_version_status": [
                {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
            ],
        },
    )
    assert doors.ask("GET", "/v1/models") == (200, {"models": ["iris", "people", "text", "sum"]})


@pytest.mark.parametrize(("body", "columns"), [({"instances": [[1]]}, False), ({"inputs": [[1]]}, True)])
def test_several_outputs_are_objects_by_name(body: dict[str, Any], columns: bool) -> None:
    """Several outputs make one object a row; the column form also has them by name."""
    intake = Intake(Identity("m", "sha256:0", "sklearn", "scikit-learn", None), SIGNATURE, ("predict",))
    call = V1Call(intake, json.dumps(body).encode())
    call.decode()
    outputs = (output_tensor("a", np.array([1, 2])), output_tensor("b", np.array([["x"], ["y"]])))
    answer = json.loads(call.encode(InferenceResponse(outputs)))

    assert answer.pop("predictions") == [{"a": 1, "b": ["x"]}, {"a": 2, "b": ["y"]}]
    assert answer == ({"outputs": {"a": [1, 2], "b": [["x"], ["y"]]}} if columns else {})
