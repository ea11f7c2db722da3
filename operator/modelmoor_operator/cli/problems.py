"""What is wrong with a ModelDeployment, field by field: unknown fields, which pydantic lets pass, and wrong values."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelmoor_operator.api import crd
from modelmoor_operator.api.v1alpha1 import API_VERSION, InvalidObject, ModelDeployment

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """One finding: the path of the field, and a sentence that never quotes a value."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def problems(body: Body) -> list[Problem]:
    """All findings of one object, unknown fields last; an empty list means that the schema takes it."""
    found = list(_envelope(body))
    if found:
        return found
    try:
        ModelDeployment.parse(with_namespace(body, "default"))
    except InvalidObject as error:
        found += [Problem(*problem.split(": ", 1)) for problem in error.problems]
    return found + list(_unknown(body.get("spec"), _schema()["properties"]["spec"], "spec"))


def with_namespace(body: Body, namespace: str) -> dict[str, Any]:
    """The object in its own namespace, or in the one given where it names none, as kubectl does."""
    return {**body, "metadata": {"namespace": namespace, **body["metadata"]}}


def _envelope(body: Body) -> Iterator[Problem]:
    if body.get("apiVersion") != API_VERSION:
        yield Problem("apiVersion", f"this version reads {API_VERSION}")
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        yield Problem("metadata.name", "a name is needed")
    if not isinstance(body.get("spec"), dict):
        yield Problem("spec", "is needed; the smallest is {model: {uri: ...}}")
    known = _schema()["properties"]
    yield from (Problem(key, _no_such(key, known)) for key in body if key not in known)


def _unknown(value: Any, schema: Body, path: str) -> Iterator[Problem]:
    """The API server drops a field that it does not know; a person who wrote it meant something."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, dict) and "properties" in schema:
        for key, child in value.items():
            if key in schema["properties"]:
                yield from _unknown(child, schema["properties"][key], f"{path}.{key}")
            else:
                yield Problem(f"{path}.{key}", _no_such(str(key), schema["properties"]))
    elif isinstance(value, list) and "items" in schema:
        for index, child in enumerate(value):
            yield from _unknown(child, schema["items"], f"{path}[{index}]")


def _no_such(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"no such field; did you mean {near[0]}?" if near else f"no such field; there are {', '.join(sorted(known))}"


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = crd.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema
