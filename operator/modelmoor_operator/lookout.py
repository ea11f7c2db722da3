"""What pods say, asked for with measure: a thousand models that start at once are no thousand lists every two seconds.

Pods are not watched: their states matter only while a model is on its way, and then not to the second. So a few models
are asked about one by one, many in a namespace by one list for all, and the looks of a whole fleet are spread in time.

What such a list brought is held as JSON, and lists are read page by page and one at a time: as Python objects, the pods
of a thousand models took 30 MiB, which the process never gave back.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
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
_PAGE = 50
_UNREAD_SPEC = ("volumes", "tolerations", "affinity")
_UNREAD_CONTAINER = ("env", "volumeMounts", "livenessProbe", "readinessProbe", "startupProbe", "securityContext")

Body = dict[str, Any]
Bodies = list[Body]
_Texts = dict[str, list[str]]
"""What a list brought, as JSON, by what it is about."""


class Lists(Protocol):
    """The call of `cluster.Cluster` that lists."""

    def pages(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "", limit: int = ...
    ) -> AsyncIterator[Bodies]: ...


class Lookout:
    """Looks at pods and their warnings for the passes over all models. `clock` gives seconds that never go back."""

    def __init__(self, cluster: Lists, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._asked: dict[str, dict[str, float]] = {}
        self._lists: dict[tuple[Kind, str], asyncio.Task[_Texts]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._unsettled: set[Key] = set()

    async def pods(self, namespace: str, selector: Mapping[str, str]) -> Bodies:
        """The pods of one model, at most `FRESH_SECONDS` old where many models are on their way."""
        name = selector[names.NAME_LABEL]
        if not self._many(namespace, name):
            wanted = ",".join(f"{label}={value}" for label, value in selector.items())
            return [pod async for page in self._cluster.pages(POD, namespace, labels=wanted) for pod in page]
        every = self._cluster.pages(POD, namespace, labels=names.NAME_LABEL, limit=_PAGE)
        texts = await self._shared((POD, namespace), every, _model_of)
        pods = (json.loads(text) for text in texts.get(name, ()))
        return [pod for pod in pods if selector.items() <= pod["metadata"]["labels"].items()]

    async def warnings(self, namespace: str, pods: Iterable[str]) -> Bodies:
        """The warnings about these pods of a namespace, at most `FRESH_SECONDS` old."""
        about = "involvedObject.kind=Pod,type=Warning"
        every = self._cluster.pages(CORE_EVENT, namespace, fields=about, limit=_PAGE)
        texts = await self._shared((CORE_EVENT, namespace), every, _pod_of)
        return [json.loads(text) for pod in pods for text in texts.get(pod, ())]

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

    async def _shared(
        self, place: tuple[Kind, str], pages: AsyncIterator[Bodies], about: Callable[[Body], str]
    ) -> _Texts:
        """One list for whoever asks while it runs and shortly after; an error goes to all who waited for it.

        pages: begun by the first who asks, and never by the others.
        """

        async def fetch() -> _Texts:
            texts: _Texts = {}
            async with self._one_at_a_time:
                async for page in pages:
                    for item in page:
                        texts.setdefault(about(item), []).append(json.dumps(_trimmed(item)))
            return texts

        task = self._lists.get(place)
        if task is None:
            task = self._lists[place] = asyncio.create_task(fetch())
            task.add_done_callback(lambda done: self._keep(place, done))
        return await asyncio.shield(task)

    def _keep(self, place: tuple[Kind, str], done: "asyncio.Task[_Texts]") -> None:
        failed = done.cancelled() or done.exception() is not None
        asyncio.get_running_loop().call_later(0 if failed else FRESH_SECONDS, self._lists.pop, place, None)


def _model_of(pod: Body) -> str:
    return str((pod["metadata"].get("labels") or {}).get(names.NAME_LABEL))


def _pod_of(event: Body) -> str:
    return str((event.get("involvedObject") or {}).get("name"))


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
