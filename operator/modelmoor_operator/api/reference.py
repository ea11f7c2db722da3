"""The field reference for people, made from the schema, so that it says what `kubectl explain` says."""

from collections.abc import Iterator
from typing import Any

_INTRODUCTION = """\
<!-- Generated from operator/modelmoor_operator/api by `make generate`; do not edit. -->
# ModelDeployment

`{group}/{version}`, namespaced; `kubectl get {plural}` or `{short}`, `kubectl explain {plural}.spec`.
Only `spec.model.uri` is required. The items of a list are written `[]`.
Durations are whole numbers with the units h, m, s and ms, such as `1h30m`; quantities are Kubernetes' own.
No field is immutable: a change that shapes the pods becomes a new revision.
"""
_RULES = "x-kubernetes-validations"


def page(crd: dict[str, Any]) -> str:
    """The reference in Markdown: a table for `spec`, the rules across fields, a table for `status`."""
    names, (version,) = crd["spec"]["names"], crd["spec"]["versions"]
    root = version["schema"]["openAPIV3Schema"]
    introduction = _INTRODUCTION.format(
        group=crd["spec"]["group"], version=version["name"], plural=names["plural"], short=names["shortNames"][0]
    )
    return "\n".join(
        [
            introduction,
            *_table("spec", root["properties"]["spec"]),
            "## Refused at apply",
            "",
            "The API server itself holds the types and bounds above and these rules, also while the operator is down.",
            "",
            *_rules(root),
            "",
            *_table("status", root["properties"]["status"]),
        ]
    )


def _table(name: str, node: dict[str, Any]) -> list[str]:
    rows = [
        f"| `{path}` | {_type(field)}{', required' if required else ''} | {_cell(field.get('description', ''))} |"
        for path, field, required in _fields(name, node)
    ]
    return [f"## {name}", "", node["description"], "", "| field | type | meaning |", "|---|---|---|", *rows, ""]


def _rules(root: dict[str, Any]) -> list[str]:
    found = [("metadata.name", rule) for rule in root[_RULES]]
    for path, field, _ in _fields("spec", root["properties"]["spec"]):
        found += [(path, rule) for rule in field.get(_RULES, [])]
        found += [(f"{path}[]", rule) for rule in field.get("items", {}).get(_RULES, [])]
    return [f"- `{path}`: {rule['message']}" for path, rule in found]


def _fields(path: str, node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every field below a node, in the order of the types: its path, its schema, whether it is required."""
    for name, child in node.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, child, name in node.get("required", ())
        yield from _fields(here, child)
        yield from _fields(f"{here}[]", child.get("items", {}))


def _type(node: dict[str, Any]) -> str:
    if "x-kubernetes-int-or-string" in node:
        return "integer or string"
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    if node["type"] == "array":
        return "list"
    if "additionalProperties" in node:
        return "map"
    return str(node["type"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
