"""Pydantic's JSON schema rewritten as a structural schema: no references, no nulls, no floats, bounds everywhere."""

from typing import Any

from pydantic import BaseModel

from modelmoor_operator.api.types import PUBLISHED_DEFAULT

_VALIDATIONS = "x-kubernetes-validations"
_ORDER = ("description", "type", "format", "default", "enum", "required", "properties")
_KEPT = {
    *_ORDER, "pattern", "minLength", "maxLength", "minimum", "maximum", "items", "maxItems", "additionalProperties",
    "maxProperties", "anyOf", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", _VALIDATIONS,
}  # fmt: skip


class UnstructuralError(ValueError):
    """A type uses something that a structural schema cannot say; the message names the field and the way out."""


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """The structural schema of a type; raises UnstructuralError where a bound is missing or a keyword has no equal."""
    whole = model.model_json_schema(by_alias=True, mode="validation")
    return _node(whole, whole.get("$defs", {}), model.__name__)


def _node(raw: dict[str, Any], definitions: dict[str, Any], path: str) -> dict[str, Any]:
    node = _without_null(_inlined(raw, definitions), definitions)
    for key in ("title", "$defs", "default"):
        node.pop(key, None)
    if PUBLISHED_DEFAULT in node:
        node["default"] = node.pop(PUBLISHED_DEFAULT)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.get("x-kubernetes-preserve-unknown-fields"):
        node.pop("additionalProperties", None)
    _children(node, definitions, path)
    _bounded(node, path)
    unknown = node.keys() - _KEPT
    if unknown:
        raise UnstructuralError(f"{path}: {', '.join(sorted(unknown))} has no place in a structural schema")
    return {key: node[key] for key in sorted(node, key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER))}


def _children(node: dict[str, Any], definitions: dict[str, Any], path: str) -> None:
    if "properties" in node:
        node["properties"] = {
            name: _node(child, definitions, f"{path}.{name}") for name, child in node["properties"].items()
        }
    if "items" in node:
        node["items"] = _node(node["items"], definitions, f"{path}[]")
        node.setdefault("x-kubernetes-list-type", "atomic")
    if isinstance(node.get("additionalProperties"), dict):
        node["additionalProperties"] = _node(node["additionalProperties"], definitions, f"{path}{{}}")


def _inlined(raw: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The definition behind a reference; what stands beside the reference is nearer and wins, rules add up."""
    if "$ref" not in raw:
        return dict(raw)
    beside = {key: value for key, value in raw.items() if key != "$ref"}
    return _merged(_inlined(definitions[raw["$ref"].rsplit("/", 1)[-1]], definitions), beside)


def _without_null(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """An optional field is simply not required: the null that pydantic allows has no place in the object."""
    choices = node.get("anyOf", [])
    if {"type": "null"} not in choices:
        return node
    (choice,) = (choice for choice in choices if choice != {"type": "null"})
    return _merged(_inlined(choice, definitions), {key: value for key, value in node.items() if key != "anyOf"})


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    rules = [*below.get(_VALIDATIONS, []), *above.get(_VALIDATIONS, [])]
    return below | above | ({_VALIDATIONS: rules} if rules else {})


def _bounded(node: dict[str, Any], path: str) -> None:
    """The API server reckons each rule's cost by these bounds, and refuses a schema whose rules may cost too much."""
    match node.get("type"):
        case "string" if not ({"maxLength", "enum"} & node.keys() or node.get("format") == "date-time"):
            raise UnstructuralError(f"{path}: a string needs max_length")
        case "array" if "maxItems" not in node:
            raise UnstructuralError(f"{path}: a list needs max_length")
        case "object" if "additionalProperties" in node and "maxProperties" not in node:
            raise UnstructuralError(f"{path}: a map needs max_length")
        case "integer":
            node.setdefault("format", "int32")
        case "number":
            raise UnstructuralError(f"{path}: no floats; use a patterned string")
