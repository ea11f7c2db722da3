"""A fleet of ModelDeployments: created, made ready without nodes, looked at, and compared with what they ask for."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from perf.client import APPS, CORE, MODELS, POLICY, Client, Object, Refusal
from support import kubelet
from support.manifests import condition, model

NAMESPACES = 10
TOUCHES_A_SECOND = 50

Key = tuple[str, str]


@dataclass
class Fleet:
    """Models named `m00000` and so on, spread over ten namespaces."""

    client: Client
    say: Callable[[str], None]
    size: int = 0
    uris: dict[Key, str] = field(default_factory=dict)

    async def prepare(self) -> None:
        """The namespaces, with the ServiceAccount without which no pod can be created."""
        for number in range(NAMESPACES):
            await self.client.call("POST", f"{CORE}/namespaces", {"metadata": {"name": f"fleet-{number}"}})
        for number in range(NAMESPACES):
            while not await self._exists(f"{CORE}/namespaces/fleet-{number}/serviceaccounts/default"):
                await asyncio.sleep(0.1)

    def keys(self, begin: int, end: int) -> list[Key]:
        return [(f"fleet-{number % NAMESPACES}", f"m{number:05}") for number in range(begin, end)]

    async def grow(self, count: int) -> list[Key]:
        """Create `count` more models, as quickly as the API server takes them."""
        new = self.keys(self.size, self.size + count)
        self.size += count

        async def create(key: Key) -> None:
            body = model(key[1])
            self.uris[key] = body["spec"]["model"]["uri"]
            await self.client.call("POST", f"{MODELS}/namespaces/{key[0]}/modeldeployments", body)

        await self.client.every(new, create)
        return new

    async def written(self, holds: Callable[[Object], bool], *, seconds: float, what: str) -> float:
        """Wait until a condition holds for every model; returns when it was first seen to (`time.monotonic`)."""
        deadline = time.monotonic() + seconds
        told = time.monotonic()
        while True:
            good = 0
            async for page in self.client.pages(MODELS, "modeldeployments"):
                good += sum(holds(item) for item in page if item["metadata"]["name"].startswith("m"))
            now = time.monotonic()
            if good >= self.size:
                return now
            if now > deadline:
                raise TimeoutError(f"{good} of {self.size} models are {what} after {seconds:g} s")
            if now - told > 5:
                told = now
                self.say(f"{good} of {self.size} models are {what}")
            await asyncio.sleep(self._pause)

    async def wrong(self) -> list[str]:
        """What a model's children lack, of every model: empty where each stands with the wanted spec."""
        live = {
            kind: await self._all(*kind)
            for kind in ((APPS, "deployments"), (CORE, "services"), (POLICY, "poddisruptionbudgets"))
        }
        revisions = await self._owners(APPS, "controllerrevisions")
        found = []
        models = await self._all(MODELS, "modeldeployments")
        for key, uri in self.uris.items():
            uid = models[key]["metadata"]["uid"]
            for (_, plural), objects in live.items():
                child = objects.get(key)
                if child is None:
                    found.append(f"{plural} {key} is not there")
                elif child["metadata"]["ownerReferences"][0]["uid"] != uid or not _fits(plural, child, key[1], uri):
                    found.append(f"{plural} {key} is not as wanted")
            if uid not in revisions:
                found.append(f"no controllerrevision of {key}")
        return found

    async def serve(self, *, seconds: float) -> None:
        """Play the nodes: every pod reports that it fetched its model and answers, until every model is Ready."""
        done: set[str] = set()
        told = kubelet.serving()
        deadline, spoke = time.monotonic() + seconds, time.monotonic()

        async def report(pod: Object) -> None:
            metadata = pod["metadata"]
            path = f"{CORE}/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
            try:
                await self.client.patch(path, {"status": told})
            except Refusal as error:
                if error.status != 404:  # gone with its model meanwhile
                    raise
            done.add(metadata["uid"])

        while True:
            async for page in self.client.pages(CORE, "pods", fields="status.phase=Pending"):
                await self.client.every([pod for pod in page if pod["metadata"]["uid"] not in done], report, at_once=16)
            if await self._ready() >= self.size:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(done)} pods and {await self._ready()} of {self.size} models are ready")
            if time.monotonic() - spoke > 10:
                spoke = time.monotonic()
                self.say(f"{len(done)} pods report, {await self._ready()} of {self.size} models are ready")
            await asyncio.sleep(self._pause)

    async def touch(self, keys: Iterable[Key], value: str) -> None:
        """Set an annotation that every pass reads and that asks for nothing: one no-op pass each.

        At TOUCHES_A_SECOND: as fast as it goes, this client and the API server take both cores, and what is measured
        is how long a pass waits for one (in the first runs 5 ms, with 1.4 ms of the operator's processor time).
        """
        begun, asked = time.monotonic(), 0

        async def annotate(key: Key) -> None:
            nonlocal asked
            asked += 1
            await asyncio.sleep(max(0.0, begun + asked / TOUCHES_A_SECOND - time.monotonic()))
            path = f"{MODELS}/namespaces/{key[0]}/modeldeployments/{key[1]}"
            await self.client.patch(path, {"metadata": {"annotations": {"modelmoor.dev/touched": value}}})

        await self.client.every(keys, annotate, at_once=8)

    async def remove(self, *, seconds: float) -> None:
        """Delete every model and wait until the collector took the children."""
        for number in range(NAMESPACES):
            await self.client.call("DELETE", f"{MODELS}/namespaces/fleet-{number}/modeldeployments")
        deadline, spoke = time.monotonic() + seconds, time.monotonic()
        while True:
            left = sum([len(page) async for page in self.client.pages(APPS, "deployments")])
            left += sum([len(page) async for page in self.client.pages(APPS, "controllerrevisions")])
            left += sum([len(page) async for page in self.client.pages(POLICY, "poddisruptionbudgets")])
            if not left:
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"{left} children are left after {seconds:g} s")
            if time.monotonic() - spoke > 10:
                spoke = time.monotonic()
                self.say(f"{left} children are left")
            await asyncio.sleep(2 * self._pause)
        self.size, self.uris = 0, {}

    @property
    def _pause(self) -> float:
        """Seconds between two looks at the whole fleet, so that looking stays a small part of the load."""
        return max(1.0, self.size / 1000)

    async def _ready(self) -> int:
        good = 0
        async for page in self.client.pages(MODELS, "modeldeployments"):
            good += sum(condition(item, "Ready").get("status") == "True" for item in page)
        return good

    async def _all(self, root: str, plural: str) -> dict[Key, Object]:
        found = {}
        async for page in self.client.pages(root, plural):
            found.update({(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in page})
        return found

    async def _owners(self, root: str, plural: str) -> set[str]:
        children = (await self._all(root, plural)).values()
        return {owner["uid"] for child in children for owner in child["metadata"].get("ownerReferences") or ()}

    async def _exists(self, path: str) -> bool:
        try:
            await self.client.call("GET", path)
        except Refusal:
            return False
        return True


def _fits(plural: str, child: Object, name: str, uri: str) -> bool:
    """Written apart from the operator's own rendering: what a person would look at first."""
    spec = child["spec"]
    if plural == "deployments":
        (fetch,) = (item for item in spec["template"]["spec"]["initContainers"] if item["name"] == "fetch")
        given = {item["name"]: item.get("value") for item in fetch["env"]}
        return spec["replicas"] == 1 and given["MODELMOOR_MODEL_URI"] == uri
    selector = spec["selector"] if plural == "services" else spec["selector"]["matchLabels"]
    return bool(selector["modelmoor.dev/name"] == name)
