"""tritonclient over HTTP as it is by default: binary tensors, the repository API, compressed bodies."""

from collections.abc import Callable
from typing import Any

import pytest

from clients.compare import check
from clients.conftest import MODELS, Answers

pytestmark = pytest.mark.slow
CLIENT, DOOR = "tritonclient", "v2 REST, binary"
REFUSED = "tritonclient.utils.InferenceServerException"


@pytest.fixture(scope="module")
def triton(ask: Callable[[str], Answers]) -> Answers:
    """The cases of the script."""
    return ask("triton/binary_rest.py")


def test_the_server_tells_its_extensions(triton: Answers) -> None:
    """By Triton's names; those that change models only where they are allowed."""
    assert "binary_tensor_data" in triton["extensions"]
    assert "model_repository" not in triton["extensions"]


def test_a_request_as_the_client_sends_it_by_default(triton: Answers, truth: dict[str, Any]) -> None:
    """Binary in, and every output binary: `binary_data_output`."""
    answer = triton["by_default"]

    assert answer["id"] == "seven"
    assert "data" not in answer["output"]
    assert answer["output"]["parameters"]["binary_data_size"] > 0
    check(answer["predict"], truth["iris"]["predict"], "object")


def test_each_output_has_its_own_form(triton: Answers, truth: dict[str, Any]) -> None:
    """One as JSON, one binary, in one answer."""
    answer = triton["per_output"]

    assert answer["data"] == [True, False]
    check(answer["predict"], truth["iris"]["predict"], "object")
    check(answer["predict_proba"], truth["iris"]["predict_proba"], "float64")


@pytest.mark.parametrize("case", ["columns", "mixed_inputs"])
def test_a_table_goes_by_its_columns(triton: Answers, truth: dict[str, Any], case: str) -> None:
    """Text and numbers; one of the inputs may come as JSON."""
    check(triton[case], truth["rents"]["predict_columns"], "float64")


def test_text_is_text(triton: Answers, truth: dict[str, Any]) -> None:
    """Each element behind its length."""
    check(triton["texts"]["predict"], truth["text"]["predict"], "int64")
    check(triton["texts"]["predict_proba"], truth["text"]["predict_proba"], "float64")


def test_pictures_in_float32(triton: Answers, truth: dict[str, Any]) -> None:
    """A Keras model answers as in its own process."""
    check(triton["pictures"], truth["net"]["classes"], "float32")


def test_float16_goes_in_and_comes_out(triton: Answers, truth: dict[str, Any]) -> None:
    """Widened for a model of float64; as it is for one of float16."""
    check(triton["halves_to_doubles"], truth["iris"]["predict_proba_fp16"], "float64")
    check(triton["halves_to_halves"], truth["half"]["sums"], "float16")


def test_the_best_classes_are_named(triton: Answers, truth: dict[str, Any]) -> None:
    """`class_count`: score, index and label, best first."""
    answer = triton["best_classes"]

    assert answer["shape"] == [len(truth["iris"]["rows"]), 2]
    assert [row[0].split(":")[2] for row in answer["data"]] == truth["iris"]["predict"]


@pytest.mark.parametrize("case", ["aio", "gevent"])
def test_requests_at_once_get_their_own_answers(triton: Answers, truth: dict[str, Any], case: str) -> None:
    """Answers are not mixed up."""
    assert triton[case] == truth["iris"]["predict"]


def test_bodies_may_be_compressed(triton: Answers, truth: dict[str, Any]) -> None:
    """gzip both ways, with binary tensors in it."""
    check(triton["compressed"], truth["net"]["classes"] * 20, "float32")


def test_the_index_lists_every_model(triton: Answers) -> None:
    """Name, version and state."""
    assert {(model["name"], model["state"]) for model in triton["index"]} == {
        (file.partition(".")[0], "READY") for file in MODELS
    }
    assert all(model["version"] for model in triton["index"])


def test_models_change_only_where_it_is_allowed(triton: Answers, truth: dict[str, Any]) -> None:
    """Refused by default; with --repository-api a model goes and comes back, and answers as before."""
    assert triton.raised("load_where_it_is_denied")[0] == REFUSED
    assert triton["unload_and_load"]["seen"] == [[True, "READY"], [False, "UNAVAILABLE"], [True, "READY"]]
    check(triton["unload_and_load"]["predict"], truth["rents"]["predict_columns"], "float64")


@pytest.mark.parametrize(("case", "status"), [("wrong_type", "400"), ("wrong_shape", "400"), ("statistics", "404")])
def test_a_refusal_is_the_clients_own_exception(triton: Answers, case: str, status: str) -> None:
    """With the status in it; what the server has no counterpart for is not found."""
    kind, text = triton.raised(case)

    assert kind == REFUSED
    assert text.startswith(f"[{status}] ")
