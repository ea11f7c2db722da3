"""Which shortcuts an estimator gets: those of its type, if they answer probes exactly as it does itself."""

import logging
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import sklearn
from sklearn.pipeline import Pipeline

from modelmoor_server.runtimes.flat.answers import Shortcuts
from modelmoor_server.runtimes.flat.description import Described, Scaling
from modelmoor_server.runtimes.flat.functions import Method, methods_of
from modelmoor_server.runtimes.sklearn.independence import COMPARED, plain
from modelmoor_server.runtimes.sklearn.outputs import dense
from modelmoor_server.runtimes.sklearn.shortcuts import linear, scaling, trees
from modelmoor_server.runtimes.versions import minor

log = logging.getLogger("modelmoor_server.sklearn")
ROWS = (1, 2, 3, 8, 64)  # of the probes: BLAS chooses its code by the number of rows
SCALES = (0.01, 100.0)  # of three more


def shortcuts_of(estimator: Any, width: int) -> Shortcuts | None:
    """What was proven for a fitted estimator of `width` features; None where that is nothing."""
    candidates = candidates_of(estimator)
    proven = {name: method for name, method in candidates.items() if _equal(estimator, name, method, width)}
    for name in candidates.keys() - proven.keys():
        fields = {"estimator": type(estimator).__name__, "method": name}
        log.warning("ShortcutUnequal", extra={"fields": fields})
    return Shortcuts(proven) if proven else None


def candidates_of(estimator: Any) -> dict[str, Method]:
    """Functions that are to be proven, by method; empty where there are none for this estimator."""
    described = describe(estimator)
    try:
        return methods_of(described) if described is not None else {}
    except ValueError:  # what a forged pickle made of a tree is none, says the kernel
        return {}


def describe(estimator: Any) -> Described | None:
    """A fitted estimator, or a pipeline of scalers before one, in arrays; None for anything that is not on the list."""
    if minor(sklearn.__version__) not in COMPARED or not hasattr(estimator, "__dict__") or not plain(estimator):
        return None
    if type(estimator) is not Pipeline:
        return linear.describe(estimator) or trees.describe(estimator)
    found: list[Scaling] = []
    for _, step in estimator.steps[:-1]:
        more = scaling.scalings(step)
        if more is None:
            return None
        found += more
    last = estimator.steps[-1][1]
    described = describe(last) if type(last) is not Pipeline else None
    return described and replace(described, scalings=tuple(found))


def _equal(estimator: Any, name: str, method: Method, width: int) -> bool:
    """Whether a shortcut gives the estimator's own bits on every probe."""
    own = getattr(estimator, name, None)
    if own is None:
        return False
    for x in probes(width):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wanted = dense(own(x))
            got = dense(method(x))
        except Exception:  # noqa: BLE001 - an estimator raises whatever it likes, and then it is no case for a shortcut
            return False
        if not same_bits(got, wanted):
            return False
    return True


def probes(width: int) -> Iterator[np.ndarray]:
    """Tables of random rows: of sizes for which BLAS has different code, and of three magnitudes."""
    random = np.random.default_rng(0)
    for rows in ROWS:
        yield random.normal(size=(rows, width))
    for scale in SCALES:
        yield random.normal(size=(3, width)) * scale


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays are of one dtype and shape, and equal to the last bit."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind == "O":
        return bool(np.array_equal(one, other))
    return one.tobytes() == other.tobytes()
