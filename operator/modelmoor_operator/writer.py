"""Writes children: looks whose they are, skips what stands as wanted, and mends what an apply alone cannot."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from modelmoor_operator.api.reasons import Reason
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.cache import MANAGER, Cache, Entry, entry
from modelmoor_operator.desired import replicas
from modelmoor_operator.errors import Conflict, Invalid, Refused, Stalled, Waiting
from modelmoor_operator.kinds import DEPLOYMENT, Kind, kind_of
from modelmoor_operator.metrics import DRIFT_HEALED
from modelmoor_operator.observed import drift
from modelmoor_operator.observed.finding import sentence
from modelmoor_operator.observed.ownership import Claim, claim

HANDOVER = "modelmoor-handover"
"""Holds `replicas` for the moment in which the operator lets go of it and an autoscaler has not taken it."""
MENDER = "modelmoor-mender"
"""Replaces lists; its claim is taken back at once, so that our apply stays the only owner."""

Body = dict[str, Any]
log = logging.getLogger(__name__)


class Writes(Protocol):
    """The calls of `cluster.Cluster` that change or read single objects."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None: ...
    async def apply(
        self, kind: Kind, body: Body, *, manager: str, subresource: str | None = None, dry_run: bool = False
    ) -> Body: ...
    async def create(self, kind: Kind, body: Body, *, manager: str) -> Body: ...
    async def merge(self, kind: Kind, namespace: str, name: str, patch: Body, *, manager: str) -> Body: ...
    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None: ...


@dataclass(frozen=True)
class _Written:
    """What was last applied, and what the API server then said is ours."""

    wanted: str
    owned: str
    uid: str


