"""A description as JSON and one file of arrays, and back: read through a memory map that processes share.

Nothing that a file says is believed: each offset, dtype and shape is checked before an array is made of it, and the
kernel looks at every node of a tree. What is wrong is Unusable, and never a crash.
"""

import math
import mmap
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from modelmoor_server.optimized.manifest import Unusable
from modelmoor_server.runtimes.flat.description import SCALINGS, Described, Flat, Linear, Rule, Scaling, Trees

FILE = "arrays.bin"
ALIGNMENT = 64  # bytes: a line of the cache, and what BLAS likes best
_DTYPES = ("<f8", "<f4", "<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", "|b1")
_LEAF = -1


class NotStorableError(Exception):
    """Something about the model has no form in this file; `str(error)` says what."""


def write(described: Described, folder: Path) -> dict[str, Any]:
    """Write the arrays into `folder`; the JSON that goes with them. Raises NotStorableError."""
    with (folder / FILE).open("wb") as file:

        def put(array: np.ndarray) -> dict[str, Any]:
            if (dtype := array.dtype.newbyteorder("<").str) not in _DTYPES:
                raise NotStorableError("labels of a kind that the file has no form for")
            file.write(b"\0" * (-file.tell() % ALIGNMENT))
            at, column = file.tell(), array.flags.f_contiguous and not array.flags.c_contiguous
            file.write(np.asarray(array, dtype=dtype).tobytes("F" if column else "C"))
            return {"at": at, "dtype": dtype, "shape": list(array.shape), "order": "F" if column else "C"}

        scores, classes = described.scores, described.classes
        return {
            "rule": described.rule,
            "atLeast": described.at_least,
            "scalings": [{"step": name, "operand": put(operand)} for name, operand in described.scalings],
            "linear": _put_linear(scores, put) if isinstance(scores, Linear) else None,
            "trees": _put_trees(scores, put) if isinstance(scores, Trees) else None,
            "classes": None if classes is None else _put_classes(classes, put),
        }


def read(model: Mapping[str, Any], folder: Path) -> Described:
    """The description that was written into `folder`; its arrays are read-only views of the file. Raises Unusable."""
    try:
        with (folder / FILE).open("rb") as file:
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        take = _Taker(whole)
        linear, trees = model["linear"], model["trees"]
        if (linear is None) == (trees is None):
            raise ValueError("two kinds of scores, or none")
        scores = _linear(linear, take) if linear is not None else _trees(trees, take)
        scalings = tuple(_scaling(item, take, scores.features) for item in model["scalings"])
        classes = None if model["classes"] is None else _classes(model["classes"], take)
        described = Described(scores, Rule(model["rule"]), classes, bool(model["atLeast"]), scalings)
        _check(described)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError):
        raise Unusable(f"its manifest and {FILE} do not fit each other") from None
    return described


class _Taker:
    """Arrays out of the mapped file, each within its bounds."""

    def __init__(self, whole: mmap.mmap) -> None:
        self._whole = whole

    def __call__(self, item: Mapping[str, Any], *dtypes: str, dimensions: tuple[int, ...]) -> np.ndarray:
        at, dtype, shape, order = item["at"], item["dtype"], tuple(item["shape"]), item["order"]
        if any(type(size) is not int or size < 0 for size in (at, *shape)) or at % ALIGNMENT or order not in ("C", "F"):
            raise ValueError("no place of an array")
        if dtype not in (dtypes or _DTYPES) or len(shape) not in dimensions:
            raise ValueError("no array of this kind")
        count = math.prod(shape)
        if at + count * np.dtype(dtype).itemsize > len(self._whole):
            raise ValueError("an array beyond the file")
        if not count:
            return np.zeros(shape, dtype)
        return np.frombuffer(self._whole, dtype, count, at).reshape(shape, order=order)


def _put_linear(linear: Linear, put: Any) -> dict[str, Any]:
    return {"coefficients": put(linear.coefficients), "intercept": put(linear.intercept)}


def _linear(item: Mapping[str, Any], take: _Taker) -> Linear:
    linear = Linear(
        take(item["coefficients"], "<f8", dimensions=(1, 2)), take(item["intercept"], "<f8", dimensions=(0, 1))
    )
    scores = 1 if linear.coefficients.ndim == 1 else len(linear.coefficients)
    if not linear.coefficients.size or linear.intercept.size not in (1, scores):
        raise ValueError("coefficients and intercept do not fit")
    return linear


def _put_trees(trees: Trees, put: Any) -> dict[str, Any]:
    """The trees one behind the other; of the values those of leaves, the others are never read."""
    leaves = [left == _LEAF for left, _, _, _, _ in trees.trees]
    parts = list(zip(*trees.trees, strict=True))
    values = [np.reshape(value, (len(leaf), -1))[leaf] for value, leaf in zip(parts[4], leaves, strict=True)]
    return {
        "nodes": put(np.array([len(leaf) for leaf in leaves], dtype=np.int64)),
        "left": put(np.concatenate(parts[0]).astype(np.int32)),
        "right": put(np.concatenate(parts[1]).astype(np.int32)),
        "feature": put(np.concatenate(parts[2]).astype(np.int32)),
        "threshold": put(np.concatenate(parts[3])),
        "leaves": put(np.concatenate(values)),
        "features": trees.features,
        "start": put(trees.start),
        "divisor": trees.divisor,
        "single": trees.single,
        "byColumn": trees.by_column,
    }


