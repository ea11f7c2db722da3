"""Mends what a watch can lose: compares names and versions with the API server, and asks for what differs.

kopf's watch forgets deletions across a relist (research/operator.md 0, finding 3), so this is no luxury.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

from modelmoor_operator.cache import Cache, owner_key
from modelmoor_operator.errors import OperatorError
from modelmoor_operator.kinds import MANAGED_BY, MODEL_DEPLOYMENT, Kind
from modelmoor_operator.metrics import RESYNC_AGE
from modelmoor_operator.queue import BACKGROUND, Key

Body = dict[str, Any]
log = logging.getLogger(__name__)

_SETTLE_SECONDS = 2.0


class Lists(Protocol):
    """The calls of `cluster.Cluster` that a comparison needs."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None: ...
    def pages(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> AsyncIterator[list[Body]]: ...


class Resyncer:
    """Compares the cache with the API server at start, every `seconds`, and soon after a relist was noticed."""

    def __init__(
        self,
        cluster: Lists,
        cache: Cache,
        enqueue: Callable[[Key, int], None],
        *,
        kinds: Sequence[Kind],
        namespaces: Sequence[str] = (),
        seconds: float = 300.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._enqueue = enqueue
        self._namespaces: Sequence[str | None] = tuple(namespaces) or (None,)
        self._seconds = seconds
        self._sleep = sleep
        self._soon: dict[Kind, asyncio.Event] = {kind: asyncio.Event() for kind in kinds}
        self._listed: set[Kind] = set()

    @property
    def synced(self) -> bool:
        """Every kind was compared once, so the cache holds what the cluster holds."""
        return len(self._listed) == len(self._soon)

    def relisted(self, kind: Kind) -> None:
        """The watch listed a kind again: what was deleted in between gave no event."""
        self._soon[kind].set()

    async def run(self) -> None:
        """Compare for ever."""
        async with asyncio.TaskGroup() as group:
            for kind in self._soon:
                group.create_task(self._keep(kind))

    async def _keep(self, kind: Kind) -> None:
        while True:
            try:
                await self.compare(kind)
                self._listed.add(kind)
                RESYNC_AGE.labels(kind=kind.kind).set(time.time())
                pause = self._seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, guards nothing
            except OperatorError as error:
                log.warning("a kind could not be compared", extra={"kind": kind.kind, "error": str(error)})
                pause = 5.0
            try:
                async with asyncio.timeout(pause):
                    await self._soon[kind].wait()
                await self._sleep(_SETTLE_SECONDS)
            except TimeoutError:
                pass
            self._soon[kind].clear()

    async def compare(self, kind: Kind) -> None:
        """One comparison of one kind: what vanished is forgotten, what is unknown or older is read again."""
        labels = "" if kind is MODEL_DEPLOYMENT else MANAGED_BY
        before = self._cache.versions(kind)
        listed: dict[Key, tuple[str, int]] = {}
        for namespace in self._namespaces:
            async for page in self._cluster.pages(kind, namespace, labels=labels, metadata_only=True):
                for metadata in (item["metadata"] for item in page):
                    listed[metadata["namespace"], metadata["name"]] = str(metadata["uid"]), _version(metadata)
        for key, (uid, _) in before.items():
            if self._namespaces != (None,) and key[0] not in self._namespaces:
                continue
            if key not in listed or listed[key][0] != uid:
                self._forget(kind, key, uid)
        now = self._cache.versions(kind)
        for key, (uid, version) in listed.items():
            known = now.get(key)
            if known is not None and known[0] == uid and known[1] >= version:
                continue
            body = await self._cluster.get(kind, *key)
            if body is not None and self._cache.upsert(kind, body):
                self._notify(kind, body)

    def _forget(self, kind: Kind, key: Key, uid: str) -> None:
        gone = self._cache.get(kind, *key)
        if gone is not None and gone.uid == uid and self._cache.remove(kind, gone.body):
            self._notify(kind, gone.body)

    def _notify(self, kind: Kind, body: Any) -> None:
        metadata = body["metadata"]
        key = (metadata["namespace"], metadata["name"]) if kind is MODEL_DEPLOYMENT else owner_key(body)
        if key is not None:
            self._enqueue(key, BACKGROUND)


def _version(metadata: Body) -> int:
    text = str(metadata.get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0
