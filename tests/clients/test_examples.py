"""The programs of examples/clients print what the models answer in process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.compare import check_values
from clients.conftest import run
from unit.serving.process import Started

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
LANGUAGES = ("javascript", "go", "java")
DOOR = "v1 and v2 REST"


@pytest.fixture(scope="module", params=LANGUAGES)
def printed(request: pytest.FixtureRequest, server: Started) -> dict[str, Any]:
    """One run of a program: its lines by label."""
    out = run([str(HERE / "example.sh"), request.param, f"http://127.0.0.1:{server.port}"])
    return {label: json.loads(value) for label, _, value in (line.partition(": ") for line in out.splitlines())}


@pytest.fixture(autouse=True)
def _client(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """The table's first column."""
    record_property("client", f"examples/clients/{request.node.callspec.params['printed']}")


def test_it_finds_the_server_ready(printed: dict[str, Any]) -> None:
    """It asks before it predicts."""
    assert printed["ready"] is True


def test_rows_of_text_and_numbers(printed: dict[str, Any], truth: dict[str, Any]) -> None:
    """Protocol v1, with missing values; each language writes JSON its own way."""
    check_values(printed["rents"], truth["rents"]["predict"])


def test_a_tensor_and_two_outputs(printed: dict[str, Any], truth: dict[str, Any]) -> None:
    """Protocol v2: labels and probabilities of two flowers."""
    assert printed["iris"] == truth["iris"]["predict"][:2]
    check_values(printed["iris probabilities"], np.ravel(truth["iris"]["predict_proba"][:2]))


def test_a_refusal_is_an_error_with_status_and_sentence(printed: dict[str, Any]) -> None:
    """The program shows what the server said."""
    refused = printed["refused"]

    assert refused["status"] == 400
    assert "missing columns" in refused["sentence"]
