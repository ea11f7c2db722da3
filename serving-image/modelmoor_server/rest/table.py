"""CSV in: a line of column names, then rows; the model's own datatypes say what a cell is.

Python's csv module splits, nothing guesses where the type is known: `NA` is a text, `007` in a column of text stays so,
and a number keeps every digit. An empty cell is a missing value.
"""

import csv
import io
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.rest.payload import CONTAINERS

if TYPE_CHECKING:
    from modelmoor_server.signature import Datatype, Signature

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf(?:inity)?|nan", re.IGNORECASE)
csv.field_size_limit(1 << 30)  # the body as a whole is bounded already, and a text may be long
_BOOLEANS = {"true": True, "false": False}


def read(body: bytes, signature: "Signature") -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a CSV body. Raises InvalidRequest, with line, column and row but no value."""
    columns, rows = _lines(body)
    by_name = signature.columns is not None or len(signature.inputs) > 1
    known = {field.name: field.datatype for field in signature.inputs} if by_name else {}
    only = None if by_name or signature.records else signature.inputs[0].datatype
    cells = zip(*rows, strict=True)
    typed = [_typed(name, list(column), known.get(name, only)) for name, column in zip(columns, cells, strict=False)]
    return columns, list(zip(*typed, strict=True))


def _lines(body: bytes) -> tuple[list[str], list[list[str]]]:
    if body.count(b"\n") + body.count(b"\r") > CONTAINERS:
        raise InvalidRequest(f"The CSV has more than {CONTAINERS} lines: send fewer rows a request.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(reader, [])
        if not columns or not all(columns) or len(set(columns)) < len(columns):
            raise InvalidRequest(
                "The first line of the CSV must name each column once; pandas writes it so by to_csv(index=False)."
            )
        rows = []
        for row in reader:
            if len(row) != len(columns) and row:
                raise InvalidRequest(
                    f"The CSV's line {reader.line_num} has {len(row)} cells instead of {len(columns)}."
                )
            if row:  # pandas, too, skips blank lines
                rows.append(row)
    except csv.Error:
        raise InvalidRequest(f"The body is not valid CSV (line {reader.line_num}).") from None
    return columns, rows


def _typed(name: str, cells: list[str], datatype: "Datatype | None") -> list[Any]:
    kind = datatype.kind if datatype is not None else _guess(cells)
    if kind == "text":
        return [cell or None for cell in cells]
    if kind == "bool":
        if any(cell.lower() not in _BOOLEANS for cell in cells if cell):
            _refuse(name, cells, "true or false", lambda cell: cell.lower() in _BOOLEANS)
        return [_BOOLEANS.get(cell.lower()) for cell in cells]
    if not all(_FLOAT.fullmatch(cell) for cell in cells if cell):
        _refuse(name, cells, "a number", lambda cell: _FLOAT.fullmatch(cell) is not None)
    if kind == "integer":
        return [None if not cell else int(cell) if _INTEGER.fullmatch(cell) else float(cell) for cell in cells]
    return [float(cell) if cell else math.nan for cell in cells]


def _guess(cells: list[str]) -> str:
    """What a column of an unknown type holds, as pandas would find."""
    filled = [cell for cell in cells if cell]
    for kind, fits in (
        ("bool", lambda cell: cell.lower() in _BOOLEANS),
        ("integer", _INTEGER.fullmatch),
        ("float", _FLOAT.fullmatch),
    ):
        if filled and all(map(fits, filled)):
            # pandas holds whole numbers with a hole as floats, and truth values with one as objects
            return kind if len(filled) == len(cells) else "float" if kind == "integer" else kind
    return "text"


def _refuse(name: str, cells: list[str], wanted: str, fits: Any) -> NoReturn:
    row = next(i for i, cell in enumerate(cells) if cell and not fits(cell))
    shown = repr(name if len(name) <= 64 else name[:61] + "...")
    raise InvalidRequest(f"column {shown}, row {row}: expected {wanted}")
