"""One status write a pass, only where something changed, and one event where the reason did."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from modelmoor_operator import observed
from modelmoor_operator.api.reasons import ConditionType, Reason
from modelmoor_operator.api.status import Status
from modelmoor_operator.api.v1alpha1 import API_VERSION, KIND, Metadata, ModelDeployment
from modelmoor_operator.cache import Cache, Entry
from modelmoor_operator.errors import Refused
from modelmoor_operator.events import STATUS_MANAGER, EventWrites, Recorder
from modelmoor_operator.kinds import MODEL_DEPLOYMENT, Kind
from modelmoor_operator.metrics import CONDITION
from modelmoor_operator.observed import Finding, Observation
from modelmoor_operator.queue import Key

Body = dict[str, Any]
log = logging.getLogger(__name__)


class StatusWrites(EventWrites, Protocol):
    """The calls of `cluster.Cluster` that tell."""

    async def apply(
        self, kind: Kind, body: Body, *, manager: str, subresource: str | None = None, dry_run: bool = False
    ) -> Body: ...


class Reporter:
    """Writes status and events. The reason is one word in the condition, the event, the log and the metric."""

    def __init__(self, cluster: StatusWrites, cache: Cache, identity: str, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._cache = cache
        self._now = now
        self._events = Recorder(cluster, identity, now)
        self._shown: dict[Key, str] = {}

    async def report(self, live: Entry, seen: Observation, ready: Finding) -> bool:
        """Bring the status to what was seen; False where the object is gone, which the cache now knows, too."""
        return await self._write(seen.md.metadata, live, observed.status(seen, ready), ready, seen.md.status)

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
        self._hide(key)
        self._events.forget(*key)

    def _hide(self, key: Key) -> None:
        shown = self._shown.pop(key, None)
        if shown is not None:
            CONDITION.remove(*key, shown)

    async def _write(self, metadata: Metadata, live: Entry, status: Status, ready: Finding, before: Status) -> bool:
        key = (metadata.namespace, metadata.name)
        self._hide(key)
        self._shown[key] = ready.reason.value
        CONDITION.labels(namespace=key[0], name=key[1], reason=ready.reason.value).set(ready.settled)
        written = status.wire()
        if written == _without_nulls(live.body.get("status") or {}):
            return True
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid},
            "status": written,
        }
        try:
            applied = await self._cluster.apply(MODEL_DEPLOYMENT, body, manager=STATUS_MANAGER, subresource="status")
        except Refused as error:
            if error.status != 404:
                raise
            self._cache.remove(MODEL_DEPLOYMENT, live.body)
            self.forget(key)
            return False
        self._cache.upsert(MODEL_DEPLOYMENT, applied)
        if _reason(status) != _reason(before):
            log.info(ready.reason.value, extra={"summary": status.summary})
            await self._events.record(metadata, ready)
        return True


def _reason(status: Status) -> str | None:
    return next((item.reason for item in status.conditions if item.type == ConditionType.Ready), None)


def _without_nulls(status: Body) -> Body:
    return {name: value for name, value in status.items() if value is not None}
