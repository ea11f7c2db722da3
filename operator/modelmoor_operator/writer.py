"""Writes children: looks whose they are, skips what stands as wanted, and mends what an apply alone cannot."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from modelmoor_operator.api.reasons import Reason
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.cache import MANAGER, Cache, Entry, entry, owner_key
from modelmoor_operator.desired import names, replicas
from modelmoor_operator.errors import Conflict, Gone, Invalid, Refused, Stalled, Waiting
from modelmoor_operator.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    MANAGED_LABELS,
    MODEL_DEPLOYMENT,
    SCALED_OBJECT,
    Kind,
    kind_of,
)
from modelmoor_operator.metrics import DRIFT_HEALED
from modelmoor_operator.observed import drift
from modelmoor_operator.observed.finding import sentence
from modelmoor_operator.observed.ownership import Claim, claim, owned
from modelmoor_operator.queue import Key

HANDOVER = "modelmoor-handover"
"""Holds `replicas` for the moment in which the operator lets go of it and an autoscaler has not taken it."""
MENDER = "modelmoor-mender"
"""Replaces lists; its claim is taken back at once, so that our apply stays the only owner."""

_NOWHERE = "1"
"""A version that no object has: an apply that names it creates, or is refused with 409 where something stands."""
_TRIES = 4
"""How often one pass looks again at an object that others write to at the same moment."""

Body = dict[str, Any]
log = logging.getLogger(__name__)


class Writes(Protocol):
    """The calls of `cluster.Cluster` that change or read single objects."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None: ...
    async def apply(
        self, kind: Kind, body: Body, *, manager: str, subresource: str | None = None, dry_run: bool = False
    ) -> Body: ...
    async def merge(self, kind: Kind, namespace: str, name: str, patch: Body, *, manager: str) -> Body: ...
    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> Body | None: ...


