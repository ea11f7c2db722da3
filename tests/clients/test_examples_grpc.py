"""The gRPC programs of examples/clients print what the models answer in process."""

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
DOOR = "v2 gRPC"


@pytest.fixture(scope="module", params=["javascript", "go", "java"])
def printed(request: pytest.FixtureRequest, server: Started) -> dict[str, Any]:
    """One run of a program: its lines by label."""
    out = run([str(HERE / "example.sh"), request.param, f"127.0.0.1:{server.event('ListeningGrpc')['port']}"])
    return {label: json.loads(value) for label, _, value in (line.partition(": ") for line in out.splitlines())}


@pytest.fixture(autouse=True)
def _client(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """The table's first column."""
    record_property("client", f"examples/clients/{request.node.callspec.params['printed']}")


def test_it_finds_the_model_ready(printed: dict[str, Any]) -> None:
    """It asks before it predicts."""
    assert printed["ready"] is True


def test_a_table_goes_by_its_columns(printed: dict[str, Any], truth: dict[str, Any]) -> None:
    """Text and numbers; the rows are the first two of truth.py's."""
    columns = truth["rents"]["columns"]
    assert [columns[name][1] for name in ("heating", "area", "built")] == ["gas", 109.5, 1928.0]
    check_values(printed["rents"], truth["rents"]["predict_columns"][:2])


def test_a_tensor_and_two_outputs(printed: dict[str, Any], truth: dict[str, Any]) -> None:
    """Labels and probabilities of two flowers; a stream that outlives an error, where the program has one."""
    assert printed["iris"] == truth["iris"]["predict"][:2]
    check_values(printed["iris probabilities"], np.ravel(truth["iris"]["predict_proba"][:2]))
    labels = truth["iris"]["predict"]
    assert printed.get("stream", [labels[0], "refused", labels[1]]) == [labels[0], "refused", labels[1]]


def test_a_refusal_is_an_error_with_code_and_sentence(printed: dict[str, Any]) -> None:
    """The program shows what the server said."""
    assert printed["refused"]["status"].upper().replace("_", "") == "NOTFOUND"
    assert "No such model" in printed["refused"]["sentence"]
