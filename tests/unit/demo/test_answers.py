"""The demo's verdict: an answer is equal, within a tolerance that is named, or not the same."""

from pathlib import Path
from typing import Any

import pytest
from demo.answers import answered, rows, table
from demo.models import Trained

THIRD = 1 / 3
V1 = {"instances": [{"area": 30.5, "heating": None}, {"area": 60.0, "heating": "gas"}]}


def trained(predictions: list[Any], request: dict[str, Any] = V1, truth: list[Any] | None = None) -> Trained:
    return Trained("rents", Path("rents.joblib"), request, predictions, truth or [0] * len(predictions))


def verdicts(predictions: list[Any], answer: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(row.cells[-1], row.same) for row in rows(trained(predictions), answer)]


def v2(datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"outputs": [{"name": "predict", "datatype": datatype, "shape": shape, "data": data}]}


def test_the_same_numbers_are_equal_and_others_are_not() -> None:
    """A wrong answer is never softened."""
    assert verdicts([THIRD, 2.0], {"predictions": [THIRD, 2.01]}) == [("equal", True), ("NO", False)]


def test_a_sum_in_another_order_is_named_by_its_tolerance() -> None:
    """The last bit may differ where a library adds in another order; the table says so."""
    assert verdicts([0.3, 1.0], {"predictions": [0.1 + 0.2, 1.0]}) == [("within 1e-12", True), ("equal", True)]


def test_labels_are_compared_as_text() -> None:
    """Case and type count: "1" is not 1."""
    answer = {"predictions": ["setosa", "1"]}

    assert verdicts(["setosa", 1], answer) == [("equal", True), ("NO", False)]


def test_single_precision_is_compared_as_such() -> None:
    """JSON may write a float32 in fewer digits than Python shows it in: the number is the same."""
    exact = 0.9993425011634827  # float32(0.9993425) as Python shows it
    probabilities = [[exact, 0.25], [0.5, 0.5]]

    assert verdicts(probabilities, v2("FP32", [2, 2], [0.9993425, 0.25, 0.5, 0.75]))[0] == ("equal", True)
    assert verdicts(probabilities, v2("FP32", [2, 2], [0.9993425, 0.25, 0.5, 0.75]))[1] == ("NO", False)
    assert verdicts(probabilities, v2("FP64", [2, 2], [0.9993425, 0.25, 0.5, 0.5]))[0] == ("NO", False)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_one_number_a_row_is_no_list(shape: list[int]) -> None:
    """[n] and [n, 1] are the same answer."""
    assert answered(v2("FP64", shape, [1.0, 2.0])) == ([1.0, 2.0], False)


def test_another_number_of_rows_is_an_error() -> None:
    """zip would hide a lost row."""
    with pytest.raises(ValueError, match="2 rows were asked, 1 were answered"):
        rows(trained([1.0, 2.0]), {"predictions": [1.0]})


def test_the_table_shows_what_was_asked_answered_and_true() -> None:
    """A person reads one line a row."""
    found = rows(trained([[0.1, 0.9], [0.6, 0.4]], truth=[1, 1]), {"predictions": [[0.1, 0.9], [0.6, 0.4]]})

    lines = table(found).splitlines()

    assert lines[0].split() == ["MODEL", "ASKED", "PREDICTED", "TRUE", "AS", "IN", "PROCESS"]
    assert lines[1].split() == ["rents", "area", "30.5,", "heating", "null", "1", "(90.0%)", "1", "equal"]
    assert lines[2].split()[-4:] == ["0", "(60.0%)", "1", "equal"]
