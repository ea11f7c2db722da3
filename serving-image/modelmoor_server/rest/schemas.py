"""A signature as JSON Schema (2020-12, as OpenAPI 3.1 has it): a request of each door, with an example."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.signature import Datatype

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference
    from modelmoor_server.signature import Field, Signature

Schema = dict[str, Any]
SHOWN_VALUES = 256  # a larger example explains nothing
SHOWN_LABELS = 20
SHOWN_INPUTS = 64  # a table with more columns is described by one tensor for all of them
_NUMBERS = [datatype.value for datatype in Datatype if datatype.kind in ("integer", "float")]
_FREE: Schema = {"type": ["number", "string", "boolean"]}
_SHAPE: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}}


def row(signature: "Signature") -> Schema:
    """One row of `instances`."""
    fields = signature.inputs
    if signature.records:
        value = {"anyOf": [_FREE, {"type": "array", "items": {"type": "string"}}]}
        return {"type": "object", "description": "Free keys, as the model's vectorizer learned them.",
                "additionalProperties": value}  # fmt: skip
    if len(fields) == 1 and signature.columns is None:
        return _cell(fields[0])
    return {
        "type": "object",
        "properties": {field.name: _cell(field) for field in fields},
        "required": [field.name for field in fields],
        "additionalProperties": False,
    }


def rows(signature: "Signature", item: Schema) -> Schema:
    """A list of rows, as many as the model takes at once."""
    counts = {field.shape[0] for field in signature.inputs if field.shape}
    fixed = {count for count in counts if count != -1}
    bounds = {"minItems": min(fixed), "maxItems": max(fixed)} if fixed else {"minItems": 1}
    return {"type": "array", "items": item, **bounds}


def columns(signature: "Signature") -> Schema:
    """`inputs` of v1: values by input name, or the values of the one input."""
    named = {
        "type": "object",
        "properties": {field.name: rows(signature, _cell(field)) for field in signature.inputs},
        "required": [field.name for field in signature.inputs],
    }
    return named if len(signature.inputs) > 1 else {"anyOf": [named, rows(signature, row(signature))]}


def prediction(fields: Sequence["Field"]) -> Schema:
    """One row of `predictions`."""
    if len(fields) == 1:
        return _cell(fields[0], given=True)
    names = [field.name for field in fields]
    return {
        "type": "object",
        "properties": {field.name: _cell(field, given=True) for field in fields},
        "required": names,
    }


def tensors(signature: "Signature") -> Schema:
    """`inputs` of v2."""
    fields = signature.inputs
    if len(fields) > SHOWN_INPUTS:
        known = sorted({word for field in fields for word in _datatypes(field)})
        name = {"enum": [field.name for field in fields]}
        return {"type": "array", "minItems": 1, "items": _tensor(name, {"enum": known}, {})}
    items = [
        _tensor(
            {"const": field.name} if len(fields) > 1 else {"type": "string", "examples": [field.name]},
            {"enum": _datatypes(field)},
            {} if signature.records else {"description": _told(field)},
        )
        for field in fields
    ]
    if len(fields) == 1:
        return {"type": "array", "minItems": 1, "maxItems": 1, "items": items[0]}
    described = "One tensor an input, in any order" + (
        "; or one matrix of all columns in this order, under any other name." if signature.columns else "."
    )
    if signature.columns:
        items.append(_tensor({"type": "string"}, {"type": "string"}, {}))
    return {"type": "array", "minItems": 1, "description": described, "items": {"anyOf": items}}


def output_tensors(fields: Sequence["Field"]) -> Schema:
    """`outputs` of a v2 answer."""
    items = []
    for field in fields:
        datatype = {"const": field.datatype.value} if field.datatype is not None else {"type": "string"}
        tensor = _tensor({"const": field.name}, datatype, {"description": _told(field)})
        tensor["properties"]["data"]["items"] = _element(field, given=True)
        items.append(tensor)
    return {"type": "array", "items": {"anyOf": items}}


def example(inference: "Inference") -> dict[str, Any] | None:
    """A request that the model answers, for each door: `v1`, `v2`, `frame`. None where none can be made up, or it is
    too large to be read."""
    try:
        arrays = inference.example()
    except InvalidRequest:
        return None
    signature, fields = inference.signature, inference.signature.inputs
    if signature.records or sum(array.size for array in arrays.values()) > SHOWN_VALUES:
        return None
    flat = {name: array.ravel().tolist() for name, array in arrays.items()}
    nested = {name: array.tolist() for name, array in arrays.items()}
    v2 = [
        {"name": f.name, "shape": list(arrays[f.name].shape),
         "datatype": str(f.datatype or Datatype.of(arrays[f.name])), "data": flat[f.name]}
        for f in fields
    ]  # fmt: skip
    if len(fields) == 1 and signature.columns is None:
        whole = nested[fields[0].name]
        return {"v1": {"instances": whole} if arrays[fields[0].name].ndim else {"inputs": whole}, "v2": {"inputs": v2}}
    if not all(array.ndim for array in arrays.values()):
        return {"v1": {"inputs": nested}, "v2": {"inputs": v2}}
    count = min(len(values) for values in nested.values())
    records = [{f.name: nested[f.name][i] for f in fields} for i in range(count)]
    frame = {"columns": [f.name for f in fields], "data": [list(record.values()) for record in records]}
    return {"v1": {"instances": records}, "v2": {"inputs": v2}, "frame": {"dataframe_split": frame}}


def _cell(field: "Field", *, given: bool = False) -> Schema:
    """What one row holds of a field: a value, or lists of the field's further dimensions."""
    if field.shape is None:
        return {"description": "The model does not tell the shape."}
    schema = _element(field, given=given)
    for size in reversed(field.shape[1:]):
        bounds = {} if size == -1 else {"minItems": size, "maxItems": size}
        schema = {"type": "array", "items": schema, **bounds}
    return schema


