"""ModelDeployment v1alpha1: the one object that a person writes, and the door at which a body becomes a type."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field, ValidationError

from modelmoor_operator.api.spec import Spec
from modelmoor_operator.api.status import Status
from modelmoor_operator.api.types import Wire

GROUP = "modelmoor.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ModelDeployment"
PLURAL = "modeldeployments"
SINGULAR = "modeldeployment"
SHORT_NAME = "mdep"
CATEGORY = "modelmoor"

_SHOWN_PROBLEMS = 3


class InvalidObject(ValueError):
    """A body that this version cannot read as a ModelDeployment.

    `problems` holds one sentence for each field at fault, with its path; values are never quoted.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        more = len(problems) - _SHOWN_PROBLEMS
        shown = "; ".join(problems[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        super().__init__(shown)
        self.problems = problems


class Metadata(Wire):
    """The part of an object's metadata that the operator reads."""

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: datetime | None = None
    annotations: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the metadata alone, which also works where the spec is invalid; raises InvalidObject."""
        try:
            return cls.model_validate(body.get("metadata"))
        except ValidationError as error:
            raise InvalidObject(_problems(error, "metadata")) from None


class ModelDeployment(Wire):
    """A model that is served: `spec` says what is wanted, `status` what is."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read an object as the API server gives it; raises InvalidObject with a readable sentence.

        A status that cannot be read (another version wrote it) counts as none: it is ours to write, and never a reason
        to stop. The rules in CEL are the API server's to hold and are not checked again here.
        """
        metadata = Metadata.parse(body)
        try:
            spec = Spec.model_validate(body.get("spec"))
        except ValidationError as error:
            raise InvalidObject(_problems(error, "spec")) from None
        try:
            status = Status.model_validate(body.get("status") or {})
        except ValidationError:
            status = Status()
        return cls(metadata=metadata, spec=spec, status=status)


def _problems(error: ValidationError, root: str) -> tuple[str, ...]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return tuple(f"{_path(root, item['loc'])}: {_sentence(item['msg'])}" for item in found)


def _sentence(message: str) -> str:
    """Pydantic's words for a bound or a type, which never quote the value; its prefix before our own is dropped."""
    return message.removeprefix("Value error, ")


def _path(root: str, location: tuple[str | int, ...]) -> str:
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
