"""A revision: what exactly runs, kept as an immutable ControllerRevision whose name is a hash of what was asked for."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import names
from modelmoor_operator.desired.names import PREFIX, Body
from modelmoor_operator.desired.pods import pod_template
from modelmoor_operator.settings import Settings

ACTIVE_SINCE = PREFIX + "active-since"
"""Annotation: when this revision was last served whole. Verdicts live here, so that status can be rebuilt."""
FACTS = PREFIX + "facts"
"""Annotation: what `fetch` measured of the artifact, as JSON."""

_SHAPING = ("model", "runtime", "resources", "storage", "serviceAccountName", "podTemplate")
_HASH_LENGTH = 10


@dataclass(frozen=True)
class Revision:
    """A rendered pod template under the name that its inputs give it."""

    name: str
    image: str
    default_image: bool
    template: Body


@dataclass(frozen=True)
class Stored:
    """A revision as the cluster holds it, with the verdicts on it."""

    revision: Revision
    number: int
    active_since: str
    facts: Mapping[str, Any]


def revision_name(md: ModelDeployment, image: str) -> str:
    """`<name>-<hash>` over the fields that were set and shape pods, and the chosen image.

    No default, no uid and no version of ours goes in, so that an operator upgrade makes no new revision.
    """
    spec = md.spec.wire()
    inputs = {field: spec[field] for field in _SHAPING if field in spec} | {"image": image}
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return f"{md.metadata.name}-{hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]}"


def render(md: ModelDeployment, settings: Settings, image: str) -> Revision:
    """Render the pod template of what the spec asks for now."""
    name = revision_name(md, image)
    return Revision(
        name=name,
        image=image,
        default_image=md.spec.runtime.image is None,
        template=pod_template(md, settings, image=image, revision=name),
    )


def controller_revision(md: ModelDeployment, revision: Revision, number: int) -> Body:
    """The object that keeps a revision. Its data is immutable; later passes apply the template from here."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": names.metadata(md, revision.name),
        "revision": number,
        "data": {"template": revision.template, "image": revision.image, "defaultImage": revision.default_image},
    }


def stored(body: Mapping[str, Any]) -> Stored | None:
    """Read a ControllerRevision back; None where its data is not ours to read."""
    data = body.get("data")
    metadata = body["metadata"]
    if not isinstance(data, Mapping) or not isinstance(data.get("template"), Mapping):
        return None
    annotations = metadata.get("annotations") or {}
    try:
        facts = json.loads(annotations.get(FACTS) or "{}")
    except ValueError:
        facts = {}
    return Stored(
        revision=Revision(
            name=metadata["name"],
            image=str(data.get("image", "")),
            default_image=bool(data.get("defaultImage", True)),
            template=dict(data["template"]),
        ),
        number=int(body.get("revision") or 0),
        active_since=str(annotations.get(ACTIVE_SINCE) or ""),
        facts=facts if isinstance(facts, Mapping) else {},
    )