def _trees(item: Mapping[str, Any], take: _Taker) -> Trees:
    nodes = take(item["nodes"], "<i8", dimensions=(1,))
    left, right, feature = (take(item[name], "<i4", dimensions=(1,)) for name in ("left", "right", "feature"))
    threshold = take(item["threshold"], "<f8", dimensions=(1,))
    leaves, start = take(item["leaves"], "<f8", dimensions=(2,)), take(item["start"], "<f8", dimensions=(1,))
    count, features, divisor = len(left), item["features"], item["divisor"]
    if not len(nodes) or (nodes < 1).any() or (nodes > count).any() or sum(nodes.tolist()) != count:
        raise ValueError("trees do not fill the arrays")
    if {len(right), len(feature), len(threshold)} != {count} or np.count_nonzero(left == _LEAF) != len(leaves):
        raise ValueError("the arrays of trees are not of one length")
    if type(features) is not int or not 0 < features < 1 << 31 or type(divisor) is not float or not len(start):
        raise ValueError("numbers of another kind")
    places = [0, *np.cumsum(nodes).tolist()]
    flat: list[Flat] = []
    used = 0
    for begin, end in pairwise(places):
        part = slice(begin, end)
        leaf = left[part] == _LEAF
        values = np.zeros((end - begin, leaves.shape[1]))
        mine = int(np.count_nonzero(leaf))
        values[leaf] = leaves[used : used + mine]
        used += mine
        wide = (each[part].astype(np.int64) for each in (left, right, feature))
        flat.append((*wide, threshold[part], values))  # type: ignore[arg-type]
    single, by_column = bool(item["single"]), bool(item["byColumn"])
    return Trees(tuple(flat), features, leaves.shape[1], start, divisor, single, by_column)


def _scaling(item: Mapping[str, Any], take: _Taker, features: int) -> Scaling:
    operand = take(item["operand"], "<f8", dimensions=(1,))
    if item["step"] not in SCALINGS or len(operand) != features:
        raise ValueError("no scaling of these rows")
    return str(item["step"]), operand


def _put_classes(classes: np.ndarray, put: Any) -> dict[str, Any]:
    """Numbers as an array; texts and objects, which have no bytes of their own, as JSON."""
    if classes.dtype.kind not in "UO":
        return {"array": put(classes)}
    values = classes.tolist()
    kinds = {type(value) for value in values}
    if not kinds <= {str, int, bool, float} or any(value != value or value in _ENDLESS for value in values):
        raise NotStorableError("labels of a kind that the file has no form for")
    return {"dtype": classes.dtype.newbyteorder("<").str if classes.dtype.kind == "U" else "O", "values": values}


_ENDLESS = (math.inf, -math.inf)


def _classes(item: Mapping[str, Any], take: _Taker) -> np.ndarray:
    if "array" in item:
        return take(item["array"], dimensions=(1,))
    values, dtype = item["values"], item["dtype"]
    if not isinstance(values, list) or not all(type(value) in (str, int, bool, float) for value in values):
        raise ValueError("no labels")
    if dtype == "O":
        classes = np.empty(len(values), dtype=object)
        classes[:] = values
        return classes
    if not dtype.startswith("<U") or not all(type(value) is str for value in values):
        raise ValueError("no labels")
    return np.array(values, dtype="<U" + str(max(1, *map(len, values))))


def _check(described: Described) -> None:
    """Rule, scores and classes are of one model."""
    scores, rule, classes = described.scores, described.rule, described.classes
    linear = isinstance(scores, Linear)
    if rule in (Rule.VALUE, Rule.EXPONENTIAL):
        if classes is not None:
            raise ValueError("classes of a regressor")
        return
    if classes is None or not len(classes):
        raise ValueError("no classes")
    if isinstance(scores, Linear):
        count = 1 if scores.coefficients.ndim == 1 else len(scores.coefficients)
    else:
        count = len(scores.start)
    fits = {
        Rule.SIDES: linear and len(classes) in (count, 2 if count == 1 else count),
        Rule.LOGISTIC: linear and count == 1 and len(classes) == 2,
        Rule.SOFTMAX: linear and count == len(classes) > 2,
        Rule.SHARES: not linear and count == len(classes),
        Rule.BOOSTED_BINOMIAL: not linear and count == 1 and len(classes) == 2,
        Rule.BOOSTED_EXPONENTIAL: not linear and count == 1 and len(classes) == 2,
        Rule.BOOSTED_MULTINOMIAL: not linear and count == len(classes) > 2,
    }
    if not fits[rule]:
        raise ValueError("classes and scores do not fit")
