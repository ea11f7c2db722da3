"""What stands between a model and its autoscaler: the one of before that has not gone, or a KEDA that is not there."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from modelmoor_operator.api.reasons import ConditionType, Reason
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired.replicas import Owner, owner
from modelmoor_operator.errors import Waiting
from modelmoor_operator.kinds import AUTOSCALER, SCALED_OBJECT, Kind
from modelmoor_operator.served import Served

Body = Mapping[str, Any]

_PATIENCE_SECONDS = 30.0
"""KEDA takes its finalizer off, and the collector KEDA's HPA away, in a second or two."""


def leaving(md: ModelDeployment, live: Iterable[tuple[Kind, Body]]) -> Body | None:
    """An autoscaler of this model that is on its way out and may still write `replicas`: no other may come yet."""
    for kind, body in live:
        deleted = "deletionTimestamp" in body["metadata"]
        if kind is SCALED_OBJECT and deleted:
            return body
        if kind is AUTOSCALER and (deleted or (_is_kedas(body) and owner(md) is not Owner.KEDA)):
            return body
    return None


def check(md: ModelDeployment, gone: Body | None, served: Served, now: datetime) -> None:
    """Raise `Waiting` where what the spec asks for cannot scale yet; `gone` is what `leaving` found."""
    if gone is not None:
        raise Waiting(*_still_there(md, gone, now), delay=2)
    if owner(md) is Owner.KEDA and SCALED_OBJECT not in served:
        text = "spec.autoscaling.engine is KEDA, and this cluster has no KEDA: the number of pods stays as it is."
        raise Waiting(Reason.KedaNotInstalled, text, delay=15)


def _still_there(md: ModelDeployment, body: Body, now: datetime) -> tuple[Reason, str]:
    kedas = _is_kedas(body)
    what = f"{body['kind']} {body['metadata']['name']}, which scaled this model before, is not gone yet"
    since = body["metadata"].get("deletionTimestamp")
    begun = datetime.fromisoformat(since) if since else _waiting_since(md)
    seconds = (now - begun).total_seconds() if begun else 0.0
    if seconds < _PATIENCE_SECONDS or not (kedas or _finalized(body)):
        return Reason.Terminating, f"{what}; until then the number of pods stays as it is."
    return Reason.KedaNotResponding, f"{what}: KEDA should have let go of it in a second or two."


def _waiting_since(md: ModelDeployment) -> datetime | None:
    """When this wait began, as the status remembers it."""
    ready = next((item for item in md.status.conditions if item.type == ConditionType.Ready), None)
    if ready is None or ready.reason not in (Reason.Terminating, Reason.KedaNotResponding):
        return None
    return ready.last_transition_time


def _is_kedas(body: Body) -> bool:
    owners = body["metadata"].get("ownerReferences") or ()
    return any(item.get("controller") and item.get("kind") == SCALED_OBJECT.kind for item in owners)


def _finalized(body: Body) -> bool:
    return any(str(name).endswith("keda.sh") for name in body["metadata"].get("finalizers") or ())
