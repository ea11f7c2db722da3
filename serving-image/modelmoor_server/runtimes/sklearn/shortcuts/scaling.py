"""Scalers at the head of a pipeline: the in-place arithmetic of preprocessing/_data.py."""

from typing import Any

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from modelmoor_server.runtimes.flat.description import Scaling
from modelmoor_server.runtimes.sklearn.independence import plain


def scalings(transformer: Any) -> list[Scaling] | None:
    """What a fitted scaler does to its rows, in order; None for anything else."""
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return []
    if not plain(transformer):
        return None
    kind = type(transformer)
    if kind is StandardScaler:
        return _scalings(
            ("subtract", transformer.mean_ if transformer.with_mean else None),
            ("divide", transformer.scale_ if transformer.with_std else None),
        )
    if kind is MinMaxScaler and not transformer.clip:
        return _scalings(("multiply", transformer.scale_), ("add", transformer.min_))
    if kind is MaxAbsScaler and not getattr(transformer, "clip", False):
        return _scalings(("divide", transformer.scale_))
    if kind is RobustScaler:
        return _scalings(
            ("subtract", transformer.center_ if transformer.with_centering else None),
            ("divide", transformer.scale_ if transformer.with_scaling else None),
        )
    return None


def _scalings(*given: tuple[str, np.ndarray | None]) -> list[Scaling] | None:
    found: list[Scaling] = []
    for name, operand in given:
        if operand is None:
            continue
        if type(operand) is not np.ndarray or operand.dtype != np.float64:
            return None
        found.append((name, operand))
    return found
