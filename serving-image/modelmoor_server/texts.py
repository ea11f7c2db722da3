"""Texts of NumPy's own kind as Python's; no compiled module, since its loop has to let other threads in."""

import numpy as np

_STEP = 20_000  # texts that are made in one go: some milliseconds


def as_objects(array: np.ndarray) -> np.ndarray:
    """`astype(object)`, in steps between which other threads get the interpreter."""
    if array.size <= _STEP or not array.ndim:
        return array.astype(object)
    texts = np.empty(array.shape, dtype=object)
    step = max(1, _STEP * len(array) // array.size)
    for start in range(0, len(array), step):
        texts[start : start + step] = array[start : start + step]
    return texts
