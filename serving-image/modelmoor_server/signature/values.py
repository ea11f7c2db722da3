"""JSON values or a wire array become one array of a field's datatype and shape, or a sentence with field and row.

The rules: a number is converted where its value survives; bool, text and numbers never mix; nothing is rounded on the
way (a JSON number for an FP64 field is parsed as FP64, whatever the caller wrote as datatype). Rows count from 0.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.signature.types import Datatype, Field

MAX_RANK = 32
MAX_SIZE = 2**31 - 1  # of a tensor: more elements fit no body, and numpy refuses to count many more, even beside a 0
_WORDS = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    bytes: "text",
    type(None): "null",
    dict: "an object",
    datetime: "a date",
}
_WANTED = {"bool": "a boolean", "integer": "an integer", "float": "a number", "text": "text"}
_TYPES: dict[str, frozenset[type]] = {
    "bool": frozenset({bool}),
    "integer": frozenset({int, float}),
    "float": frozenset({int, float}),
    "text": frozenset({str, bytes}),
}


def shown(name: str) -> str:
    """A caller's name for a tensor as it may stand in a sentence."""
    return repr(name if len(name) <= 64 else name[:61] + "...")


def from_json(values: Any, field: Field, name: str) -> np.ndarray:
    """Nested lists of one field, without a stated datatype (v1). Raises InvalidRequest."""
    flat, shape = _flatten(values, name)
    rows = shape[0] if shape else 1
    return fit(_reshape(_convert(flat, field, field.datatype, rows, name), shape), field, name)


def from_tensor(datatype: str, shape: Sequence[int], data: Any, field: Field, name: str) -> np.ndarray:
    """One tensor of a v2 request: data as lists (flat or nested) or as an array of the wire's dtype.

    Dates (`datetime`, of BYTES) become datetime64 where the field's datatype is not known.
    """
    wire, shape = wire_datatype(datatype, name), check_shape(shape, name)
    _refuse_mixture(wire, field, name)
    if isinstance(data, np.ndarray) and wire is not Datatype.BYTES:
        if data.size != math.prod(shape):
            _refuse_count(name, shape, data.size)
        array = recast(data.reshape(shape), field.datatype or _natural(wire), name)
        return fit(np.require(array, requirements=["ALIGNED", "WRITEABLE"]), field, name)  # not a view of a body
    flat = flat_data(data, shape, name)
    return fit(_reshape(_from_wire(flat, wire, field, shape[0] if shape else 1, name), shape), field, name)


def column_of(datatype: str, values: list[Any], field: Field, name: str) -> np.ndarray:
    """One column out of a matrix of a v2 request."""
    wire = wire_datatype(datatype, name)
    _refuse_mixture(wire, field, name)
    return fit(_from_wire(values, wire, field, len(values), name), field, name)


def flat_data(data: Any, shape: tuple[int, ...], name: str) -> list[Any]:
    """The elements of a tensor in row-major order, as many as its shape says."""
    if isinstance(data, np.ndarray):
        flat, inner = data.ravel().tolist(), data.shape
    elif isinstance(data, list):
        flat, inner = _flatten(data, name)
    else:
        raise InvalidRequest(f"input {shown(name)}: data must be a list")
    if len(flat) != math.prod(shape):
        _refuse_count(name, shape, len(flat))
    if len(inner) > 1 and inner != shape:
        raise InvalidRequest(f"input {shown(name)}: data is nested as {list(inner)}, shape says {list(shape)}")
    return flat


def check_shape(shape: Sequence[int], name: str) -> tuple[int, ...]:
    """The shape of a tensor as a tuple of whole numbers, none of them negative. Raises InvalidRequest."""
    elements = 1 if len(shape) <= MAX_RANK else -1
    for size in shape if elements > 0 else ():
        if type(size) is not int or size < 0:
            elements = -1
            break
        elements *= size or 1
    if elements < 0:
        raise InvalidRequest(f"input {shown(name)}: shape must be a list of at most {MAX_RANK} whole numbers")
    if elements > MAX_SIZE:
        raise InvalidRequest(f"input {shown(name)}: the shape has more than {MAX_SIZE} elements")
    return tuple(shape)


