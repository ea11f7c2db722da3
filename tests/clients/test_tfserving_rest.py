"""TensorFlow Serving's REST API, asked as its tutorial asks it."""

from collections.abc import Callable
from typing import Any

import pytest

from clients.compare import check_values
from clients.conftest import Answers

pytestmark = pytest.mark.slow
CLIENT, DOOR = "requests", "TensorFlow Serving REST"


@pytest.fixture(scope="module")
def serving(ask: Callable[[str], Answers]) -> Answers:
    """The cases of the script."""
    return ask("requests/tfserving_rest.py")


def test_status_says_available(serving: Answers) -> None:
    """With and without a version."""
    for known in serving["status"].values():
        assert known == [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]


def test_rows_give_predictions(serving: Answers, truth: dict[str, Any]) -> None:
    """The row form, with and without a version."""
    for answer in serving["rows"].values():
        assert list(answer) == ["predictions"]
        check_values(answer["predictions"], truth["net"]["classes"], "float32")


def test_columns_give_outputs(serving: Answers, truth: dict[str, Any]) -> None:
    """The column form of a model with one input and one output."""
    check_values(serving["columns"]["outputs"], truth["net"]["classes"], "float32")


def test_columns_go_by_name(serving: Answers, truth: dict[str, Any]) -> None:
    """The column form of a table."""
    check_values(serving["named_columns"]["outputs"], truth["rents"]["predict_columns"])


@pytest.mark.parametrize(("case", "status"), [("unknown_version", "404"), ("both_forms", "400")])
def test_a_refusal_has_its_status(serving: Answers, case: str, status: str) -> None:
    """An unknown version is not found; rows and columns at once are refused."""
    kind, text = serving.raised(case)

    assert kind == "requests.exceptions.HTTPError"
    assert text.startswith(status)
