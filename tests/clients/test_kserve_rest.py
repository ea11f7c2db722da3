"""The kserve package's REST client, v1 and v2 with JSON and binary tensors."""

from collections.abc import Callable
from typing import Any

import pytest

from clients.compare import check, check_values
from clients.conftest import Answers

pytestmark = pytest.mark.slow
CLIENT, DOOR = "kserve", "v1 and v2 REST"
REFUSED = "httpx.HTTPStatusError"


@pytest.fixture(scope="module")
def kserve(ask: Callable[[str], Answers]) -> Answers:
    """The cases of the script."""
    return ask("kserve/over_rest.py")


def test_health_is_what_the_client_takes_it_for(kserve: Answers) -> None:
    """Liveness and readiness of server and model in both protocols."""
    assert kserve["health"] == {"live": [True, True], "ready": True, "model": [True, True], "nobody": False}


def test_v1_takes_rows(kserve: Answers, truth: dict[str, Any]) -> None:
    """Lists of numbers in, names out."""
    assert kserve["v1_rows"] == {"predictions": truth["iris"]["predict"]}


def test_v1_takes_records_with_gaps(kserve: Answers, truth: dict[str, Any]) -> None:
    """Rows by column name; null is a missing text or number."""
    check_values(kserve["v1_records"]["predictions"], truth["rents"]["predict"])


def test_v1_takes_nested_pictures(kserve: Answers, truth: dict[str, Any]) -> None:
    """Three dimensions a row."""
    check_values(kserve["v1_pictures"]["predictions"], truth["net"]["classes"], "float32")


def test_v2_answers_with_the_id(kserve: Answers, truth: dict[str, Any]) -> None:
    """FP32 is widened for a model of float64; `input-0` is as good a name as any."""
    answer = kserve["matrix"]

    assert (answer["id"], answer["model"]) == ("42", "iris")
    check(answer["predict"], truth["iris"]["predict"], "object")


def test_v2_answers_what_was_asked_for(kserve: Answers, truth: dict[str, Any]) -> None:
    """Probabilities in place of the prediction."""
    check(kserve["probabilities"], truth["iris"]["predict_proba"], "float64")


def test_v2_takes_a_table_by_columns(kserve: Answers, truth: dict[str, Any]) -> None:
    """Text and numbers, one tensor a column."""
    check(kserve["columns"], truth["rents"]["predict_columns"], "float64")


def test_v2_takes_texts(kserve: Answers, truth: dict[str, Any]) -> None:
    """BYTES in, whole numbers out."""
    check(kserve["texts"], truth["text"]["predict"], "int64")


def test_requests_at_once_get_their_own_answers(kserve: Answers, truth: dict[str, Any]) -> None:
    """Answers are not mixed up."""
    assert kserve["many_at_once"] == truth["iris"]["predict"]


def test_v2_binary_both_ways(kserve: Answers, truth: dict[str, Any]) -> None:
    """Labels, numbers, text columns and float16, with the id."""
    answer = kserve["binary_matrix"]

    assert answer["id"] == "42"
    check(answer["predict"], truth["iris"]["predict"], "object")
    check(answer["predict_proba"], truth["iris"]["predict_proba"], "float64")
    check(kserve["binary_columns"], truth["rents"]["predict_columns"], "float64")
    check(kserve["binary_halves"], truth["iris"]["predict_proba_fp16"], "float64")


@pytest.mark.parametrize(
    ("case", "status", "sentence"),
    [
        ("unknown_model", "404", "No such model here"),
        ("missing_column", "400", "heating"),
        ("binary_wrong_type", "400", ""),
    ],
)
def test_a_refusal_is_the_clients_own_exception(kserve: Answers, case: str, status: str, sentence: str) -> None:
    """With the status and our sentence in it."""
    kind, text = kserve.raised(case)

    assert kind == REFUSED
    assert f"'{status} " in text
    assert sentence in text
