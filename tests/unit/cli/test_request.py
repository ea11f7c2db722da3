"""How `moor predict` reads a request and knows its protocol."""

from pathlib import Path
from typing import Any

import pytest

from modelmoor_operator.cli import request
from modelmoor_operator.cli.errors import CommandError

TENSOR = {"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"instances": [[1, 2]]}, "/v1/models/iris:predict"),
        ({"inputs": {"a": [1]}}, "/v1/models/iris:predict"),
        ({"inputs": [[1, 2]]}, "/v1/models/iris:predict"),
        ({"inputs": [TENSOR]}, "/v2/models/iris/infer"),
    ],
)
def test_the_body_tells_the_protocol(body: dict[str, Any], path: str) -> None:
    """Tensors with a datatype are v2; instances and columns are v1."""
    assert request.path("iris", body) == path


@pytest.mark.parametrize("body", [{}, [], {"data": [1]}, "text", None])
def test_a_body_of_neither_protocol_shows_both(body: Any) -> None:
    """Better told here than by a 400."""
    with pytest.raises(CommandError, match="speaks neither protocol"):
        request.path("iris", body)


def test_a_request_is_text_or_a_file(tmp_path: Path) -> None:
    """As with curl: -d JSON or -d @FILE."""
    file = tmp_path / "request.json"
    file.write_text('{"instances": [1]}')

    assert request.read('{"instances": [1]}') == request.read(f"@{file}") == {"instances": [1]}


def test_a_forgotten_at_sign_is_guessed() -> None:
    """The commonest slip gets its next step."""
    with pytest.raises(CommandError, match="-d @FILE"):
        request.read("request.json")


def test_a_broken_file_is_told_with_its_line(tmp_path: Path) -> None:
    """And never with its content."""
    file = tmp_path / "request.json"
    file.write_text('{\n"instances": [secret]}')

    with pytest.raises(CommandError, match="line 2, column 15") as told:
        request.read(f"@{file}")

    assert "secret" not in str(told.value)
