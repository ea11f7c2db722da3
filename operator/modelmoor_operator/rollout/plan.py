"""Chooses the target revision: the stored one where its inputs are known, a freshly rendered one otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired.revision import Revision, Stored, render, revision_name
from modelmoor_operator.settings import Settings


@dataclass(frozen=True)
class Plan:
    """The next step for the revisions of one ModelDeployment."""

    target: Revision
    stored: Stored | None
    """The target as the cluster holds it; None where it has to be written first."""
    number: int
    """The number that a new ControllerRevision takes."""
    active: Stored | None
    """The revision that was last served whole."""
    prune: tuple[str, ...]
    """Old revisions beyond the history limit."""


def plan(md: ModelDeployment, stored: Sequence[Stored], settings: Settings) -> Plan:
    """Read the spec and the stored revisions, and say what to run.

    Raises `Stalled` with InvalidPodTemplate where a new revision cannot be rendered.
    """
    active = max((item for item in stored if item.active_since), key=lambda item: item.active_since, default=None)
    image = md.spec.runtime.image or _pinned_image(stored) or settings.serving_image
    name = revision_name(md, image)
    known = next((item for item in stored if item.revision.name == name), None)
    target = known.revision if known else render(md, settings, image)
    kept = {name, active.revision.name if active else name}
    others = sorted((item for item in stored if item.revision.name not in kept), key=_age, reverse=True)
    return Plan(
        target=target,
        stored=known,
        number=max((item.number for item in stored), default=0) + 1,
        active=active,
        prune=tuple(item.revision.name for item in others[md.spec.revision_history_limit :]),
    )


def _pinned_image(stored: Sequence[Stored]) -> str | None:
    """The platform's image that this model was last served with: a new operator restarts no model.

    A revision that never served does not pin, so that a wrong default image in Helm can be mended there.
    """
    served = [item for item in stored if item.active_since and item.revision.default_image]
    return max(served, key=lambda item: item.active_since).revision.image if served else None


def _age(item: Stored) -> tuple[str, int]:
    return item.active_since, item.number
