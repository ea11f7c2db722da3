"""The proof of one estimator: each shortcut against the estimator's own method, bit by bit."""

from typing import Any

import numpy as np
import pytest

from modelmoor_server.runtimes.flat.functions import Method, Unfit
from modelmoor_server.runtimes.sklearn.shortcuts.proof import candidates_of
from unit.serving.native.rows import COUNTS, rows

METHODS = ("predict", "predict_proba", "decision_function")


def methods(estimator: Any) -> dict[str, Method] | None:
    """The functions that are to be proven; None where there are none."""
    return candidates_of(estimator) or None


def same(own: np.ndarray, expected: np.ndarray) -> bool:
    """dtype, shape, layout and every bit (-0.0 is not 0.0)."""
    if own.dtype != expected.dtype or own.shape != expected.shape:
        return False
    if own.dtype == object:
        return bool(np.array_equal(own, expected))
    return own.tobytes() == expected.tobytes() and own.flags.c_contiguous == expected.flags.c_contiguous


def prove(estimator: Any, x: np.ndarray, count: int = 2000) -> None:
    """Every method that the estimator has is there, and answers alike for thousands of rows in calls of many sizes."""
    found = methods(estimator)
    assert found is not None, f"{type(estimator).__name__} is not taken"
    assert set(found) == {name for name in METHODS if hasattr(estimator, name)}
    if getattr(estimator, "n_jobs", None):
        estimator.set_params(n_jobs=1)  # the server's own setting: with several, the order of the sums is by chance
    table = rows(estimator, x, count)
    with np.errstate(all="ignore"):
        for name, method in found.items():
            whole = getattr(estimator, name)(table)
            assert same(method(table), whole), f"{name}, {len(table)} rows"
            begin = 0
            for size in COUNTS * 2:
                part = np.ascontiguousarray(table[begin : begin + size])
                expected = getattr(estimator, name)(part)
                assert same(method(part), expected), f"{name}, {size} rows from {begin}"
                begin = (begin + size) % (len(table) - max(COUNTS))


def unfit(estimator: Any, x: np.ndarray, number: float) -> None:
    """A number that the estimator refuses, or that was not proven, goes back to it."""
    for method in (methods(estimator) or {}).values():
        for row in (0, 5, len(x) - 1):
            table = np.array(x, dtype=np.float64, order="C")
            table[row, -1] = number
            with pytest.raises(Unfit):
                method(table)