class Writer:
    """Brings single objects to their wanted state. What was applied is remembered, so a no-op costs no call."""

    def __init__(self, cluster: Writes, cache: Cache) -> None:
        self._cluster = cluster
        self._cache = cache
        self._written: dict[tuple[Kind, str, str], _Written] = {}

    async def ensure(self, md: ModelDeployment, wanted: Body) -> bool:
        """Apply `wanted` where it does not stand yet; True where something was written.

        Raises `Stalled` (NameConflict, InvalidPodTemplate), `Waiting` (the object is going) or `Refused`.
        """
        kind = kind_of(wanted)
        live = await self._live(md, kind, wanted["metadata"]["name"])
        if live is not None and self._stands(wanted, live):
            return False
        if live is not None and kind is DEPLOYMENT:
            await self._hand_over(md, live)
        strangers = drift.foreign(wanted, live.body) if live else []
        known = self._written.get(_place(wanted))
        if live and known and known.wanted == _digest(wanted):
            log.info("drift", extra={"kind": kind.kind, "object": live.name, "fields": strangers[:8]})
            DRIFT_HEALED.labels(kind=kind.kind).inc()
        try:
            applied = await self._cluster.apply(kind, wanted, manager=MANAGER)
        except Invalid:
            if live is None or not strangers:
                raise
            applied = await self._mend(kind, wanted, live.body)  # an edited list key: ours would be a second entry
        else:
            if drift.foreign(wanted, applied):  # what stays was added by others; ours of before went with the apply
                applied = await self._mend(kind, wanted, applied)
        self._remember(kind, wanted, applied)
        return True

    async def waits(self, md: ModelDeployment, wanted: Body) -> bool:
        """Whether `ensure` would write something, found out without writing: for suspended objects."""
        kind = kind_of(wanted)
        live = await self._live(md, kind, wanted["metadata"]["name"])
        if live is None:
            return True
        if self._stands(wanted, live):
            return False
        if drift.foreign(wanted, live.body):
            return True
        would = await self._cluster.apply(kind, wanted, manager=MANAGER, dry_run=True)
        return _content(would) != _content(live.body)

    async def remove(self, child: Entry) -> None:
        """Delete a child that is no longer wanted."""
        await self._cluster.delete(child.kind, str(child.metadata["namespace"]), child.name, uid=child.uid)
        self._cache.remove(child.kind, child.body)
        self._written.pop((child.kind, str(child.metadata["namespace"]), child.name), None)

    def forget(self, namespace: str, name: str) -> None:
        """The ModelDeployment is gone: its children's marks go, too."""
        for place in [place for place in self._written if place[1] == namespace]:
            live = self._cache.get(*place)
            if live is None:
                del self._written[place]

    async def _live(self, md: ModelDeployment, kind: Kind, name: str) -> Entry | None:
        """The object as it is; read from the API server before its first write, in case it is somebody's."""
        namespace = md.metadata.namespace
        live = self._cache.get(kind, namespace, name)
        if live is None:
            body = await self._cluster.get(kind, namespace, name)
            if body is None:
                return None
            live = entry(kind, body)
        verdict = claim(md, live.body, managed=MANAGER in live.managers)
        if verdict is Claim.FOREIGN:
            text = f"{kind.kind} {name} exists in namespace {namespace} and is not managed for this ModelDeployment."
            raise Stalled(Reason.NameConflict, text, hint=Reason.NameConflict.hint)
        if verdict is not Claim.OURS:
            raise Waiting(Reason.Terminating, f"{kind.kind} {name} is on its way out ({verdict.value}).", delay=2)
        return live

    def _stands(self, wanted: Body, live: Entry) -> bool:
        known = self._written.get(_place(wanted))
        if known is None or known != _Written(_digest(wanted), live.owned, live.uid):
            return False
        return not drift.foreign(wanted, live.body)

    async def _hand_over(self, md: ModelDeployment, live: Entry) -> None:
        held = replicas.handed_over(md, live=int(live.body["spec"].get("replicas", 1)), ours=live.owns_replicas)
        if held is None:
            return
        metadata = {"name": live.name, "namespace": md.metadata.namespace, "uid": live.uid}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": held}}
        await self._cluster.apply(DEPLOYMENT, body, manager=HANDOVER)

    async def _mend(self, kind: Kind, wanted: Body, live: Mapping[str, Any]) -> Body:
        """Replace the lists whole, apply again, and give the mender's claim back."""
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        patch = drift.mending(wanted, live)
        if patch is None:
            return await self._cluster.apply(kind, wanted, manager=MANAGER)
        await self._cluster.merge(kind, namespace, name, patch, manager=MENDER)
        applied = await self._cluster.apply(kind, wanted, manager=MANAGER)
        fields = applied["metadata"].get("managedFields") or []
        kept = [item for item in fields if item.get("manager") != MENDER]
        if len(kept) == len(fields):
            return applied
        metadata = {"managedFields": kept, "resourceVersion": applied["metadata"]["resourceVersion"]}
        try:
            return await self._cluster.merge(kind, namespace, name, {"metadata": metadata}, manager=MENDER)
        except Conflict:
            return applied  # somebody wrote in between; the claim is harmless and goes with the next mending

    def _remember(self, kind: Kind, wanted: Body, applied: Body) -> None:
        self._cache.upsert(kind, applied)
        now = entry(kind, applied)
        self._written[_place(wanted)] = _Written(_digest(wanted), now.owned, now.uid)


def refusal(error: Refused, wanted: Body) -> Stalled | Waiting:
    """The API server's no to one of our objects, as a reason that a person understands."""
    text = sentence(f"The API server refuses {wanted['kind']} {wanted['metadata']['name']}: {error.message}")
    if "exceeded quota" in error.message:
        return Waiting(Reason.QuotaExceeded, text, delay=15)
    if "because it is being terminated" in error.message:
        return Waiting(Reason.Terminating, text, delay=15)
    unfit = error.status in (400, 422) or untyped(error)
    if wanted["kind"] == "Deployment" and unfit:
        return Stalled(Reason.InvalidPodTemplate, text, hint=Reason.InvalidPodTemplate.hint)
    return Waiting(Reason.ApplyRefused, text, delay=15)


def untyped(error: Refused) -> bool:
    """Server-side apply refuses an unknown field or a wrong type so, with a 500."""
    return error.status == 500 and "typed patch object" in error.message


def _place(wanted: Body) -> tuple[Kind, str, str]:
    return kind_of(wanted), wanted["metadata"]["namespace"], wanted["metadata"]["name"]


def _content(body: Mapping[str, Any]) -> Body:
    """What people mean by an object: no status, no bookkeeping. A dry run moves no resourceVersion."""
    told = {name: body["metadata"].get(name) for name in ("labels", "annotations", "ownerReferences")}
    return {**body, "metadata": told, "status": None}


def _digest(wanted: Body) -> str:
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
