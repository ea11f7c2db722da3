"""A signature as JSON and back; what a file says of one is believed only where every word of it fits."""

from collections.abc import Mapping
from typing import Any

from modelmoor_server.signature import Datatype, Field, Signature, Source


def as_json(signature: Signature) -> dict[str, Any]:
    """Everything of a signature in values that JSON has."""
    return {
        "inputs": [_field(field) for field in signature.inputs],
        "outputs": [_field(field) for field in signature.outputs],
        "columns": None if signature.columns is None else list(signature.columns),
        "text": signature.text,
        "records": signature.records,
    }


def from_json(body: Mapping[str, Any]) -> Signature:
    """The signature that `as_json` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    signature = Signature(
        tuple(_field_of(item) for item in _items(body["inputs"])),
        tuple(_field_of(item) for item in _items(body["outputs"])),
        None if body["columns"] is None else _texts(body["columns"]),
        _flag(body["text"]),
        _flag(body["records"]),
    )
    for fields in (signature.inputs, signature.outputs):
        if not fields or len({field.name for field in fields}) < len(fields):
            raise ValueError("no fields, or two of one name")
    return signature


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "datatype": field.datatype,
        "shape": None if field.shape is None else list(field.shape),
        "source": field.source,
        "labels": None if field.labels is None else list(field.labels),
        "binary": field.binary,
        "nullable": field.nullable,
    }


def _field_of(body: Mapping[str, Any]) -> Field:
    return Field(
        text(body["name"]),
        None if body["datatype"] is None else Datatype(body["datatype"]),
        None if body["shape"] is None else tuple(_size(size) for size in _items(body["shape"])),
        Source(body["source"]),
        None if body["labels"] is None else _texts(body["labels"]),
        _flag(body["binary"]),
        _flag(body["nullable"]),
    )


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text(item) for item in _items(value))


def text(value: Any) -> str:
    """The value, where it is a string. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("no truth value")
    return value


def _size(value: Any) -> int:
    if type(value) is not int or not -1 <= value < 1 << 40:
        raise ValueError("no dimension")
    return value
