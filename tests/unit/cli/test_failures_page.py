"""docs/failures.md is the page that a reason leads to: none may be missing, and what it says must be so."""

import re
from pathlib import Path

import pytest

from modelmoor_operator.api.reasons import Course, Reason

PAGE = (Path(__file__).parents[3] / "docs" / "failures.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \|.*\| (\w+) \|$", PAGE, re.MULTILINE))
NEXT = {Course.Stalled: "stalled", Course.Waiting: "waits"}


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_every_reason_is_explained_with_what_happens_next(reason: Reason) -> None:
    """A failure has a row that says whether it heals by itself; any other reason is named as no failure."""
    if reason.course in NEXT:
        assert ROWS.get(reason) == NEXT[reason.course]
    else:
        assert f"`{reason}`" in PAGE
        assert reason not in ROWS


def test_no_row_tells_of_a_reason_that_does_not_exist() -> None:
    """A reason that was renamed leaves no ghost."""
    assert ROWS.keys() <= set(Reason)
