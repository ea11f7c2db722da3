"""tritonclient over HTTP with JSON tensors: every answer is the in-process one, every refusal its own exception."""

from collections.abc import Callable
from typing import Any

import pytest

from clients.compare import check
from clients.conftest import Answers

pytestmark = pytest.mark.slow
CLIENT, DOOR = "tritonclient", "v2 REST"
REFUSED = "tritonclient.utils.InferenceServerException"


@pytest.fixture(scope="module")
def triton(ask: Callable[[str], Answers]) -> Answers:
    """The cases of the script."""
    return ask("triton/over_rest.py")


def test_health_is_what_the_client_takes_it_for(triton: Answers) -> None:
    """Live, ready, a model with and without version; a model that is not there is not ready."""
    assert triton["health"] == {"live": True, "ready": True, "model": True, "version": True, "nobody": False}


def test_metadata_names_every_input_and_output(triton: Answers, truth: dict[str, Any]) -> None:
    """A client can build its request from the metadata alone."""
    metadata = triton["metadata"]

    assert metadata["server"]["name"] == "modelmoor"
    assert [field["name"] for field in metadata["iris"]["inputs"]] == truth["iris"]["names"]
    assert {field["datatype"] for field in metadata["iris"]["inputs"]} == {"FP64"}
    assert {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]}.items() <= metadata["iris"]["outputs"][
        1
    ].items()


def test_requested_outputs_come_in_the_asked_order_with_the_id(triton: Answers, truth: dict[str, Any]) -> None:
    """Labels as text, probabilities in float64, the request's id."""
    answer = triton["matrix"]

    assert (answer["id"], answer["order"]) == ("7", ["predict_proba", "predict"])
    check(answer["predict"], truth["iris"]["predict"], "object")
    check(answer["predict_proba"], truth["iris"]["predict_proba"], "float64")


def test_a_table_goes_by_its_columns(triton: Answers, truth: dict[str, Any]) -> None:
    """Text and numbers, one tensor a column."""
    check(triton["columns"], truth["rents"]["predict_columns"], "float64")


def test_text_is_text(triton: Answers, truth: dict[str, Any]) -> None:
    """BYTES in, beyond ASCII and empty ones, too; whole numbers out."""
    check(triton["texts"]["predict"], truth["text"]["predict"], "int64")
    check(triton["texts"]["predict_proba"], truth["text"]["predict_proba"], "float64")


def test_pictures_in_float32(triton: Answers, truth: dict[str, Any]) -> None:
    """A Keras model answers as in its own process."""
    check(triton["pictures"], truth["net"]["classes"], "float32")


@pytest.mark.parametrize("case", ["gevent", "aio"])
def test_requests_at_once_get_their_own_answers(triton: Answers, truth: dict[str, Any], case: str) -> None:
    """Both of the asynchronous clients: answers are not mixed up."""
    assert triton[case] == truth["iris"]["predict"]


@pytest.mark.parametrize(
    ("case", "status", "sentence"),
    [
        ("unknown_model", "404", "No such model here"),
        ("wrong_shape", "400", "4"),
        ("unknown_output", "400", "the model has no such output"),
    ],
)
def test_a_refusal_is_the_clients_own_exception(triton: Answers, case: str, status: str, sentence: str) -> None:
    """With the status and our sentence in it."""
    kind, text = triton.raised(case)

    assert kind == REFUSED
    assert text.startswith(f"[{status}] ")
    assert sentence in text
