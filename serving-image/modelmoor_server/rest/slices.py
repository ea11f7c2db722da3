"""Large answers become JSON in slices: one long call would hold the interpreter, and health would wait for it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import numpy as np

SLICE = 20_000  # values that are written in one go: some milliseconds


def values(array: "np.ndarray") -> Any:
    """An array as something that `orjson.dumps(..., option=OPT_SERIALIZE_NUMPY)` writes as nested lists."""
    if array.size <= SLICE or not array.ndim:
        return _plain(array)
    rows = max(1, SLICE * len(array) // array.size)
    return joined(len(array), rows, lambda start, end: _plain(array[start:end]))


def joined(count: int, step: int, part: Callable[[int, int], Sequence[Any]]) -> orjson.Fragment:
    """The JSON list of `count` items, of which `part(start, end)` gives some."""
    parts = [
        orjson.dumps(part(start, start + step), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        for start in range(0, count, step)
    ]
    return orjson.Fragment(b"[" + b",".join(parts) + b"]")


def _plain(array: "np.ndarray") -> Any:
    return array.tolist() if array.dtype == object else array
