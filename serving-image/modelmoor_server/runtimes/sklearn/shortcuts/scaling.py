"""Scalers at the head of a pipeline: the in-place arithmetic of preprocessing/_data.py, on a copy of the rows."""

from typing import Any

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from modelmoor_server.runtimes.sklearn.independence import plain
from modelmoor_server.runtimes.sklearn.shortcuts import Method

Step = tuple[Any, np.ndarray]
"""An in-place ufunc and its second operand."""


def steps(transformer: Any) -> list[Step] | None:
    """What a fitted scaler does to its rows, in order; None for anything else."""
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return []
    if not plain(transformer):
        return None
    kind = type(transformer)
    if kind is StandardScaler:
        return _steps(
            (np.subtract, transformer.mean_ if transformer.with_mean else None),
            (np.divide, transformer.scale_ if transformer.with_std else None),
        )
    if kind is MinMaxScaler and not transformer.clip:
        return _steps((np.multiply, transformer.scale_), (np.add, transformer.min_))
    if kind is MaxAbsScaler and not getattr(transformer, "clip", False):
        return _steps((np.divide, transformer.scale_))
    if kind is RobustScaler:
        return _steps(
            (np.subtract, transformer.center_ if transformer.with_centering else None),
            (np.divide, transformer.scale_ if transformer.with_scaling else None),
        )
    return None


def behind(scalings: list[Step], method: Method) -> Method:
    """`method`, of rows that are scaled before."""
    if not scalings:
        return method

    def scaled(x: np.ndarray) -> np.ndarray:
        rows = x.copy()
        for ufunc, operand in scalings:
            ufunc(rows, operand, out=rows)
        return method(rows)

    return scaled


def _steps(*given: tuple[Any, np.ndarray | None]) -> list[Step] | None:
    found: list[Step] = []
    for ufunc, operand in given:
        if operand is None:
            continue
        if type(operand) is not np.ndarray or operand.dtype != np.float64:
            return None
        found.append((ufunc, operand))
    return found
