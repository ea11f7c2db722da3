"""From types to a structural schema."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import Field

from controlplane.cel_cases import INVALID
from modelmoor_operator.api import schema
from modelmoor_operator.api.crd import definition
from modelmoor_operator.api.reference import page
from modelmoor_operator.api.rules import rules
from modelmoor_operator.api.types import Quantity, Wire, named_by, published_default


class Inner(Wire):
    """The inner part."""

    name: str = Field(max_length=8, description="Its name.")


def test_a_schema_has_no_references_nulls_titles_or_hidden_defaults() -> None:
    """What pydantic says beyond a structural schema is gone: an optional field is simply not required."""

    class Outer(Wire):
        """The outer part."""

        one: Literal["A"] = "A"
        short_name: str | None = Field(default=None, max_length=8)
        inner: Inner | None = Field(
            default=None, description="Nearer words.", json_schema_extra=rules(("true", "never"))
        )
        count: int = Field(default=1, ge=0, json_schema_extra=published_default(1))

    assert schema.structural(Outer) == {
        "description": "The outer part.",
        "type": "object",
        "properties": {
            "one": {"type": "string", "enum": ["A"]},
            "shortName": {"type": "string", "maxLength": 8},
            "inner": {
                "description": "Nearer words.",
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"description": "Its name.", "type": "string", "maxLength": 8}},
                "x-kubernetes-validations": [{"rule": "true", "message": "never"}],
            },
            "count": {"type": "integer", "format": "int32", "default": 1, "minimum": 0},
        },
    }


def test_lists_say_how_they_are_merged() -> None:
    """A list whose items have names is a map to server-side apply; any other is one value."""

    class Lists(Wire):
        plain: tuple[int, ...] = Field(default=(), max_length=2)
        named: tuple[Inner, ...] = Field(default=(), max_length=2, json_schema_extra=named_by("name"))

    properties = schema.structural(Lists)["properties"]

    assert properties["plain"]["x-kubernetes-list-type"] == "atomic"
    assert properties["named"]["x-kubernetes-list-type"] == "map"
    assert properties["named"]["x-kubernetes-list-map-keys"] == ["name"]


class Unbounded(Wire):
    text: str = ""


class UnboundedList(Wire):
    items: tuple[int, ...] = ()


class UnboundedMap(Wire):
    labels: dict[str, Quantity] = Field(default_factory=dict)


class Fraction(Wire):
    ratio: float = 0.5


class Above(Wire):
    count: int = Field(default=1, gt=0)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Unbounded, "Unbounded.text: a string needs max_length"),
        (UnboundedList, "UnboundedList.items: a list needs max_length"),
        (UnboundedMap, "UnboundedMap.labels: a map needs max_length"),
        (Fraction, "Fraction.ratio: no floats"),
        (Above, "Above.count: exclusiveMinimum has no place"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_type_that_the_api_server_would_refuse_is_found_here(model: type[Wire], says: str) -> None:
    """The engineer who adds a field is told which bound is missing, before any cluster is."""
    with pytest.raises(schema.UnstructuralError, match=says):
        schema.structural(model)


def nodes(path: str, node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A schema and all that is below it, with paths."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(f"{path}.{name}", child)
    for step, key in (("[]", "items"), ("{}", "additionalProperties")):
        if isinstance(node.get(key), dict):
            yield from nodes(path + step, node[key])


ROOT = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
NODES = [
    (path, node)
    for part in ("spec", "status")
    for path, node in nodes(part, ROOT["properties"][part])
    if "{}" not in path
]


def test_every_field_has_a_sentence_for_kubectl_explain() -> None:
    """`kubectl explain` never shows an empty field; each description is a sentence."""
    silent = [path for path, node in NODES if not node.get("description", "").endswith(".")]

    assert silent == []


def test_defaults_stand_only_where_we_mean_them() -> None:
    """The API server writes two defaults, and none inside a list (it would be patched at each apply)."""
    assert {path: node["default"] for path, node in NODES if "default" in node} == {
        "spec.replicas": 1,
        "status": {"observedGeneration": -1},
    }


def test_every_rule_is_broken_by_a_case() -> None:
    """A rule that no case breaks could be wrong without anybody seeing it."""
    messages = {
        rule["message"] for _, node in [("", ROOT), *NODES] for rule in node.get("x-kubernetes-validations", [])
    }

    assert len(messages) > 10
    assert {text for text in messages if not any(case.says and case.says in text for case in INVALID)} == set()


def test_the_reference_tells_every_field_and_rule() -> None:
    """The page for people is as complete as the schema."""
    text = page(definition())

    missing = [
        path
        for path, _ in NODES
        if path not in ("spec", "status") and not path.endswith("[]") and f"`{path}`" not in text
    ]
    assert missing == []
    assert "minReplicas must not exceed maxReplicas" in text
