"""The kernel on its own: what is no tree is refused at once, and no call reads or writes beside its arrays."""

import threading
from typing import Any

import numpy as np
import pytest

from modelmoor_server.native import Ensemble

Parts = dict[str, np.ndarray]


def stump() -> Parts:
    """x[1] <= 0.5 ? 10 : (x[0] <= -1 ? 20 : 30)"""
    return {
        "left": np.array([1, -1, 3, -1, -1]),
        "right": np.array([2, -1, 4, -1, -1]),
        "feature": np.array([1, -2, 0, -2, -2]),
        "threshold": np.array([0.5, -2.0, -1.0, -2.0, -2.0]),
        "values": np.array([0.0, 10.0, 0.0, 20.0, 30.0]),
    }


def ensemble(*trees: Parts, **settings: Any) -> Ensemble:
    """Of two features and one sum, unless told otherwise."""
    arguments: dict[str, Any] = {
        "features": 2, "width": 1, "start": np.zeros(1), "divisor": 1.0, "single": False, **settings
    }  # fmt: skip
    return Ensemble(tuple(tuple(tree.values()) for tree in trees), **arguments)  # type: ignore[arg-type]


def run(kernel: Ensemble, x: np.ndarray, sums: int = 1, by_column: bool = False) -> np.ndarray:
    """The sums [rows, sums]."""
    out = np.empty((sums, len(x)) if by_column else (len(x), sums))
    assert kernel.run(x, out, by_column)
    return out.T if by_column else out


def damaged(part: str, place: int, value: float) -> Parts:
    tree = stump()
    tree[part][place] = value
    return tree


def test_a_tree_is_walked() -> None:
    """Each leaf by its own row, and a number on the threshold goes left."""
    x = np.array([[0.0, 0.5], [-1.0, 0.6], [0.0, 0.6], [0.0, np.nextafter(0.5, 1)], [5.0, -9.0]])
    assert run(ensemble(stump()), x).ravel().tolist() == [10.0, 20.0, 30.0, 30.0, 10.0]
    assert run(ensemble(stump(), single=True), x).ravel().tolist() == [10.0, 20.0, 30.0, 10.0, 10.0]


def test_sums_start_divide_and_lie_as_asked() -> None:
    """Two columns of two trees each, from a start of their own, halved; both layouts tell the same."""
    x = np.array([[0.0, 0.0], [0.0, 1.0], [-2.0, 1.0]] * 9)
    kernel = ensemble(*[stump()] * 4, start=np.array([1.0, 1000.0]), divisor=2.0)
    expected = [[10.5, 510.0], [30.5, 530.0], [20.5, 520.0]] * 9
    assert run(kernel, x, 2).tolist() == expected
    assert run(kernel, x, 2, by_column=True).tolist() == expected


@pytest.mark.parametrize(
    ("part", "place", "value"),
    [
        ("left", 0, 5),
        ("left", 0, 2**31 - 1),
        ("left", 0, 2**62),
        ("left", 0, -2),
        ("right", 0, -1),
        ("right", 0, 5),
        ("right", 0, -(2**62)),
        ("left", 0, 0),
        ("left", 2, 0),
        ("left", 2, 2),
        ("right", 2, 1),
        ("right", 0, 1),
        ("left", 1, 3),
        ("feature", 0, 2),
        ("feature", 0, -1),
        ("feature", 2, 2**40),
        ("threshold", 2, np.nan),
    ],
)
def test_what_is_no_tree_is_refused(part: str, place: int, value: float) -> None:
    """Children out of range, shared or in a circle, features that are not there, a threshold that is no number."""
    with pytest.raises(ValueError):
        ensemble(damaged(part, place, value))
    with pytest.raises(ValueError):
        ensemble(stump(), damaged(part, place, value), stump())


def test_any_damage_is_refused_or_walked_within_bounds() -> None:
    """Thousands of random arrays: each is refused, or every row ends in a leaf of its own values."""
    random = np.random.default_rng(3)
    taken = 0
    x = random.normal(size=(33, 2))
    for _ in range(4000):
        tree = stump()
        for _ in range(random.integers(1, 4)):
            part = str(random.choice(["left", "right", "feature"]))
            tree[part][random.integers(5)] = random.integers(-3, 8)
        try:
            kernel = ensemble(tree)
        except ValueError:
            continue
        taken += 1
        assert set(run(kernel, x).ravel()) <= set(tree["values"])
    assert 0 < taken < 4000


