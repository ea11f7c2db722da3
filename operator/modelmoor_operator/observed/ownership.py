"""Whose object is it? Nothing that is not ours is ever written to."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from modelmoor_operator.api.v1alpha1 import KIND, ModelDeployment
from modelmoor_operator.desired import names


class Claim(Enum):
    """The answer for one live object that has a child's name."""

    OURS = "ours"
    DELETING = "being deleted: never written to"
    PREVIOUS = "belongs to an earlier ModelDeployment of that name, and the garbage collector is on its way"
    FOREIGN = "somebody else's"


def owned(md: ModelDeployment, metadata: Mapping[str, Any]) -> bool:
    """Whether the object would be collected with this very ModelDeployment."""
    return any(reference.get("uid") == md.metadata.uid for reference in metadata.get("ownerReferences") or ())


def claim(md: ModelDeployment, body: Mapping[str, Any], *, managed: bool) -> Claim:
    """Judge a live object; `managed` says that our manager stands in its managedFields.

    Ours is what our owner reference with this uid names, or an orphan: no controller, our labels **and** our manager.
    Labels alone prove nothing.
    """
    metadata = body["metadata"]
    controller = next((ref for ref in metadata.get("ownerReferences") or () if ref.get("controller")), None)
    if controller is None:
        labelled = (metadata.get("labels") or {}).items() >= names.labels(md).items()
        ours = labelled and managed
    else:
        ours = controller.get("uid") == md.metadata.uid
        if not ours and controller.get("kind") == KIND and controller.get("name") == md.metadata.name:
            return Claim.PREVIOUS
    if not ours:
        return Claim.FOREIGN
    return Claim.DELETING if "deletionTimestamp" in metadata else Claim.OURS
