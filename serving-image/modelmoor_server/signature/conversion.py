"""The requests of both protocols become arrays by public name.

Names: a model of one input takes any name; several inputs, and the columns of a table, go by name; by position only
where the position is the caller's own order of a row (v1 lists, a matrix of all columns).
"""

import base64
import binascii
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from modelmoor_server import json_words
from modelmoor_server.errors import InvalidRequest
from modelmoor_server.signature.floats import binary_of, flat_matrix_of, matrix_of
from modelmoor_server.signature.raw import BF16, from_bytes
from modelmoor_server.signature.types import Datatype, Field, Signature
from modelmoor_server.signature.values import (
    check_shape,
    column_of,
    fit,
    flat_data,
    from_json,
    from_tensor,
    shown,
)

_BINARY_ALONE = (Datatype.FP16, BF16)


def from_tensors(
    signature: Signature, tensors: Iterable[tuple[str, str, Sequence[int], Any]], *, frame: bool = False
) -> dict[str, np.ndarray]:
    """The tensors of a v2 request, each (name, datatype, shape, data), as arrays by public name.

    data: JSON lists, flat or nested, an array of the wire's dtype, or a memoryview of the tensor's bytes (raw.py).
    frame: the tensors are the columns of a table; a model that takes one matrix gets them in the order they came.
    The result has one array a signature input, of the field's datatype (object arrays of str for BYTES), none of
    them a view of the caller's bytes. Raises InvalidRequest.
    """
    given: dict[str, tuple[str, Sequence[int], Any]] = {}
    tensors = list(tensors)
    alone = len(tensors) == 1 and type(tensors[0][3]) is memoryview
    if alone and (array := binary_of(*tensors[0][1:], signature)) is not None:
        return {signature.inputs[0].name: array}
    for name, datatype, shape, data in tensors:
        if name in given:
            raise InvalidRequest(f"input {shown(name)} is given twice")
        if type(data) is memoryview:
            datatype, data = from_bytes(datatype, shape, data, name)
        elif datatype in _BINARY_ALONE and not isinstance(data, np.ndarray):
            # as Triton and KServe have it: what a decimal becomes in 16 bits is for the caller to say
            raise InvalidRequest(
                f"input {shown(name)}: {datatype} has no JSON form; send it as binary data, or as FP32"
            )
        given[name] = datatype, shape, data
    if len(given) == 1:
        ((name, (datatype, shape, data)),) = given.items()
        if len(signature.inputs) == 1:
            if (matrix := flat_matrix_of(datatype, shape, data, signature)) is not None:
                return {signature.inputs[0].name: matrix}
            array = from_tensor(datatype, shape, data, signature.inputs[0], name)
            return {signature.inputs[0].name: _records_from_text(array, name) if signature.records else array}
        if signature.columns is not None and name not in signature.columns and len(shape) == 2:
            return _matrix(signature.inputs, name, datatype, check_shape(shape, name), data)
    elif frame and len(signature.inputs) == 1 and len(signature.inputs[0].shape or (-1, -1)) == 2:
        return {signature.inputs[0].name: _side_by_side(signature.inputs[0], given)}
    _check_names(signature, given.keys())
    return _same_rows({f.name: from_tensor(*given[f.name], f, f.name) for f in signature.inputs}, signature)


def from_instances(signature: Signature, instances: Any) -> dict[str, np.ndarray]:
    """The rows of a v1 request (`instances`) as arrays by public name: objects, lists or single values.

    Objects go by name, lists by position. Raises InvalidRequest.
    """
    if not isinstance(instances, list) or not instances:
        raise InvalidRequest("instances must be a list of at least one row")
    kinds = set(map(type, instances))
    if dict in kinds and len(kinds) > 1:
        odd = next(i for i, row in enumerate(instances) if (type(row) is dict) != (type(instances[0]) is dict))
        raise InvalidRequest(f"row {odd}: objects and other rows do not mix")
    fields = signature.inputs
    if kinds == {list} and (matrix := matrix_of(instances, signature)) is not None:
        return {fields[0].name: matrix}
    if signature.records:
        return {fields[0].name: _records(instances, fields[0].name)}
    if kinds == {dict}:
        return _from_objects(signature, instances)
    if len(fields) == 1 and not (signature.columns and kinds == {list}):
        return {fields[0].name: from_json(instances, fields[0], fields[0].name)}
    for i, row in enumerate(instances):
        if not isinstance(row, list) or len(row) != len(fields):
            raise InvalidRequest(f"row {i}: expected a list of {len(fields)} values, or an object by name")
    return {f.name: from_json([row[i] for row in instances], f, f.name) for i, f in enumerate(fields)}


def from_columns(signature: Signature, inputs: Any) -> dict[str, np.ndarray]:
    """The column form of a v1 request (`inputs`): a mapping from name to values, or the values of the one input.

    Raises InvalidRequest.
    """
    if not isinstance(inputs, Mapping):
        return from_instances(signature, inputs)
    fields = signature.inputs
    if len(fields) == 1 and len(inputs) == 1:
        ((name, values),) = inputs.items()
        named = {fields[0].name: _records(values, name) if signature.records else from_json(values, fields[0], name)}
        return _same_rows(named, signature)
    _check_names(signature, inputs.keys())
    return _same_rows({f.name: from_json(inputs[f.name], f, f.name) for f in fields}, signature)


