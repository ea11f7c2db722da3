"""Many requests at once to the API server: people who apply a thousand models, and the nodes that are not there."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

Object = dict[str, Any]
Item = TypeVar("Item")

MODELS = "/apis/modelmoor.dev/v1alpha1"
APPS = "/apis/apps/v1"
CORE = "/api/v1"
POLICY = "/apis/policy/v1"
LEASES = "/apis/coordination.k8s.io/v1"
_PAGE = 1000


class Refusal(RuntimeError):
    """The API server's no, in its own words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


class Client:
    """Plain calls with the rights of the kubeconfig's user."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def call(
        self, method: str, path: str, body: Object | None = None, *, kind: str = "application/json"
    ) -> Object:
        """One request; `Refusal` where the API server says no."""
        data = None if body is None else json.dumps(body)
        url = self._server + path
        async with self._session.request(method, url, data=data, headers={"Content-Type": kind}) as answer:
            text = await answer.read()
            if answer.status >= 400:
                raise Refusal(answer.status, f"{method} {path}: {text[:300].decode(errors='replace')}")
            return json.loads(text)  # type: ignore[no-any-return]

    async def patch(self, path: str, patch: Object) -> Object:
        return await self.call("PATCH", path, patch, kind="application/merge-patch+json")

    async def pages(self, root: str, plural: str, *, fields: str = "") -> AsyncIterator[list[Object]]:
        """Every object of a kind in all namespaces, page by page."""
        more = ""
        while True:
            page = await self.call("GET", f"{root}/{plural}?limit={_PAGE}&fieldSelector={fields}{more}")
            yield page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return
            more = f"&continue={token}"

    async def every(self, items: Iterable[Item], do: Callable[[Item], Awaitable[Any]], *, at_once: int = 32) -> None:
        """Call `do` for each item, some at once."""
        left = iter(items)

        async def work() -> None:
            for item in left:
                await do(item)

        await asyncio.gather(*(work() for _ in range(at_once)))


@asynccontextmanager
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    """A client for the first cluster and user of a kubeconfig."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trusted = ssl.create_default_context(cafile=cluster["certificate-authority"])
    connector = aiohttp.TCPConnector(ssl=trusted, limit=64)
    headers = {"Authorization": f"Bearer {user['token']}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Client(session, cluster["server"])
