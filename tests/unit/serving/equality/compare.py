"""When an answer is equal to the in-process one: section 3 of the research on serving."""

from typing import Any

import numpy as np
from scipy import sparse

RTOL, ATOL = {8: 1e-12, 4: 1e-5, 2: 1e-3}, {8: 0.0, 4: 1e-7, 2: 1e-4}


def plain(answer: Any) -> np.ndarray:
    """What an estimator answers, as one array."""
    return np.asarray(answer.toarray() if sparse.issparse(answer) else answer)


def received(output: dict[str, Any]) -> np.ndarray:
    """An output of a v2 answer as an array of its datatype; null is NaN, as JSON has no other word."""
    data, datatype = output["data"], output["datatype"]
    if datatype == "BYTES":
        array = np.empty(len(data), dtype=object)
        array[:] = data
    else:
        kinds = {"BOOL": "?", "FP": "f", "INT": "i", "UINT": "u"}
        letters = datatype.rstrip("0123456789")
        size = int(datatype[len(letters) :] or 8) // 8
        values = [np.nan if value is None else value for value in data]
        # FP32 is compared after the cast: a JSON number has more digits
        array = np.array(values, dtype=kinds[letters] if letters == "BOOL" else f"{kinds[letters]}{size}")
    return array.reshape(output["shape"])


def differs(got: np.ndarray, wanted: np.ndarray, *, close: bool) -> str | None:
    """What is unequal, in a few words; None where nothing is. close: rounding may differ."""
    if got.shape != wanted.shape:
        return f"shape {got.shape}, not {wanted.shape}"
    if wanted.dtype.kind in "OUS":
        texts = [str(value) for value in wanted.ravel().tolist()]
        return None if [str(value) for value in got.ravel().tolist()] == texts else "other texts"
    if got.dtype.kind != wanted.dtype.kind:
        return f"dtype {got.dtype}, not {wanted.dtype}"
    if wanted.dtype.kind != "f":
        return None if np.array_equal(got, wanted) else "other values"
    wanted = np.where(np.isfinite(wanted), wanted, np.nan)  # JSON writes all of them as null
    if not close or wanted.dtype.itemsize > 8:
        return None if np.array_equal(got, wanted, equal_nan=True) else f"bits, by {_most(got, wanted):.1e}"
    size = wanted.dtype.itemsize
    if np.allclose(got, wanted, rtol=RTOL[size], atol=ATOL[size], equal_nan=True):
        return None
    return f"relative difference {_most(got, wanted):.1e}"


def _most(got: np.ndarray, wanted: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        return float(np.nanmax(np.abs(got - wanted) / np.maximum(np.abs(wanted), 1e-300), initial=0.0))
