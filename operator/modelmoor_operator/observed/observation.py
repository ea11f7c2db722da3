"""Everything that one pass has read, gathered before anything is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import names
from modelmoor_operator.observed.finding import Finding


@dataclass(frozen=True)
class Observation:
    """The facts that status is made of. `deployment` is the live one after this pass's writes, or None."""

    md: ModelDeployment
    now: datetime
    target: str = ""
    active: str = ""
    wanted: int = 1
    deployment: Mapping[str, Any] | None = None
    pods: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] | None = None
    refused: Finding | None = None
    """What kept this pass from writing what the spec asks for."""
    advice: str = ""
    """What is worth a sentence in the hint while nothing else needs doing."""
    suspended: bool = False
    pending: bool = False
    """Suspended, and something waits to be written."""

    def live(self, *path: str) -> Any:
        """A field of the live Deployment; None where it or the Deployment is not there."""
        value: Any = self.deployment
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def count(self, field: str) -> int:
        """A number out of the Deployment's status."""
        return int(self.live("status", field) or 0)

    @property
    def current(self) -> bool:
        """Whether the Deployment's status tells of the spec it has, and of the revision that we want."""
        template = self.live("spec", "template", "metadata", "labels", names.REVISION_LABEL)
        seen = self.live("status", "observedGeneration")
        return bool(template == self.target and seen == self.live("metadata", "generation"))

    @property
    def settled(self) -> bool:
        """Every pod runs the target revision, and enough of them answer."""
        updated = self.count("updatedReplicas")
        enough = updated >= self.wanted and self.count("availableReplicas") >= self.wanted
        return self.current and enough and self.count("replicas") == updated

    def condition(self, kind: str) -> Mapping[str, Any]:
        conditions = self.live("status", "conditions") or []
        return next((item for item in conditions if item.get("type") == kind), {})
