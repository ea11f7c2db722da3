"""What pods say, asked for with measure: a thousand models that start at once are no thousand lists every two seconds.

Pods are not watched: their states matter only while a model is on its way, and then not to the second. So a few models
are asked about one by one, many in a namespace by one list for all, and the looks of a whole fleet are spread in time.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from modelmoor_operator.desired import names
from modelmoor_operator.kinds import CORE_EVENT, POD, Kind
from modelmoor_operator.queue import Key

FEW = 10
"""So many models of a namespace are asked about one by one."""
FRESH_SECONDS = 2.0
"""A list for all is good for so long."""
LOOKS_PER_SECOND = 50.0

_MEMORY_SECONDS = 10.0
_UNREAD_SPEC = ("volumes", "tolerations", "affinity")
_UNREAD_CONTAINER = ("env", "volumeMounts", "livenessProbe", "readinessProbe", "startupProbe", "securityContext")

Body = dict[str, Any]
Bodies = list[Body]


class Lists(Protocol):
    """The call of `cluster.Cluster` that lists."""

    async def list(self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "") -> Bodies: ...


class Lookout:
    """Looks at pods and their warnings for the passes over all models. `clock` gives seconds that never go back."""

    def __init__(self, cluster: Lists, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._asked: dict[str, dict[str, float]] = {}
        self._lists: dict[tuple[Kind, str], asyncio.Task[Bodies]] = {}
        self._unsettled: set[Key] = set()

    async def pods(self, namespace: str, selector: Mapping[str, str]) -> Bodies:
        """The pods of one model, at most `FRESH_SECONDS` old where many models are on their way."""
        if not self._many(namespace, selector[names.NAME_LABEL]):
            wanted = ",".join(f"{label}={value}" for label, value in selector.items())
            return await self._cluster.list(POD, namespace, labels=wanted)
        every = await self._shared(POD, namespace, lambda: self._cluster.list(POD, namespace, labels=names.NAME_LABEL))
        return [pod for pod in every if selector.items() <= (pod["metadata"].get("labels") or {}).items()]

    async def warnings(self, namespace: str) -> Bodies:
        """The warnings about pods of a namespace, at most `FRESH_SECONDS` old."""
        about = "involvedObject.kind=Pod,type=Warning"
        return await self._shared(
            CORE_EVENT, namespace, lambda: self._cluster.list(CORE_EVENT, namespace, fields=about)
        )

    def pace(self, key: Key, seconds: float | None) -> float | None:
        """When to look at a model again that asked for `seconds` (None: not at all): later, the more of them wait."""
        if seconds is None:
            self._unsettled.discard(key)
            return None
        self._unsettled.add(key)
        spread = len(self._unsettled) / LOOKS_PER_SECOND
        return max(seconds, spread * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing

    def forget(self, key: Key) -> None:
        """The model is gone."""
        self._unsettled.discard(key)
        asked = self._asked.get(key[0], {})
        asked.pop(key[1], None)
        if not asked:
            self._asked.pop(key[0], None)

    def _many(self, namespace: str, name: str) -> bool:
        now = self._clock()
        asked = self._asked.setdefault(namespace, {})
        asked.pop(name, None)
        asked[name] = now  # the oldest stands first
        while (oldest := next(iter(asked))) and now - asked[oldest] > _MEMORY_SECONDS:
            del asked[oldest]
        return len(asked) > FEW

    async def _shared(self, kind: Kind, namespace: str, ask: Callable[[], Awaitable[Bodies]]) -> Bodies:
        """One list for whoever asks while it runs and shortly after; an error goes to all who waited for it."""

        async def fetch() -> Bodies:
            return [_trimmed(item) for item in await ask()]

        place = (kind, namespace)
        task = self._lists.get(place)
        if task is None:
            task = self._lists[place] = asyncio.create_task(fetch())
            task.add_done_callback(lambda done: self._keep(place, done))
        return await asyncio.shield(task)

    def _keep(self, place: tuple[Kind, str], done: "asyncio.Task[Bodies]") -> None:
        failed = done.cancelled() or done.exception() is not None
        asyncio.get_running_loop().call_later(0 if failed else FRESH_SECONDS, self._lists.pop, place, None)


def _trimmed(item: Body) -> Body:
    """Less what nobody reads of a pod or an event: it is held for seconds, by the thousand."""
    item["metadata"].pop("managedFields", None)
    spec = item.get("spec") or {}
    for field in _UNREAD_SPEC:
        spec.pop(field, None)
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        for field in _UNREAD_CONTAINER:
            container.pop(field, None)
    return item