def fit(array: np.ndarray, field: Field, name: str) -> np.ndarray:
    """The array in the field's shape; [n] and [n, 1] stand for each other, nothing else does."""
    wanted = field.shape
    if wanted is None:
        if array.ndim == 0:
            raise InvalidRequest(f"input {shown(name)}: expected a list of rows")
        return array
    if wanted == () and array.size == 1:
        return array.reshape(())
    if len(wanted) == 1 and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    elif len(wanted) == 2 and wanted[1] == 1 and array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != len(wanted) or any(-1 != want != have for want, have in zip(wanted, array.shape, strict=True)):
        raise InvalidRequest(f"input {shown(name)}: expected shape {list(wanted)}, got {list(array.shape)}")
    if array.ndim and array.shape[0] == 0:
        raise InvalidRequest(f"input {shown(name)}: there are no rows")
    return array


def _flatten(value: Any, name: str) -> tuple[list[Any], tuple[int, ...]]:
    """Nested lists as one flat list and its shape; lists of unequal length are refused."""
    if not isinstance(value, list):
        return [value], ()
    flat, shape = value, [len(value)]
    while list in (kinds := set(map(type, flat))):
        if len(shape) == MAX_RANK:
            raise InvalidRequest(f"input {shown(name)}: lists are nested deeper than {MAX_RANK}")
        if len(kinds) > 1:
            odd = next(i for i, item in enumerate(flat) if (type(item) is list) != (type(flat[0]) is list))
            _refuse(name, odd, len(flat), value, "a list stands beside a single value")
        lengths = set(map(len, flat))
        if len(lengths) > 1:
            odd = next(i for i, item in enumerate(flat) if len(item) != len(flat[0]))
            _refuse(name, odd, len(flat), value, f"expected {len(flat[0])} values, got {len(flat[odd])}")
        shape.append(lengths.pop())
        flat = list(chain.from_iterable(flat))
    return flat, tuple(shape)


def _from_wire(flat: list[Any], wire: Datatype, field: Field, rows: int, name: str) -> np.ndarray:
    target = field.datatype or _natural(wire)
    if wire.kind in ("float", "text"):
        return _convert(flat, field, target, rows, name)
    if None in flat and field.nullable:  # a missing whole number: pandas holds such a column as floats
        return _convert(flat, field, Datatype.FP64, rows, name)
    array = _convert(flat, replace(field, nullable=False), wire, rows, name)
    return recast(array, target, name, rows)


def _convert(flat: list[Any], field: Field, target: Datatype | None, rows: int, name: str) -> np.ndarray:
    kinds = set(map(type, flat))
    if datetime in kinds and field.datatype is None:
        return _dates(flat, field, rows, name)
    if target is None:
        return _guess(flat, kinds, field, rows, name)
    allowed = _TYPES[target.kind]
    holes = type(None) in kinds and field.nullable
    if kinds - allowed - ({type(None)} if holes else set()):
        odd = next(i for i, v in enumerate(flat) if type(v) not in allowed and not (v is None and holes))
        word = _WORDS.get(type(flat[odd]), type(flat[odd]).__name__)
        _refuse(name, odd, len(flat), rows, f"expected {_WANTED[target.kind]}, got {word}")
    if holes:
        flat = [math.nan if v is None else v for v in flat]
        target = Datatype.FP64 if target.kind == "integer" else target
    if target.kind == "text":
        return _objects(flat if field.binary else _decoded(flat, kinds, rows, name))
    if target.kind == "integer" and float in kinds:
        flat = _integers(flat, rows, name)
    if target.kind == "float":
        return recast(_array(flat, np.dtype(np.float64), rows, name), target, name, rows)
    return _array(flat, target.numpy, rows, name)


def _guess(flat: list[Any], kinds: set[type], field: Field, rows: int, name: str) -> np.ndarray:
    """Values of a field whose datatype nobody knows, as pandas would hold them: one kind a column."""
    for target in (Datatype.BOOL, Datatype.INT64, Datatype.FP64, Datatype.BYTES):
        wanted = _TYPES[target.kind] if target is not Datatype.INT64 else {int}
        if kinds - {type(None)} <= wanted and (type(None) not in kinds or target.kind in ("float", "text")):
            return _convert(flat, field, target, rows, name)
    if kinds <= {bool, int, float, str, type(None)} and (len(field.shape or ()) > 1 or kinds <= {bool, type(None)}):
        return _objects([math.nan if v is None else v for v in flat])
    odd = next(i for i, v in enumerate(flat) if type(v) is not type(flat[0]))
    return _refuse(name, odd, len(flat), rows, "text, booleans and numbers do not mix in one input")


