"""numpy's dtypes, arrays and scalars out of a pickle, made by us from checked parts.

A forged `dtype.__setstate__` crashes the process while it loads; hence dtypes are made from plain codes and fields,
and only what numpy itself says about such a dtype is ever handed to it.
"""

import math
import re
from typing import Any

import numpy as np

from modelmoor_server.runtimes.sklearn.listed.stream import NotListedError, Stream

MAX_RANK = 32
_CODE = re.compile(r"[<|=]?(b1|i[1248]|u[1248]|f[248]|O8?|S\d{1,6}|U\d{1,6}|\?|[bBhHiIlLqQefd])")
_RECORD = re.compile(r"[|]?V(\d{1,4})")
_PLAIN_STATE = ("<", "|", "=")


def dtype(code: Any, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    """`numpy.dtype(code, align, copy)` of a fixed set of codes; a record of `V<n>` gets its fields by `set_dtype`."""
    if not isinstance(code, str) or not (_CODE.fullmatch(code) or _RECORD.fullmatch(code)):
        raise NotListedError("it holds a dtype that is not on the list")
    return np.dtype(code)


def set_dtype(target: np.dtype[Any], state: Any) -> None:
    """The state of a dtype: nothing but its byte order, or the fields of a record."""
    order, subarray, names, fields, size, alignment = state[1:7]
    if order not in _PLAIN_STATE or subarray is not None or len(state) not in (8, 9):
        raise NotListedError("it holds a dtype that is not on the list")
    if names is None and fields is None:
        return
    if not target.kind == "V" or target.names is not None or len(names) > 64 or set(names) != set(fields):
        raise NotListedError("it holds a record dtype that is not on the list")
    parts, end = [], 0
    for name in names:
        part, offset = fields[name][:2]
        if not isinstance(name, str) or part.kind not in "biuf" or type(offset) is not int or offset < end:
            raise NotListedError("it holds a record dtype that is not on the list")
        end = offset + part.itemsize
        parts.append((part, offset))
    if type(size) is not int or not end <= size <= 4096 or size != target.itemsize:
        raise NotListedError("it holds a record dtype that is not on the list")
    formats, offsets = [part for part, _ in parts], [offset for _, offset in parts]
    description: Any = {"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size}
    honest = np.dtype(description, align=alignment != 1)
    target.__setstate__(honest.__reduce__()[2])  # type: ignore[attr-defined]  # NumPy's types leave it out


def checked_shape(shape: Any, itemsize: int, size: int) -> tuple[int, ...]:
    """A shape whose elements are exactly `size` bytes."""
    if not isinstance(shape, tuple) or len(shape) > MAX_RANK or any(type(n) is not int or n < 0 for n in shape):
        raise NotListedError("it holds an array of no possible shape")
    if math.prod(shape) * itemsize != size:
        raise NotListedError("it holds an array whose bytes do not fit its shape")
    return shape


def empty_array(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """`_reconstruct(ndarray, (0,), b"b")`, with these arguments alone; the state follows."""
    if kind is not np.ndarray or shape != (0,) or code not in (b"b", "b"):
        raise NotListedError("it makes an array in a way that is not on the list")
    return np.ndarray((0,), "b")


def set_array(target: np.ndarray, state: Any) -> None:
    """`ndarray.__setstate__` with as many bytes, or objects, as the shape says."""
    _, shape, kind, fortran, data = state
    if not isinstance(kind, np.dtype):
        raise NotListedError("it holds an array without a dtype")
    if kind.hasobject:
        if kind != np.dtype(object) or not isinstance(data, list):
            raise NotListedError("it holds an array of objects without its objects")
        checked_shape(shape, 1, len(data))
    else:
        if not isinstance(data, (bytes, bytearray)):
            raise NotListedError("it holds an array without its bytes")
        checked_shape(shape, kind.itemsize, len(data))
    held: Any = data if isinstance(data, list) else bytes(data)
    whole: Any = (1, shape, kind, bool(fortran), held)
    target.__setstate__(whole)


def from_buffer(data: Any, kind: Any, shape: Any, order: Any, axis: Any = None) -> np.ndarray:
    """`numpy._core.numeric._frombuffer` of protocol 5, with matching length."""
    if not isinstance(data, (bytes, bytearray)) or not isinstance(kind, np.dtype) or kind.hasobject:
        raise NotListedError("it holds an array without its bytes")
    checked_shape(shape, kind.itemsize, len(data))
    if order not in ("C", "F") or axis is not None:
        raise NotListedError("it holds an array in an order that is not on the list")
    return np.frombuffer(bytearray(data), dtype=kind).reshape(shape, order=order)


def scalar(kind: Any, data: Any) -> Any:
    """`numpy._core.multiarray.scalar`, with matching length."""
    if not isinstance(kind, np.dtype) or kind.hasobject or not isinstance(data, bytes) or len(data) != kind.itemsize:
        raise NotListedError("it holds a number whose bytes do not fit it")
    return np.frombuffer(data, dtype=kind)[0]


class JoblibArray:
    """joblib's place holder: the array's bytes lie behind it in the stream."""


def read_joblib(state: Any, stream: Stream) -> "np.ndarray | None":
    """The array behind a place holder; None where its objects follow as a pickle of their own."""
    kind, shape, order = state["dtype"], state["shape"], state["order"]
    if state["subclass"] is not np.ndarray or not isinstance(kind, np.dtype) or order not in ("C", "F"):
        raise NotListedError("it holds an array of a kind that is not on the list")
    if kind.hasobject:
        return None
    if state.get("numpy_array_alignment_bytes") is not None:
        stream.read(stream.read(1)[0])
    size = math.prod(shape) * kind.itemsize if all(type(n) is int and n >= 0 for n in shape) else -1
    data = stream.read(size)  # refuses beyond the budget before it allocates
    array = np.frombuffer(bytearray(data), dtype=kind)
    return array.reshape(checked_shape(shape, kind.itemsize, size), order=order)
