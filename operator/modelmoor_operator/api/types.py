"""The ground under every type of the custom resource: camelCase outside, snake_case inside, Kubernetes' scalars."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from modelmoor_operator.api import durations, quantities

OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
"""What Kubernetes takes as the name of a Secret, a ConfigMap or a ServiceAccount."""

PUBLISHED_DEFAULT = "x-modelmoor-default"
"""Where a field says, among its schema's extras, which default the API server writes."""


class Wire(BaseModel):
    """One object of the custom resource. Fields that this version does not know are ignored, never refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
    )

    def wire(self) -> dict[str, Any]:
        """What was set, as it stands in YAML: camelCase, canonical quantities and durations, no defaults, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


def named_by(key: str) -> dict[str, Any]:
    """Says that a list's items are known by one of their fields, so that two appliers can each own theirs."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def published_default(value: object) -> dict[str, Any]:
    """A default that the API server writes; the others stay unset, so that a revision's hash ignores them."""
    return {PUBLISHED_DEFAULT: value}


FREE_FORM: dict[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}


def typed_free_form(what: str, types: str) -> dict[str, Any]:
    """The schema of an object that is passed through: its `type` must be there, the rest is another kind's to judge."""
    known = {"type": {"type": "string", "minLength": 1, "maxLength": 64, "description": types}}
    shape = {"type": "object", "required": ["type"], "properties": known, "maxProperties": 16}
    return {"description": what, **shape, **FREE_FORM}


def _read_duration(value: object) -> timedelta:
    # a bare number is refused: pydantic would take it for seconds, and the API server refuses it
    return value if isinstance(value, timedelta) else durations.parse(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(durations.canonical, return_type=str),
    WithJsonSchema({"type": "string", "pattern": durations.PATTERN, "maxLength": durations.MAX_LENGTH}),
]
"""A time span: `1h30m` outside, a timedelta inside."""


def _read_quantity(value: object) -> str:
    if not isinstance(value, str | int):
        raise ValueError("must be a quantity such as 500m, 2 or 1.5Gi")
    return quantities.canonical(value)


Quantity = Annotated[
    str,
    BeforeValidator(_read_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            "maxLength": quantities.MAX_LENGTH,
            "pattern": quantities.PATTERN,
        }
    ),
]
"""A Kubernetes quantity in its canonical spelling; `quantities.parse` and `quantities.whole` give the number."""

_PERCENT = r"^(100|[1-9]?[0-9])%$"


def _check_percent(value: int | str) -> int | str:
    if isinstance(value, str) and not re.fullmatch(_PERCENT, value):
        raise ValueError("must be a whole number or a percentage such as 25%")
    if isinstance(value, int) and value < 0:
        raise ValueError("must not be negative")
    return value


IntOrPercent = Annotated[
    int | str,
    AfterValidator(_check_percent),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            "maximum": 1000,
            "maxLength": 4,
            "pattern": _PERCENT,
        }
    ),
]
"""A number of pods, or a share of them such as `25%`."""
