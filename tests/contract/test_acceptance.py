"""docs/acceptance.md says which test holds which check: what it names is there, and no check is missing."""

import ast
import re

from support.machine import ROOT

PAGE = (ROOT / "docs" / "acceptance.md").read_text()
ROWS = {int(match[1]): match[0] for match in re.finditer(r"^\| (\d+) \|.*$", PAGE, re.MULTILINE)}
CHECKS = range(1, 26)
LATER = "not yet"


def named_in(path: str) -> set[str]:
    """The names of the functions of a file: tests, or the steps of a longer run."""
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_every_check_has_a_row() -> None:
    """Each of the 25 checks is held by a test, or the row says why it is not."""
    assert list(ROWS) == list(CHECKS)
    assert [number for number, row in ROWS.items() if "::" not in row and LATER not in row] == []


def test_every_named_test_exists() -> None:
    """A test that is renamed or removed takes the promise with it, unless the page is changed as well."""
    named = re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", PAGE)

    assert len(named) > len(CHECKS)
    assert [
        f"{path}::{name}" for path, name in named if not (ROOT / path).is_file() or name not in named_in(path)
    ] == []


def test_every_named_target_exists() -> None:
    """The targets are those of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`make ([a-z-]+)`", PAGE)) <= targets
