"""The one door to the API server: plain dicts in and out, server-side apply, and no write without the fence."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from modelmoor_operator.errors import Conflict, Invalid, Refused, Unreachable
from modelmoor_operator.fence import Fence
from modelmoor_operator.kinds import LEASE, Kind
from modelmoor_operator.metrics import REST_REQUESTS, REST_SECONDS
from modelmoor_operator.throttle import TokenBucket

Body = dict[str, Any]
Bodies = list[Body]
log = logging.getLogger(__name__)

_METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_UNFENCED = "/selfsubjectaccessreviews"
_LEASES = LEASE.root
_PAGE = 100
"""Objects to a page: as Python objects, with their managed fields, five hundred Deployments take 12 MiB, and what a
process once took in small pieces it seldom gives back."""
_REQUEST_TIMEOUT = 30.0
_LONGEST_PAUSE = 10.0
"""Seconds that a pass waits where the API server asks for a pause; for longer ones the key comes back."""


async def connect(kubeconfig: str | None = None) -> client.Configuration:
    """The configuration to reach the API server: a kubeconfig where named or present, else the pod's own account."""
    settings = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except config.ConfigException:
        await config.load_kube_config(config_file=kubeconfig, client_configuration=settings)
    return settings


class Cluster:
    """Calls to the API server. Errors are ours: `Conflict`, `Invalid`, `Refused`, `Unreachable`, `Fenced`."""

    def __init__(self, settings: client.Configuration, fence: Fence, bucket: TokenBucket) -> None:
        class FencedRequest(aiohttp.ClientRequest):
            """A request that asks the fence in the tick in which it is sent, not when it was made."""

            async def send(self, conn: Any) -> Any:
                if self.method != "GET" and not self.url.path.endswith(_UNFENCED) and _LEASES not in self.url.path:
                    fence.check()
                return await super().send(conn)

        # aiohttp would look for proxies and a netrc file anew at each request, in a thread
        settings.client_session_kwargs = {"request_class": FencedRequest, "trust_env": False}
        settings.proxy = settings.proxy or _proxy(settings.host)
        self.configuration = settings
        self._api = client.ApiClient(settings)
        self._bucket = bucket
        self._host = urlsplit(settings.host).netloc

    async def close(self) -> None:
        await self._api.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """The object as it is now, or None."""
        try:
            return await self._json("GET", kind.path(namespace, name))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def list(self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "") -> list[Body]:
        """Every object of a kind."""
        return [item async for page in self.pages(kind, namespace, labels=labels, fields=fields) for item in page]

    async def pages(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
        limit: int = _PAGE,
    ) -> AsyncIterator[Bodies]:
        """Every object of a kind, `limit` to a page; `metadata_only` spares the API server and the wire the rest."""
        query = {"limit": str(limit), "labelSelector": labels, "fieldSelector": fields}
        accept = _METADATA_LIST if metadata_only else None
        while True:
            page = await self._json("GET", kind.path(namespace), query=query, accept=accept)
            yield page.get("items") or []
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def apply(
        self, kind: Kind, body: Body, *, manager: str, subresource: str | None = None, dry_run: bool = False
    ) -> Body:
        """Server-side apply, forced: what we declare is ours; what others declare beside it stays theirs."""
        metadata = body["metadata"]
        return await self._json(
            "PATCH",
            kind.path(metadata["namespace"], metadata["name"], subresource),
            query={"fieldManager": manager, "force": "true", "dryRun": "All" if dry_run else ""},
            body=body,
            content_type="application/apply-patch+yaml",
        )

    async def create(self, kind: Kind, body: Body, *, manager: str) -> Body:
        return await self._json(
            "POST", kind.path(body["metadata"]["namespace"]), query={"fieldManager": manager}, body=body
        )

    async def replace(self, kind: Kind, body: Body, *, manager: str) -> Body:
        """Overwrite an object; its resourceVersion, where given, must still be the live one."""
        metadata = body["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"])
        return await self._json("PUT", path, query={"fieldManager": manager}, body=body)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Body, *, manager: str) -> Body:
        """JSON merge patch: objects are merged, lists are replaced whole, null removes."""
        return await self._json(
            "PATCH",
            kind.path(namespace, name),
            query={"fieldManager": manager},
            body=patch,
            content_type="application/merge-patch+json",
        )

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> Body | None:
        """Delete the very object that was seen (by uid), its own children in the background; gone is fine.

        Returns the object where a finalizer keeps it: it goes when whoever put that there has done its work.
        """
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            left = await self._json("DELETE", kind.path(namespace, name), body=body)
        except Refused as error:
            if error.status != 404:
                raise
            return None
        return left if "deletionTimestamp" in (left.get("metadata") or {}) else None

    async def may(self, kind: Kind, verb: str, namespace: str | None, subresource: str = "", *, name: str = "") -> bool:
        """Whether this account may do `verb`, as the API server itself answers; `name` for a rule on one object."""
        attributes = {"group": kind.group, "resource": kind.plural, "verb": verb, "namespace": namespace or ""}
        review = await self._json(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": {**attributes, "subresource": subresource, "name": name}},
            },
        )
        return bool(review["status"]["allowed"])

    async def resources(self, root: str) -> frozenset[str]:
        """The plurals that are served below a group and version, such as `/apis/keda.sh/v1alpha1`; none is no error."""
        try:
            found = await self._json("GET", root)
        except Refused as error:
            if error.status == 404:
                return frozenset()
            raise
        return frozenset(str(item["name"]) for item in found.get("resources") or ())

    async def watch(self, kind: Kind, namespace: str, name: str, *, seconds: float) -> AsyncIterator[Body]:
        """Events of one object, the present state first, for at most `seconds`."""
        query = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(max(1, int(seconds)))}
        response = await self._send("GET", kind.path(namespace), query=query, timeout=seconds + 5)
        async with response.response as stream:
            if stream.status != 200:
                raise await _refusal("GET", response)
            async for line in stream.content:
                yield json.loads(line)

    async def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        accept: str | None = None,
    ) -> Body:
        """One request and its answer. A 429 that names a time is tried once more after that time."""
        metered = method != "GET" and _LEASES not in path
        for last in (False, True):
            if metered:
                await self._bucket.take()
            try:
                async with asyncio.timeout(_REQUEST_TIMEOUT):
                    response = await self._send(
                        method, path, query=query, body=body, content_type=content_type, accept=accept
                    )
                    content = await response.read()
            except TimeoutError as error:
                text = f"the API server did not answer {method} {path} within {_REQUEST_TIMEOUT:g} s"
                raise Unreachable(text) from error
            except aiohttp.ClientError as error:
                raise Unreachable(f"the API server cut {method} {path} short ({type(error).__name__})") from error
            if response.status < 400:
                break
            refused = await _refusal(method, response)
            pause = refused.retry_after
            if refused.status != 429 or pause is None:
                raise refused
            self._bucket.hold(pause)  # whoever writes next waits, too
            log.warning("the API server asks for a pause", extra={"seconds": pause, "method": method})
            if last or pause > _LONGEST_PAUSE:
                raise refused
            if not metered:
                await asyncio.sleep(pause)
        return json.loads(content)  # type: ignore[no-any-return]

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        accept: str | None = None,
        timeout: float = _REQUEST_TIMEOUT,
    ) -> Any:
        shown = {name: value for name, value in (query or {}).items() if value}
        headers = {"Content-Type": content_type, "Accept": accept or "application/json"}
        request = await self._api.param_serialize(
            method,
            path + ("?" + urlencode(shown) if shown else ""),
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        verb, url, header_params, _, post_params = request
        try:
            with REST_SECONDS.labels(verb=method).time():
                response = await self._api.call_api(
                    verb, url, header_params, body, post_params, _request_timeout=aiohttp.ClientTimeout(total=timeout)
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ApiException) as error:
            REST_REQUESTS.labels(code="<error>", method=method, host=self._host).inc()
            raise Unreachable(f"the API server cannot be reached for {method} ({type(error).__name__})") from error
        REST_REQUESTS.labels(code=str(response.status), method=method, host=self._host).inc()
        return response


def _proxy(server: str) -> str | None:
    """The proxy that the environment names for the API server."""
    parts = urlsplit(server)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


async def _refusal(method: str, response: Any) -> Refused:
    """The API server's `Status` object as one of our errors."""
    content = await response.read()
    try:
        status = json.loads(content)
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    message = str(status.get("message") or f"HTTP {response.status}")
    kind = {409: Conflict, 422: Invalid}.get(response.status, Refused)
    after = response.getheader("Retry-After", "")
    return kind(
        response.status,
        str(status.get("reason", "")),
        message,
        retry_after=float(after) if str(after).isdigit() else None,
    )
