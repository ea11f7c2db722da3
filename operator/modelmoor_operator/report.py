"""One status write a pass, only where something changed, and one event where the reason did."""

import logging
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from modelmoor_operator import observed
from modelmoor_operator.api.reasons import ConditionType, Reason
from modelmoor_operator.api.status import Status
from modelmoor_operator.api.v1alpha1 import API_VERSION, KIND, Metadata, ModelDeployment
from modelmoor_operator.cache import Cache, Entry
from modelmoor_operator.errors import Refused
from modelmoor_operator.kinds import EVENT, MODEL_DEPLOYMENT, Kind
from modelmoor_operator.metrics import CONDITION
from modelmoor_operator.observed import Finding, Observation
from modelmoor_operator.queue import Key

STATUS_MANAGER = "modelmoor-status"

Body = dict[str, Any]
log = logging.getLogger(__name__)


class StatusWrites(Protocol):
    """The calls of `cluster.Cluster` that tell."""

    async def apply(
        self, kind: Kind, body: Body, *, manager: str, subresource: str | None = None, dry_run: bool = False
    ) -> Body: ...
    async def create(self, kind: Kind, body: Body, *, manager: str) -> Body: ...


class Reporter:
    """Writes status and events. The reason is one word in the condition, the event, the log and the metric."""

    def __init__(self, cluster: StatusWrites, cache: Cache, identity: str, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._cache = cache
        self._identity = identity
        self._now = now
        self._shown: dict[Key, str] = {}

    async def report(self, live: Entry, seen: Observation, ready: Finding) -> None:
        """Bring the status to what was seen."""
        await self._write(seen.md.metadata, live, observed.status(seen, ready), ready, seen.md.status)

    async def invalid(self, metadata: Metadata, live: Entry, problem: str) -> None:
        """The spec cannot be read: say so, and touch nothing."""
        hint = Reason.InvalidSpec.hint_for({"namespace": metadata.namespace, "name": metadata.name})
        finding = Finding(Reason.InvalidSpec, f"The spec cannot be read: {problem}.", hint)
        body = {"metadata": live.body["metadata"], "spec": {"model": {"uri": "file:///"}}}
        md = ModelDeployment.parse(body | {"status": live.body.get("status") or {}})
        status = observed.status(Observation(md=md, now=self._now(), refused=finding), finding)
        await self._write(metadata, live, status.model_copy(update={"model": None}), finding, md.status)

    def forget(self, key: Key) -> None:
        """The object is gone: its series go with it."""
        shown = self._shown.pop(key, None)
        if shown is not None:
            CONDITION.remove(*key, shown)

    async def _write(self, metadata: Metadata, live: Entry, status: Status, ready: Finding, before: Status) -> None:
        key = (metadata.namespace, metadata.name)
        self.forget(key)
        self._shown[key] = ready.reason.value
        CONDITION.labels(namespace=key[0], name=key[1], reason=ready.reason.value).set(ready.settled)
        written = status.wire()
        if written == _without_nulls(live.body.get("status") or {}):
            return
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid},
            "status": written,
        }
        applied = await self._cluster.apply(MODEL_DEPLOYMENT, body, manager=STATUS_MANAGER, subresource="status")
        self._cache.upsert(MODEL_DEPLOYMENT, applied)
        if _reason(status) != _reason(before):
            log.info(
                ready.reason.value,
                extra={"key": f"{key[0]}/{key[1]}", "generation": metadata.generation, "summary": status.summary},
            )
            await self._event(metadata, ready)

    async def _event(self, metadata: Metadata, ready: Finding) -> None:
        now = self._now()
        body = {
            "apiVersion": EVENT.api_version,
            "kind": "Event",
            "metadata": {"name": f"{metadata.name}.{uuid.uuid4().hex[:16]}", "namespace": metadata.namespace},
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": "modelmoor.dev/operator",
            "reportingInstance": self._identity[:128],
            "action": "Reconcile",
            "reason": ready.reason.value,
            "type": "Warning" if ready.failed else "Normal",
            "note": ready.message[:1024],
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": metadata.name,
                "namespace": metadata.namespace,
                "uid": metadata.uid,
            },
        }
        try:
            await self._cluster.create(EVENT, body, manager=STATUS_MANAGER)
        except Refused as error:
            log.warning("an event was refused", extra={"status": error.status})


def _reason(status: Status) -> str | None:
    return next((item.reason for item in status.conditions if item.type == ConditionType.Ready), None)


def _without_nulls(status: Body) -> Body:
    return {name: value for name, value in status.items() if value is not None}
