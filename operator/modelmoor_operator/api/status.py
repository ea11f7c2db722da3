"""What is: `status` of a ModelDeployment, written by the operator alone."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer

from modelmoor_operator.api.types import Wire, named_by, published_default

Time = Annotated[
    datetime, PlainSerializer(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"), return_type=str, when_used="json")
]
"""A moment in UTC, as Kubernetes writes it: to the second."""


def clipped(longest: int) -> BeforeValidator:
    """Prose that is too long is cut, with a sign that it was: the API server would refuse the whole status."""
    return BeforeValidator(
        lambda text: text if not isinstance(text, str) or len(text) <= longest else f"{text[: longest - 1]}…"
    )


class Condition(Wire):
    """One thing that is true, false or unknown of the model, in the shape of Kubernetes' own conditions."""

    type: str = Field(max_length=316, description="What is told: Ready, Available, Reconciling or Stalled.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field(max_length=1024, description="The cause as one CamelCase word, as in events and metrics.")
    message: Annotated[str, clipped(32768)] = Field(max_length=32768, description="The cause in one sentence.")
    last_transition_time: Time = Field(description="When status last changed.")
    observed_generation: int | None = Field(
        default=None, json_schema_extra={"format": "int64"}, description="Generation of the spec that this was said of."
    )


class ServedModel(Wire):
    """The artifact that is served."""

    uri: str | None = Field(default=None, max_length=2048, description="Where it came from, without its query.")
    digest: str | None = Field(
        default=None, max_length=71, description="sha256: and the hex digest of the fetched bytes."
    )
    format: str | None = Field(default=None, max_length=32, description="Its format: sklearn, keras or tensorflow.")
    framework: str | None = Field(
        default=None, max_length=64, description="Library and version that wrote it, such as keras 3.12.0."
    )


class Failure(Wire):
    """What keeps a revision from serving."""

    phase: str | None = Field(
        default=None,
        max_length=32,
        description="How far it came: Resolve, Schedule, Fetch, Verify, Load, Warmup or Serve.",
    )
    reason: str = Field(max_length=64, description="The cause in one CamelCase word.")
    message: Annotated[str, clipped(1024)] = Field(max_length=1024, description="The cause in one sentence.")
    pod: str | None = Field(default=None, max_length=253, description="Pod that failed.")
    revision: str | None = Field(default=None, max_length=80, description="Revision that failed.")


class Status(Wire):
    """The state of a ModelDeployment as the operator last saw it."""

    # tools that wait (kubectl, Helm, Flux) would call an object without a status ready
    model_config = ConfigDict(json_schema_extra=published_default({"observedGeneration": -1}))

    observed_generation: int = Field(
        default=-1,
        json_schema_extra={"format": "int64"},
        description="Generation of the spec that this status tells of; -1 until the operator has seen the object.",
    )
    summary: Annotated[str, clipped(512)] | None = Field(
        default=None, max_length=512, description="The state in one sentence."
    )
    hint: Annotated[str, clipped(512)] | None = Field(
        default=None, max_length=512, description="The next step in one sentence."
    )
    url: str | None = Field(default=None, max_length=512, description="Where predictions are asked for in the cluster.")
    replicas: int | None = Field(default=None, ge=0, description="Number of pods.")
    ready_replicas: int | None = Field(default=None, ge=0, description="Number of pods that answer requests.")
    selector: str | None = Field(
        default=None, max_length=512, description="Label selector of the pods that replicas counts."
    )
    active_revision: str | None = Field(default=None, max_length=80, description="Revision that answers requests.")
    target_revision: str | None = Field(default=None, max_length=80, description="Revision that the spec asks for.")
    model: ServedModel | None = Field(default=None, description="The artifact that is served.")
    failure: Failure | None = Field(default=None, description="What keeps a revision from serving; absent when fine.")
    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=12,
        json_schema_extra=named_by("type"),
        description="Available (requests are answered), Ready (what the spec asks for is served);"
        " Reconciling and Stalled stand first while something moves or is stuck.",
    )
