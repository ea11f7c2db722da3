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


def test_metadata_is_a_signature(serving: Answers) -> None:
    """As TensorFlow Serving writes it."""
    answer = serving["metadata"]
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]

    assert answer["model_spec"]["name"] == "net"
    assert signature["inputs"]["image"]["dtype"] == "DT_FLOAT"
    assert [size["size"] for size in signature["inputs"]["image"]["tensor_shape"]["dim"]] == ["-1", "6", "6", "1"]


def test_text_may_be_base64(serving: Answers, truth: dict[str, Any]) -> None:
    """`{"b64": ...}` stands for the text."""
    assert serving["base64_text"]["predictions"] == truth["text"]["predict"]


def test_nan_is_a_missing_number(serving: Answers, truth: dict[str, Any]) -> None:
    """As Python's json writes it."""
    check_values(serving["not_a_number"]["predictions"], truth["rents"]["predict"][2:])


@pytest.mark.parametrize(
    ("case", "status"),
    [("unknown_version", "404"), ("both_forms", "400"), ("unknown_label", "404"), ("unknown_signature", "400")],
)
def test_a_refusal_has_its_status(serving: Answers, case: str, status: str) -> None:
    """An unknown version or label is not found; rows and columns at once, and unknown signatures, are refused."""
    kind, text = serving.raised(case)

    assert kind == "requests.exceptions.HTTPError"
    assert text.startswith(status)
