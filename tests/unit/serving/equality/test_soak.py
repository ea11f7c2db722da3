"""`make soak` finds what it looks for, and nothing else."""

import numpy as np
import pytest

from soak.doors import DOORS, HttpDoor, Question
from soak.models import Served

MATRIX = np.arange(8.0).reshape(4, 2)
SCORES = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0], [0.1, 0.9]])
LABELS = np.array(["b", "a", "a", "b"])


def served(*, exact: bool = False) -> Served:
    return Served("m", "", 1.0, {"x": ("FP64", MATRIX)}, {"predict": LABELS, "scores": SCORES}, exact)


@pytest.mark.parametrize(
    ("name", "got", "equal"),
    [
        ("predict", ["a", "a"], True),
        ("predict", ["a", "b"], False),
        ("predict", ["a"], False),
        ("scores", [0.5, 0.5, 1.0, 0.0], True),
        ("scores", [[0.5, 0.5 + 1e-13], [1.0, 0.0]], True),
        ("scores", [0.5, 0.5 + 1e-11, 1.0, 0.0], False),
        ("scores", [1.0, 0.0, 0.5, 0.5], False),
        ("scores", [0.5, 0.5], False),
    ],
)
def test_differences(name: str, got: object, equal: bool) -> None:
    """Other labels, rows, orders and numbers beyond the tolerance are differences."""
    assert (served().differs(name, got, 1, 3) is None) == equal


def test_exact() -> None:
    """Where no bit may differ, none may."""
    assert served(exact=True).differs("scores", [[0.5, 0.5 + 1e-17], [1.0, 0.0]], 1, 3) is None
    assert served(exact=True).differs("scores", [[0.5, 0.5 + 2e-16], [1.0, 0.0]], 1, 3) == "other bits"


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_each_door_asks_for_the_rows(door: HttpDoor) -> None:
    """A question becomes a request for exactly its rows."""
    path, _, body = door.request(Question(served(), 1, 3, ("scores",) if door.any_outputs else ()))

    assert "/models/m" in path
    assert body.replace(b"],[", b",").count(b"2.0,3.0,4.0,5.0") == 1
    assert (b"scores" in body) == door.any_outputs