@pytest.mark.parametrize(
    "settings",
    [
        {"features": 0},
        {"features": -1},
        {"features": 2**40},
        {"width": 0},
        {"width": 2},
        {"width": -1},
        {"start": np.zeros(0)},
        {"start": np.zeros(1, dtype=np.float32)},
        {"divisor": 0.0},
        {"divisor": float("nan")},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any]) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError):
        ensemble(stump(), **settings)


def test_arrays_that_do_not_fit_each_other_are_refused() -> None:
    """Lengths, types and layouts of a tree's arrays."""
    for part in stump():
        for wrong in (
            lambda a: a[:-1],
            lambda a: a.astype(np.float32),
            lambda a: np.repeat(a, 2)[::2],
            lambda a: a[:0],
        ):
            tree = stump()
            tree[part] = wrong(tree[part])
            with pytest.raises((ValueError, BufferError)):
                ensemble(tree)
    with pytest.raises(ValueError):
        Ensemble((), 2, 1, np.zeros(1), 1.0, False)
    with pytest.raises(ValueError):
        Ensemble((tuple(stump().values())[:4],), 2, 1, np.zeros(1), 1.0, False)  # type: ignore[arg-type]


def test_a_call_that_does_not_fit_is_refused() -> None:
    """Wrong sizes, types and layouts of a call write nothing."""
    kernel, x, out = ensemble(stump()), np.zeros((3, 2)), np.full((3, 1), 7.0)
    for wrong in (
        np.zeros((3, 3)),
        np.zeros(5),
        np.zeros((4, 2)),
        np.zeros((3, 2), dtype=np.float32),
        np.zeros((3, 4))[:, ::2],
    ):
        with pytest.raises((ValueError, BufferError)):
            kernel.run(wrong, out, False)
    for wrong in (np.zeros((2, 1)), np.zeros((3, 2)), np.zeros((3, 1), dtype=np.int64), np.zeros((6, 1))[::2]):
        with pytest.raises((ValueError, BufferError)):
            kernel.run(x, wrong, False)
    out.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        kernel.run(x, out, False)
    assert (out == 7.0).all()
    with pytest.raises(ValueError):
        ensemble({**stump(), "values": np.zeros((5, 2))}, width=2, start=np.zeros(2)).run(x, np.zeros((3, 2)), True)
    with pytest.raises(TypeError):
        kernel.run(x, out)  # type: ignore[call-arg]


@pytest.mark.parametrize("rows", [1, 5, 16, 40])
def test_numbers_that_are_not_finite_are_told(rows: int) -> None:
    """False wherever one stands; 3.5e38 is infinity to trees of float32 alone."""
    for single in (False, True):
        kernel = ensemble(*[stump()] * 20, single=single)
        for number in (np.nan, np.inf, -np.inf, 3.5e38):
            for row in range(rows):
                x = np.zeros((rows, 2))
                x[row, row % 2] = number
                assert kernel.run(x, np.empty((rows, 1)), False) is (number == 3.5e38 and not single)


def test_the_ensemble_keeps_copies() -> None:
    """Arrays that change afterwards change nothing."""
    tree = stump()
    kernel = ensemble(tree)
    tree["left"][:] = 1_000_000
    tree["values"][:] = -1
    assert run(kernel, np.zeros((20, 2))).ravel().tolist() == [10.0] * 20


def test_threads_do_not_meet() -> None:
    """Large calls let other threads run, and each gets its own answer."""
    random = np.random.default_rng(5)
    kernel = ensemble(*[stump()] * 30, single=True)
    tables = [random.normal(size=(3000, 2)) for _ in range(4)]
    expected = [run(kernel, table).tobytes() for table in tables]
    wrong: list[int] = []

    def ask(number: int) -> None:
        wrong.extend(number for _ in range(30) if run(kernel, tables[number]).tobytes() != expected[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