def _element(field: "Field", *, given: bool = False) -> Schema:
    """One value of a field. given: it is the model's own, and NaN goes out as null."""
    if field.datatype is None:
        schema = dict(_FREE)
    elif field.datatype is Datatype.BYTES:
        schema = {"type": "string"}
    elif field.datatype.kind == "bool":
        schema = {"type": "boolean"}
    elif field.datatype.kind == "float":
        schema = {"type": "number"}
    else:
        bits, unsigned = int(field.datatype.lstrip("UINT")), field.datatype.startswith("U")
        low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        schema = {"type": "integer", "minimum": low, "maximum": high}
    if field.nullable or (given and field.datatype is not None and field.datatype.kind == "float"):
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema["type"] = [*kinds, "null"]
    if field.labels and field.datatype in (None, Datatype.BYTES):
        schema["examples"] = list(field.labels[:SHOWN_LABELS])
    if field.binary:
        base64 = {"type": "string", "contentEncoding": "base64"}
        packed = {"type": "object", "properties": {"b64": base64}, "required": ["b64"]}
        return {"anyOf": [schema, packed]}
    return schema


def _tensor(name: Schema, datatype: Schema, more: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "name": name,
            "shape": dict(_SHAPE),
            "datatype": datatype,
            "data": {"type": "array", "description": "Flat and row-major, or nested."},
            "parameters": {"type": "object"},
        },
        "required": ["name", "shape", "datatype", "data"],
        **more,
    }


def _datatypes(field: "Field") -> list[str]:
    """The datatypes whose values become this field's: numbers are converted, all else is taken as it is."""
    if field.datatype is None:
        return [datatype.value for datatype in Datatype]
    return _NUMBERS if field.datatype.kind in ("integer", "float") else [field.datatype.value]


def _told(field: "Field") -> str:
    shape = "of a shape that the model does not tell" if field.shape is None else f"of shape {list(field.shape)}"
    told = f"{field.datatype or 'A datatype that the model does not tell'}, {shape}; -1 is any size."
    if field.labels:
        more = "" if len(field.labels) <= SHOWN_LABELS else f" and {len(field.labels) - SHOWN_LABELS} more"
        told += f" Labels: {', '.join(field.labels[:SHOWN_LABELS])}{more}."
    return told
