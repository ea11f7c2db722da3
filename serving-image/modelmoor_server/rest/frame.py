"""Data frames in JSON, as pandas writes them: columns and rows, and the arrays that a model takes.

A frame goes by name where the model knows names (a table, several inputs), and by position where it knows none. No
compiled module, since its loops have to let other threads in.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelmoor_server.errors import InvalidRequest

if TYPE_CHECKING:
    from modelmoor_server.intake import Intake


def arrays(intake: "Intake", columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """A data frame as arrays by public name. Raises InvalidRequest."""
    signature = intake.signature
    if not rows:
        raise InvalidRequest("The data frame has no rows.")
    if signature.records:
        return intake.from_instances([dict(zip(columns, row, strict=True)) for row in rows])
    if signature.columns is not None or len(signature.inputs) > 1:
        texts = {field.name for field in signature.inputs if field.datatype == "BYTES"}
        return intake.from_columns(
            {name: _cells([row[i] for row in rows], text=name in texts) for i, name in enumerate(columns)}
        )
    # The one input has no names for its columns: they go by position, as they would in process.
    cells = [row[0] for row in rows] if len(columns) == 1 else [list(row) for row in rows]
    return intake.from_columns({signature.inputs[0].name: cells})


def _cells(cells: list[Any], *, text: bool) -> list[Any]:
    """A column; pandas writes a missing text as NaN, where JSON has null."""
    if not text and not any(type(cell) is str for cell in cells):
        return cells
    return [None if type(cell) is float and cell != cell else cell for cell in cells]


def of_split(data: Any) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of `dataframe_split`. Raises InvalidRequest."""
    if not isinstance(data, dict) or not data.keys() <= {"columns", "index", "data"} or "data" not in data:
        raise InvalidRequest("dataframe_split must be an object of columns, data and, if you like, index.")
    rows, names = data["data"], data.get("columns")
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise InvalidRequest("dataframe_split: data must be a list of rows, each a list.")
    if names is None:  # pandas numbers them
        names = list(range(len(rows[0]))) if rows else []
    if not isinstance(names, list) or not all(type(name) in (str, int) for name in names):
        raise InvalidRequest("dataframe_split: columns must be a list of names.")
    columns = [str(name) for name in names]
    if len(set(columns)) < len(columns) or not columns:
        raise InvalidRequest("dataframe_split: columns must be at least one name, and none of them twice.")
    odd = next((i for i, row in enumerate(rows) if len(row) != len(columns)), None)
    if odd is not None:
        raise InvalidRequest(f"dataframe_split, row {odd}: expected {len(columns)} values, got {len(rows[odd])}.")
    return columns, rows


def of_records(data: Any) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of `dataframe_records`. Raises InvalidRequest."""
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data) or not data or not data[0]:
        raise InvalidRequest("dataframe_records must be a list of at least one object by column.")
    columns = list(data[0])
    odd = next((i for i, row in enumerate(data) if row.keys() != data[0].keys()), None)
    if odd is not None:
        raise InvalidRequest(f"dataframe_records, row {odd}: its columns are not those of row 0.")
    return columns, [list(map(row.__getitem__, columns)) for row in data]
