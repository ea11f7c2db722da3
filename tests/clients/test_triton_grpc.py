"""tritonclient over gRPC."""

from collections.abc import Callable
from typing import Any

import pytest

from clients.compare import check
from clients.conftest import MODELS, Answers

pytestmark = pytest.mark.slow
CLIENT, DOOR = "tritonclient", "v2 gRPC"
REFUSED = "tritonclient.utils.InferenceServerException"


@pytest.fixture(scope="module")
def triton(ask: Callable[[str], Answers]) -> Answers:
    """The cases of the script."""
    return ask("triton/over_grpc.py")


def test_health_is_what_the_client_takes_it_for(triton: Answers) -> None:
    """Live, ready, a model with and without version."""
    assert triton["health"] == {"live": True, "ready": True, "model": True, "version": True}


def test_a_model_that_is_not_there_is_not_found(triton: Answers) -> None:
    """The client raises; over HTTP it answers false."""
    kind, text = triton.raised("nobody_ready")

    assert kind == REFUSED
    assert text.startswith("[StatusCode.NOT_FOUND] ")


def test_metadata_names_every_input_and_output(triton: Answers, truth: dict[str, Any]) -> None:
    """The same names, types and shapes as over HTTP."""
    metadata = triton["metadata"]

    assert metadata["server"]["name"] == "modelmoor"
    assert [field["name"] for field in metadata["iris"]["inputs"]] == truth["iris"]["names"]
    assert metadata["iris"]["outputs"][1] == {"name": "predict_proba", "datatype": "FP64", "shape": ["-1", "3"]}


def test_requested_outputs_come_in_the_asked_order_with_the_id(triton: Answers, truth: dict[str, Any]) -> None:
    """Labels as text, probabilities in float64, the request's id."""
    answer = triton["matrix"]

    assert (answer["id"], answer["order"]) == ("seven", ["predict_proba", "predict"])
    check(answer["predict"], truth["iris"]["predict"], "object")
    check(answer["predict_proba"], truth["iris"]["predict_proba"], "float64")


def test_a_table_goes_by_its_columns(triton: Answers, truth: dict[str, Any]) -> None:
    """Text and numbers, one tensor a column."""
    check(triton["columns"], truth["rents"]["predict_columns"], "float64")


def test_text_is_text(triton: Answers, truth: dict[str, Any]) -> None:
    """BYTES in, whole numbers out."""
    check(triton["texts"], truth["text"]["predict"], "int64")


def test_pictures_in_float32(triton: Answers, truth: dict[str, Any]) -> None:
    """A Keras model answers as in its own process; compressed, too."""
    check(triton["pictures"], truth["net"]["classes"], "float32")
    check(triton["compressed"], truth["net"]["classes"] * 20, "float32")


def test_float16_goes_in_and_comes_out(triton: Answers, truth: dict[str, Any]) -> None:
    """Widened for a model of float64; as it is for one of float16."""
    check(triton["halves"]["proba"], truth["iris"]["predict_proba_fp16"], "float64")
    check(triton["halves"]["sums"], truth["half"]["sums"], "float16")


@pytest.mark.parametrize("case", ["callbacks", "aio", "aio_stream"])
def test_requests_at_once_get_their_own_answers(triton: Answers, truth: dict[str, Any], case: str) -> None:
    """By callback, by asyncio, by asyncio's stream."""
    assert triton[case] == truth["iris"]["predict"]


def test_a_stream_keeps_its_order_and_outlives_an_error(triton: Answers, truth: dict[str, Any]) -> None:
    """Fifty requests, the 21st of them wrong: an error takes its place, and every answer says that it is the last."""
    seen = triton["stream"]
    wrong = seen.pop(20)

    assert "error" in wrong
    labels = truth["iris"]["predict"] * 10
    expected = [{"id": str(i), "predict": labels[i], "last": True} for i in range(50) if i != 20]
    assert seen == expected


def test_the_index_lists_every_model(triton: Answers) -> None:
    """Name and state."""
    assert sorted(triton["index"]) == sorted([file.partition(".")[0], "READY"] for file in MODELS)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("unknown_model", "NOT_FOUND"),
        ("wrong_shape", "INVALID_ARGUMENT"),
        ("wrong_type", "INVALID_ARGUMENT"),
        ("load_where_it_is_denied", "PERMISSION_DENIED"),
    ],
)
def test_a_refusal_is_the_clients_own_exception(triton: Answers, case: str, code: str) -> None:
    """With the code that tells who should act."""
    kind, text = triton.raised(case)

    assert kind == REFUSED
    assert text.startswith(f"[StatusCode.{code}] ")