def _from_objects(signature: Signature, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    fields = signature.inputs
    names = [field.name for field in fields]
    if len(fields) == 1 and len(rows[0]) == 1:
        names = list(rows[0])  # one input: any name is right, the same one in every row
        if names == ["b64"] and fields[0].binary:
            return {fields[0].name: from_json([_unbase64(row, i) for i, row in enumerate(rows)], fields[0], "b64")}
    wanted = set(names)
    for i, row in enumerate(rows):
        if row.keys() != wanted:
            raise InvalidRequest(
                f"row {i}: {_difference(wanted, row.keys(), 'column' if signature.columns else 'input')}"
            )
    return {f.name: from_json([row[n] for row in rows], f, n) for f, n in zip(fields, names, strict=True)}


def _matrix(
    fields: tuple[Field, ...], name: str, datatype: str, shape: tuple[int, ...], data: Any
) -> dict[str, np.ndarray]:
    """One matrix for a model of a table: its columns are taken in training order."""
    width = len(fields)
    if shape[1] != width:
        raise InvalidRequest(f"input {shown(name)}: expected {width} columns, got {shape[1]}")
    if isinstance(data, np.ndarray) and datatype != Datatype.BYTES:
        if data.size != shape[0] * width:
            raise InvalidRequest(
                f"input {shown(name)}: shape {list(shape)} needs {shape[0] * width} values, data has {data.size}"
            )
        table = data.reshape(shape)
        return {f.name: from_tensor(datatype, shape[:1], table[:, i], f, f.name) for i, f in enumerate(fields)}
    flat = flat_data(data, shape, name)
    return {f.name: column_of(datatype, flat[i::width], f, f.name) for i, f in enumerate(fields)}


def _side_by_side(field: Field, given: Mapping[str, tuple[str, Sequence[int], Any]]) -> np.ndarray:
    """The columns of a table as one matrix, in the caller's order: what the estimator would make of the DataFrame."""
    column = replace(field, shape=(-1,), labels=None)
    columns = {name: from_tensor(*tensor, column, name) for name, tensor in given.items()}
    rows = next(iter(columns.values())).size
    odd = next((name for name, array in columns.items() if array.size != rows), None)
    if odd is not None:
        raise InvalidRequest(f"column {shown(odd)}: expected {rows} rows, got {columns[odd].size}")
    mixed = len({array.dtype.kind for array in columns.values()}) > 1
    kept = [array.astype(object) for array in columns.values()] if mixed else list(columns.values())
    return fit(np.column_stack(kept), field, field.name)


def _check_names(signature: Signature, given: Iterable[str]) -> None:
    wanted = {field.name for field in signature.inputs}
    if set(given) != wanted:
        raise InvalidRequest(_difference(wanted, set(given), "column" if signature.columns else "input"))


def _difference(wanted: set[str], given: Iterable[str], word: str) -> str:
    missing, extra = sorted(wanted - set(given)), sorted(set(given) - wanted)
    parts = [
        f"{label} {word}{'s' if len(names) > 1 else ''} {', '.join(map(shown, names[:5]))}"
        + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        for label, names in (("missing", missing), ("unknown", extra))
        if names
    ]
    return "; ".join(parts)


def _same_rows(arrays: dict[str, np.ndarray], signature: Signature) -> dict[str, np.ndarray]:
    counts = {f.name: len(arrays[f.name]) for f in signature.inputs if arrays[f.name].ndim}
    if len(set(counts.values())) > 1:
        shortest, longest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        raise InvalidRequest(
            f"inputs differ in rows: {shown(shortest)} has {counts[shortest]}, {shown(longest)} has {counts[longest]}"
        )
    return arrays


def _records(rows: Any, name: str) -> np.ndarray:
    """Objects of free keys whose values are numbers, text or lists of text, as an object array of dicts."""
    if not isinstance(rows, list):
        raise InvalidRequest(f"input {shown(name)}: expected a list of objects")
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InvalidRequest(f"input {shown(name)}, row {i}: expected an object")
        for value in row.values():
            texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
            if not texts and not isinstance(value, (bool, int, float, str)):
                raise InvalidRequest(f"input {shown(name)}, row {i}: values must be numbers, text or lists of text")
            if type(value) is int and abs(value) > sys.float_info.max:  # what a record becomes is a matrix
                raise InvalidRequest(f"input {shown(name)}, row {i}: a number does not fit FP64")
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return fit(array, Field(name, None, (-1,)), name)


def _records_from_text(array: np.ndarray, name: str) -> np.ndarray:
    rows: list[Any] = []
    for i, text in enumerate(array.tolist()):
        try:
            rows.append(json_words.loads(text))
        except (ValueError, RecursionError):
            raise InvalidRequest(f"input {shown(name)}, row {i}: expected the JSON text of an object") from None
    return _records(rows, name)


def _unbase64(row: dict[str, Any], index: int) -> bytes:
    try:
        return base64.b64decode(row["b64"], validate=True)
    except (binascii.Error, ValueError, TypeError, KeyError):
        raise InvalidRequest(f"row {index}: b64 is not base64") from None
