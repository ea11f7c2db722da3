"""Who leads: a Lease, watched by the standby, renewed by the leader, released on the way out.

The leader renews every 2 s and stops writing 10 s after its last renewal (`fence.py`); the standby takes over when the
Lease was released, or when it saw no renewal for the 15 s that the Lease lives. Clocks of two machines are never
compared: the standby counts from when it saw the Lease move.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from modelmoor_operator.api import times
from modelmoor_operator.errors import Conflict, OperatorError
from modelmoor_operator.fence import RENEW_DEADLINE, Fence
from modelmoor_operator.kinds import LEASE, Kind
from modelmoor_operator.metrics import LEADER

LEASE_SECONDS = 15
RENEW_SECONDS = 2.0
ATTEMPT_SECONDS = 5.0
MANAGER = "modelmoor-leader"

Body = dict[str, Any]
log = logging.getLogger(__name__)


class LeaseCalls(Protocol):
    """The calls of `cluster.Cluster` that the election needs."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None: ...
    async def create(self, kind: Kind, body: Body, *, manager: str) -> Body: ...
    async def replace(self, kind: Kind, body: Body, *, manager: str) -> Body: ...
    def watch(self, kind: Kind, namespace: str, name: str, *, seconds: float) -> AsyncIterator[Body]: ...


class Elector:
    """Runs until cancelled. `started` is called when this replica leads; `lost` when it may not any more."""

    def __init__(
        self,
        cluster: LeaseCalls,
        fence: Fence,
        *,
        namespace: str,
        name: str,
        identity: str,
        started: Callable[[], None],
        lost: Callable[[], None] = lambda: os._exit(1),
    ) -> None:
        self._cluster = cluster
        self._fence = fence
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._started = started
        self._lost = lost
        self._held: Body | None = None
        self._seen: tuple[object, float] = (None, 0.0)
        LEADER.labels(name=name).set(0)

    @property
    def leading(self) -> bool:
        return self._held is not None

    async def run(self) -> None:
        """Wait for the Lease, take it, keep it; calls `lost` when it could not be renewed in time."""
        while self._held is None:
            try:
                await self._stand_by()
            except (OperatorError, TimeoutError) as error:
                log.warning("the Lease cannot be read", extra={"error": str(error)})
                await asyncio.sleep(RENEW_SECONDS)
        log.info("leading", extra={"identity": self._identity, "lease": self._name})
        LEADER.labels(name=self._name).set(1)
        self._started()
        await self._keep()
        log.error("the Lease could not be renewed in time; this replica stops", extra={"identity": self._identity})
        LEADER.labels(name=self._name).set(0)
        self._lost()

    async def release(self) -> None:
        """Give the Lease back, so that a standby need not wait for it to run out. No write is sent after this."""
        self._fence.close()
        held, self._held = self._held, None
        if held is None:
            return
        LEADER.labels(name=self._name).set(0)
        body = self._lease(held, holder="", seconds=1)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await self._cluster.replace(LEASE, body, manager=MANAGER)
            log.info("released the Lease", extra={"identity": self._identity})
        except (OperatorError, TimeoutError) as error:
            log.warning("the Lease could not be released", extra={"error": str(error)})

    async def _stand_by(self) -> None:
        """One look at the Lease: take it where it is free or ran out, else watch it for as long as it lives."""
        async with asyncio.timeout(ATTEMPT_SECONDS):
            lease = await self._cluster.get(LEASE, self._namespace, self._name)
        left = self._left(lease)
        if left <= 0:
            await self._take(lease)
            return
        async for event in self._cluster.watch(LEASE, self._namespace, self._name, seconds=left):
            left = self._left(event.get("object") if event.get("type") != "DELETED" else None)
            if left <= 0:
                return

    def _left(self, lease: Body | None) -> float:
        """Seconds for which the Lease still has to be respected."""
        spec = (lease or {}).get("spec") or {}
        if not spec.get("holderIdentity"):
            return 0.0
        mark = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        now = self._fence.clock()
        if mark != self._seen[0]:
            self._seen = (mark, now)
        return float(spec.get("leaseDurationSeconds") or LEASE_SECONDS) - (now - self._seen[1])

    async def _take(self, lease: Body | None) -> None:
        sent = self._fence.clock()
        body = self._lease(lease, holder=self._identity, seconds=LEASE_SECONDS)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                if lease is None:
                    self._held = await self._cluster.create(LEASE, body, manager=MANAGER)
                else:
                    self._held = await self._cluster.replace(LEASE, body, manager=MANAGER)
        except Conflict:
            return  # another replica was quicker
        self._fence.renewed(sent)

    async def _keep(self) -> None:
        """Renew until it fails for too long."""
        while self._held is not None:
            await asyncio.sleep(RENEW_SECONDS)
            if self._held is None:
                return  # released
            if self._fence.clock() > self._fence.open_until:
                return
            sent = self._fence.clock()
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    body = self._lease(self._held, holder=self._identity, seconds=LEASE_SECONDS)
                    self._held = await self._cluster.replace(LEASE, body, manager=MANAGER)
                self._fence.renewed(sent)
            except Conflict:
                if not await self._still_ours():
                    return
            except (OperatorError, TimeoutError) as error:
                left = self._fence.open_until - self._fence.clock()
                log.warning("the Lease was not renewed", extra={"error": str(error), "seconds_left": round(left, 1)})

    async def _still_ours(self) -> bool:
        """After a conflict: our own renewal may have taken effect without an answer."""
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                lease = await self._cluster.get(LEASE, self._namespace, self._name)
        except (OperatorError, TimeoutError):
            return True  # not known; the fence decides
        if lease is None or (lease.get("spec") or {}).get("holderIdentity") != self._identity:
            return False
        self._held = lease
        return True

    def _lease(self, lease: Body | None, *, holder: str, seconds: int) -> Body:
        now = times.micro(datetime.now(UTC))
        old = (lease or {}).get("spec") or {}
        moved = old.get("holderIdentity") != holder
        metadata: Body = {"name": self._name, "namespace": self._namespace}
        if lease is not None:
            metadata["resourceVersion"] = lease["metadata"]["resourceVersion"]
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": seconds,
                "acquireTime": now if moved else old.get("acquireTime", now),
                "renewTime": now,
                "leaseTransitions": int(old.get("leaseTransitions") or 0) + (1 if moved and holder else 0),
            },
        }


__all__ = ["LEASE_SECONDS", "RENEW_DEADLINE", "Elector"]