def _dates(flat: list[Any], field: Field, rows: int, name: str) -> np.ndarray:
    """Dates and missing ones, in the unit in which pandas reads them."""
    if None in flat and not field.nullable:
        _refuse(name, flat.index(None), len(flat), rows, "expected a date, got null")
    return np.array(flat, dtype="datetime64[us]")


def _array(flat: list[Any], dtype: np.dtype[Any], rows: int, name: str) -> np.ndarray:
    try:
        return np.array(flat, dtype=dtype)
    except OverflowError:
        odd = next((i for i, v in enumerate(flat) if not _holds(v, dtype)), 0)
        return _refuse(name, odd, len(flat), rows, f"the number does not fit {Datatype.of(np.empty(0, dtype))}")


def _holds(value: Any, dtype: np.dtype[Any]) -> bool:
    try:
        np.array([value], dtype=dtype)
    except OverflowError:
        return False
    return True


def _integers(flat: list[Any], rows: int, name: str) -> list[Any]:
    odd = next((i for i, v in enumerate(flat) if type(v) is float and not v.is_integer()), None)
    if odd is not None:
        _refuse(name, odd, len(flat), rows, "expected an integer, got a fraction")
    # the parser rounds what lies below INT64 to a float, which may then look like INT64's own least value
    below = next((i for i, v in enumerate(flat) if type(v) is float and v <= -(2.0**63)), None)
    if below is not None:
        _refuse(name, below, len(flat), rows, "the number does not fit INT64")
    return [int(v) for v in flat]


def _decoded(flat: list[Any], kinds: set[type], rows: int, name: str) -> list[Any]:
    if bytes not in kinds:
        return flat
    text: list[Any] = []
    for i, value in enumerate(flat):
        try:
            text.append(value.decode() if type(value) is bytes else value)
        except UnicodeDecodeError:
            _refuse(name, i, len(flat), rows, "the text is not UTF-8")
    return text


def _objects(flat: list[Any]) -> np.ndarray:
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array


def recast(array: np.ndarray, target: Datatype, name: str, rows: int | None = None) -> np.ndarray:
    """An array of numbers (or booleans, or text) in another dtype of its kind, each value intact."""
    dtype = target.numpy
    if array.dtype == dtype:
        return array
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if array.dtype.kind == "f":
            bad = ~(np.isfinite(array) & (array == np.trunc(array)))
            bad |= (array < float(info.min)) | (array >= float(info.max) + 1)
        elif array.size and (int(array.min()) < info.min or int(array.max()) > info.max):
            bad = np.array([not info.min <= int(v) <= info.max for v in array.ravel()])
        else:
            bad = np.zeros(0, dtype=bool)
        out = None if bad.any() else array.astype(dtype)
    else:
        with np.errstate(over="ignore"):
            out = array.astype(dtype)
        bad = np.isfinite(array) & ~np.isfinite(out)
    if out is None or bad.any():
        odd = int(np.flatnonzero(bad)[0])
        _refuse(name, odd, array.size, rows or max(len(array), 1), f"the number does not fit {target}")
    return out


def _natural(wire: Datatype) -> Datatype:
    return Datatype.FP64 if wire.kind == "float" else wire


def wire_datatype(datatype: str, name: str) -> Datatype:
    """What a caller calls a datatype. Raises InvalidRequest."""
    try:
        return Datatype(datatype)
    except ValueError:
        raise InvalidRequest(f"input {shown(name)}: unknown datatype; known are {', '.join(Datatype)}") from None


def _refuse_mixture(wire: Datatype, field: Field, name: str) -> None:
    """Text, booleans and numbers are three worlds."""
    target = field.datatype
    if target is not None and _world(wire) != _world(target):
        raise InvalidRequest(f"input {shown(name)}: expected {target}, got {wire}")


def _world(datatype: Datatype) -> str:
    return "number" if datatype.kind in ("integer", "float") else datatype.kind


def _reshape(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return array if array.shape == shape else array.reshape(shape)


def _refuse_count(name: str, shape: Sequence[int], count: int) -> NoReturn:
    raise InvalidRequest(f"input {shown(name)}: shape {list(shape)} needs {math.prod(shape)} values, data has {count}")


def _refuse(name: str, odd: int, count: int, rows: Any, what: str) -> NoReturn:
    """Names the row of flat element `odd` out of `count`; rows is their number, or the list of them."""
    rows = len(rows) if isinstance(rows, list) else rows
    raise InvalidRequest(f"input {shown(name)}, row {odd * max(rows, 1) // max(count, 1)}: {what}")