@dataclass(frozen=True, slots=True)
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
        self._written: dict[Key, dict[tuple[Kind, str], _Written]] = {}  # by model, then by child

    async def ensure(self, md: ModelDeployment, wanted: Body) -> bool:
        """Apply `wanted` where it does not stand yet; True where something was written.

        A write is bound to what was judged: to that version of that object, or to there being none. So a cache that
        lags costs a second look, and never a second object, a stranger's, or one that was let go of meanwhile.
        Raises `Stalled` (NameConflict, InvalidPodTemplate), `Waiting` (the object is going), `Gone` or `Refused`.
        """
        kind, name = kind_of(wanted), wanted["metadata"]["name"]
        known = self._cache.knows(kind, md.metadata.namespace, name)
        live = await self._live(md, kind, name) if known else None  # whatever else stands there refuses a creation
        for tries in range(1, _TRIES + 1):
            if live is not None and self._stands(wanted, live):
                return False
            try:
                await self._write(md, kind, wanted, live)
            except Conflict:
                if tries == _TRIES:
                    raise
                live = await self._live(md, kind, name, fresh=True)
            else:
                break
        return True

    async def _write(self, md: ModelDeployment, kind: Kind, wanted: Body, live: Entry | None) -> None:
        """Bring one object to its wanted state, from the state that was judged."""
        if self._doubtful(md, wanted, live):
            await self._check_alive(md)
        if live is not None and kind is DEPLOYMENT:
            live = await self._hand_over(md, live, wanted["spec"].get("replicas"))
        strangers = drift.foreign(wanted, live.body) if live else []
        known = self._mark(wanted)
        try:
            applied = await self._apply(kind, wanted, live.body if live else None)
        except Invalid:
            if live is None or not strangers:
                raise
            applied = await self._mend(kind, wanted, live.body)  # an edited list key: ours would be a second entry
        else:
            if drift.foreign(wanted, applied):  # what stays was added by others; ours of before went with the apply
                applied = await self._mend(kind, wanted, applied)
        self._remember(kind, wanted, await self._give_back(kind, applied))
        if live and known and known.wanted == _digest(wanted):
            log.info("drift", extra={"kind": kind.kind, "object": live.name, "fields": strangers[:8]})
            DRIFT_HEALED.labels(kind=kind.kind).inc()

    async def create(self, md: ModelDeployment, wanted: Body) -> None:
        """Write an object that is to be new: `Conflict` where one of that name stands, whoever made it."""
        kind = kind_of(wanted)
        if self._doubtful(md, wanted, None):
            await self._check_alive(md)
        self._cache.upsert(kind, await self._apply(kind, wanted, None))

    async def note(self, md: ModelDeployment, child: Entry, annotations: Mapping[str, str]) -> None:
        """Put annotations on a child; no version is asked for, because they overwrite nothing of others."""
        patch = {"metadata": {"uid": child.uid, "annotations": dict(annotations)}}
        await self._change(md, child, patch)

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
        """Delete a child that is no longer wanted. One that a finalizer keeps stays in the cache, as it is now."""
        namespace = str(child.metadata["namespace"])
        try:
            left = await self._cluster.delete(child.kind, namespace, child.name, uid=child.uid)
        except Conflict:
            await self._refresh(child.kind, namespace, child.name)  # another object has that name by now
            raise
        if left is None:
            self._cache.remove(child.kind, child.body)
        else:
            self._cache.upsert(child.kind, left)
        self._written.get(owner_key(child.body) or ("", ""), {}).pop((child.kind, child.name), None)

    async def settle_owner(self, md: ModelDeployment, child: Entry) -> None:
        """Give a ControllerRevision its owner, or take it away: nothing else of it ever changes."""
        wanted = names.owner_references(md)
        if owned(md, child.metadata) == bool(wanted):
            return
        if wanted:
            await self._check_alive(md)
        known = child.metadata.get("ownerReferences") or ()
        others = [reference for reference in known if reference.get("uid") != md.metadata.uid]
        # the version makes a patch of a stale view fail: the collector may be taking the owner away at this moment
        await self._change(md, child, {"metadata": {**_seen(child.metadata), "ownerReferences": [*others, *wanted]}})

    async def _change(self, md: ModelDeployment, child: Entry, patch: Body) -> None:
        namespace = md.metadata.namespace
        try:
            body = await self._cluster.merge(child.kind, namespace, child.name, patch, manager=MANAGER)
        except Refused as error:
            if error.status in (404, 409):
                await self._refresh(child.kind, namespace, child.name)  # the next try is to judge what is there now
            raise
        self._cache.upsert(child.kind, body)

    def forget(self, namespace: str, name: str) -> None:
        """The ModelDeployment is gone: its children's marks go, too."""
        marks = self._written.pop((namespace, name), {})
        kept = {(kind, child): mark for (kind, child), mark in marks.items() if self._cache.get(kind, namespace, child)}
        if kept:
            self._written[namespace, name] = kept

    async def _live(self, md: ModelDeployment, kind: Kind, name: str, *, fresh: bool = False) -> Entry | None:
        """The object as it is; read from the API server where the cache has none or was late (`fresh`)."""
        namespace = md.metadata.namespace
        live = None if fresh else self._cache.get(kind, namespace, name)
        if live is None:
            live = await self._refresh(kind, namespace, name)
        if live is None:
            return None
        verdict = claim(md, live.body, managed=MANAGER in live.managers)
        if verdict is Claim.FOREIGN:
            text = f"{kind.kind} {name} exists in namespace {namespace} and is not managed for this ModelDeployment."
            raise Stalled(Reason.NameConflict, text, hint=Reason.NameConflict.hint)
        if verdict is not Claim.OURS:
            raise Waiting(Reason.Terminating, f"{kind.kind} {name} is on its way out ({verdict.value}).", delay=2)
        return live

    async def _refresh(self, kind: Kind, namespace: str, name: str) -> Entry | None:
        """Read an object past the cache, and let the cache know."""
        body = await self._cluster.get(kind, namespace, name)
        cached = self._cache.get(kind, namespace, name)
        if body is None:
            if cached is not None:
                self._cache.remove(kind, cached.body)
            return None
        live = entry(kind, body)
        managed = MANAGED_LABELS.items() <= (live.metadata.get("labels") or {}).items()
        if managed or kind is MODEL_DEPLOYMENT:
            self._cache.upsert(kind, body)
        elif cached is not None:
            self._cache.remove(kind, cached.body)  # the watch tells nothing of such an object: it is read each time
        return live

    @staticmethod
    def _doubtful(md: ModelDeployment, wanted: Body, live: Entry | None) -> bool:
        """Whether this write is one that would do harm if the ModelDeployment were gone and the cache had not heard."""
        owned_by_us = "ownerReferences" in wanted["metadata"]
        if live is None:
            # a model that nobody has looked at yet is as new as its event, and the collector takes what is owned
            return md.status.observed_generation >= 0 or not owned_by_us
        return owned_by_us and not owned(md, live.metadata)

    async def _check_alive(self, md: ModelDeployment) -> None:
        """Before an object is made, or an owner put on one that has none: ask the API server, as the cache may be late.

        In the middle of `--cascade=orphan` a reference that comes back makes the collector take the object.
        """
        live = await self._refresh(MODEL_DEPLOYMENT, md.metadata.namespace, md.metadata.name)
        if live is None or live.uid != md.metadata.uid or live.deleting:
            raise Gone("the ModelDeployment is gone or being deleted; nothing was written")

    def _mark(self, wanted: Body) -> _Written | None:
        return self._written.get(_owner(wanted), {}).get((kind_of(wanted), wanted["metadata"]["name"]))

    def _stands(self, wanted: Body, live: Entry) -> bool:
        known = self._mark(wanted)
        if known is None or known != _Written(_digest(wanted), live.owned, live.uid):
            return False
        return MENDER not in live.managers and not drift.foreign(wanted, live.body)

    async def _apply(self, kind: Kind, wanted: Body, live: Mapping[str, Any] | None, manager: str = MANAGER) -> Body:
        """Apply over exactly this state of the object: `Conflict` where it is another by now."""
        seen = _seen(live["metadata"]) if live else {"resourceVersion": _NOWHERE}
        return await self._cluster.apply(kind, {**wanted, "metadata": {**wanted["metadata"], **seen}}, manager=manager)

    async def _hand_over(self, md: ModelDeployment, live: Entry, declared: int | None) -> Entry:
        number = int(live.body["spec"].get("replicas", 1))
        held = replicas.handed_over(md, declared=declared, live=number, ours=live.owns_replicas)
        if held is None:
            return live
        metadata = {"name": live.name, "namespace": md.metadata.namespace}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": held}}
        return entry(DEPLOYMENT, await self._apply(DEPLOYMENT, body, live.body, HANDOVER))

    async def _mend(self, kind: Kind, wanted: Body, live: Mapping[str, Any]) -> Body:
        """Replace the lists whole, and apply again."""
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        patch = drift.mending(wanted, live)
        if patch is not None:
            patch["metadata"] = {**patch.get("metadata", {}), **_seen(live["metadata"])}
            live = await self._cluster.merge(kind, namespace, name, patch, manager=MENDER)
        return await self._apply(kind, wanted, live)

    async def _give_back(self, kind: Kind, applied: Body) -> Body:
        """Take the mender's claim away, one of an earlier life too: a field that we let go of would stay for its sake.

        `Conflict` where somebody wrote in between: the claim is seen again, and taken away then.
        """
        metadata = applied["metadata"]
        fields = metadata.get("managedFields") or []
        kept = [item for item in fields if item.get("manager") != MENDER]
        if len(kept) == len(fields):
            return applied
        patch = {"metadata": {**_seen(metadata), "managedFields": kept}}
        return await self._cluster.merge(kind, metadata["namespace"], metadata["name"], patch, manager=MENDER)

    def _remember(self, kind: Kind, wanted: Body, applied: Body) -> None:
        self._cache.upsert(kind, applied)
        now = entry(kind, applied)
        marks = self._written.setdefault(_owner(wanted), {})
        marks[kind, now.name] = _Written(_digest(wanted), now.owned, now.uid)


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
    # KEDA's webhook says no to what its schema lets pass; its cache may still hold the HPA that we have just deleted
    denied = "denied the request" in error.message and "already managed by" not in error.message
    if wanted["kind"] in (AUTOSCALER.kind, SCALED_OBJECT.kind) and (unfit or denied):
        return Stalled(Reason.InvalidAutoscaling, text, hint=Reason.InvalidAutoscaling.hint)
    return Waiting(Reason.ApplyRefused, text, delay=15)


def untyped(error: Refused) -> bool:
    """Server-side apply refuses an unknown field or a wrong type so, with a 500."""
    return error.status == 500 and "typed patch object" in error.message


def _owner(wanted: Body) -> Key:
    return wanted["metadata"]["namespace"], wanted["metadata"]["labels"][names.NAME_LABEL]


def _seen(metadata: Mapping[str, Any]) -> Body:
    """What binds a write to the very state that was judged."""
    return {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}


def _content(body: Mapping[str, Any]) -> Body:
    """What people mean by an object: no status, no bookkeeping. A dry run moves no resourceVersion."""
    told = {name: body["metadata"].get(name) for name in ("labels", "annotations", "ownerReferences")}
    return {**body, "metadata": told, "status": None}


def _digest(wanted: Body) -> str:
    return hashlib.blake2b(json.dumps(wanted, sort_keys=True).encode(), digest_size=16).hexdigest()
