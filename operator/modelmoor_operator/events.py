"""Events as Kubernetes means them: what comes again is counted on one object, and no model floods its namespace."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from modelmoor_operator.api import times
from modelmoor_operator.api.v1alpha1 import API_VERSION, KIND, Metadata
from modelmoor_operator.errors import Refused
from modelmoor_operator.kinds import EVENT, Kind
from modelmoor_operator.observed import Finding

STATUS_MANAGER = "modelmoor-status"
"""Writes what is told of a model: its status, and its Events."""

BURST = 25
REFILL = timedelta(minutes=5)
"""So many writes of events at once for one object, and one more after each of these: client-go's own numbers."""

Body = dict[str, Any]
log = logging.getLogger(__name__)


class EventWrites(Protocol):
    """The calls of `cluster.Cluster` that tell events."""

    async def create(self, kind: Kind, body: Body, *, manager: str) -> Body: ...
    async def merge(self, kind: Kind, namespace: str, name: str, patch: Body, *, manager: str) -> Body: ...


@dataclass
class _Series:
    name: str
    count: int = 1


@dataclass
class _Told:
    """What was told of one object (a uid) so far."""

    since: datetime
    tokens: float = BURST
    series: dict[str, _Series] = field(default_factory=dict)


class Recorder:
    """Writes one Event for each reason of an object, and counts on it. `now` is the clock."""

    def __init__(self, cluster: EventWrites, identity: str, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._identity = identity
        self._now = now
        self._told: dict[tuple[str, str], tuple[str, _Told]] = {}

    async def record(self, metadata: Metadata, ready: Finding) -> None:
        """Tell that the model is in this state from now on; an event that cannot be written stops nothing."""
        now, key = self._now(), (metadata.namespace, metadata.name)
        uid, told = self._told.get(key, ("", _Told(now)))
        if uid != metadata.uid:
            told = _Told(now)
        self._told[key] = (metadata.uid, told)
        told.tokens = min(BURST, told.tokens + (now - told.since) / REFILL)
        told.since = now
        series = told.series.get(ready.reason.value)
        if series is not None:
            series.count += 1
        if told.tokens < 1:
            return
        told.tokens -= 1
        try:
            if series is None or not await self._counted(metadata.namespace, series, now):
                name = await self._created(metadata, ready, now)
                told.series[ready.reason.value] = _Series(name)
        except Refused as error:
            if "because it is being terminated" not in error.message:  # a namespace on its way out takes no new Event
                log.warning("an event was refused", extra={"status": error.status})

    def forget(self, namespace: str, name: str) -> None:
        """The object is gone."""
        self._told.pop((namespace, name), None)

    async def _counted(self, namespace: str, series: _Series, now: datetime) -> bool:
        """Whether the Event was still there to count on; Kubernetes drops them after an hour of silence."""
        patch = {"series": {"count": series.count, "lastObservedTime": times.micro(now)}}
        try:
            await self._cluster.merge(EVENT, namespace, series.name, patch, manager=STATUS_MANAGER)
        except Refused as error:
            if error.status != 404:
                raise
            return False
        return True

    async def _created(self, metadata: Metadata, ready: Finding, now: datetime) -> str:
        name = f"{metadata.name}.{uuid.uuid4().hex[:16]}"
        body = {
            "apiVersion": EVENT.api_version,
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata.namespace},
            "eventTime": times.micro(now),
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
        await self._cluster.create(EVENT, body, manager=STATUS_MANAGER)
        return name
