"""MLflow's client of its scoring server: data frames and arrays to `/invocations`."""

from collections.abc import Callable
from typing import Any

import pytest

from clients.compare import check_values
from clients.conftest import Answers

pytestmark = pytest.mark.slow
CLIENT, DOOR = "mlflow", "/invocations"


@pytest.fixture(scope="module")
def mlflow(ask: Callable[[str], Answers]) -> Answers:
    """The cases of the script."""
    return ask("mlflow/scoring.py")


def test_it_finds_the_server_ready(mlflow: Answers) -> None:
    """By /ping; /version tells something."""
    assert mlflow["waits"]


def test_a_frame_of_text_and_numbers(mlflow: Answers, truth: dict[str, Any]) -> None:
    """With gaps in it."""
    check_values(mlflow["frame"]["data"], truth["rents"]["predict"])


def test_frames_and_arrays_of_numbers(mlflow: Answers, truth: dict[str, Any]) -> None:
    """Columns by name, and a matrix by position."""
    assert mlflow["frame_of_floats"] == truth["iris"]["predict"]
    assert mlflow["array"] == truth["iris"]["predict"]


def test_a_refusal_has_our_sentence(mlflow: Answers) -> None:
    """The client raises a plain exception with status and body in it."""
    _, text = mlflow.raised("missing_column")

    assert "error code 400" in text
    assert "heating" in text
