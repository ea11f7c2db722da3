"""The API server as a person's tools see it: past the proxy, with the administrator's rights."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import urllib3
import yaml

from modelmoor_operator.kinds import CHILD_KINDS, MODEL_DEPLOYMENT, POD, Kind

Object = dict[str, Any]

USER = "chaos-user"
"""The field manager of everything that a scenario does by hand."""
SNAPSHOT_KINDS = (MODEL_DEPLOYMENT, *CHILD_KINDS)

_RETRY = urllib3.Retry(8, status_forcelist={429}, allowed_methods=None, raise_on_status=False)
"""A store that was begun a moment ago says 429 for a while; kubectl waits for it, too."""


class Refusal(Exception):
    """The API server said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Api:
    """Plain calls with plain objects. `kubeconfig` is one that the control-plane script wrote: a token, a CA file."""

    kubeconfig: Path

    @cached_property
    def _config(self) -> Object:
        read: Object = yaml.safe_load(self.kubeconfig.read_text())
        return read

    @property
    def server(self) -> str:
        return str(self._config["clusters"][0]["cluster"]["server"])

    @property
    def authority(self) -> str:
        """The file of the API server's certificate authority."""
        return str(self._config["clusters"][0]["cluster"]["certificate-authority"])

    @property
    def _token(self) -> str:
        return str(self._config["users"][0]["user"]["token"])

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(ca_certs=self.authority, maxsize=8, retries=_RETRY)

    def call(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> Object:
        """One request; raises `Refusal`."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type, "Accept": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        answer = self._pool.request(method, self.server + path, body=content, headers=headers, timeout=30)
        if answer.status >= 400:
            raise Refusal(answer.status, answer.data.decode())
        told: Object = json.loads(answer.data)
        return told

    def ready(self) -> bool:
        """Whether the API server takes requests, by its own word."""
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            answer = self._pool.request("GET", f"{self.server}/readyz", headers=headers, timeout=5, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        try:
            return self.call("GET", kind.path(namespace, name))
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise

    def objects(self, kind: Kind, namespace: str) -> list[Object]:
        """Every object of a kind; none where the kind is not served."""
        try:
            return list(self.call("GET", kind.path(namespace))["items"])
        except Refusal as refusal:
            if refusal.status == 404:
                return []
            raise

    def apply(self, kind: Kind, namespace: str, obj: Object, *, manager: str = USER, dry_run: bool = False) -> Object:
        query = f"?fieldManager={manager}&force=true" + ("&dryRun=All" if dry_run else "")
        path = kind.path(namespace, obj["metadata"]["name"]) + query
        return self.call("PATCH", path, obj, content_type="application/apply-patch+yaml")

    def replace(self, kind: Kind, namespace: str, obj: Object) -> None:
        """Make an object's spec exactly this one, as `kubectl replace` does: an apply leaves nulls behind in places."""
        while True:
            found = self.call("GET", kind.path(namespace, obj["metadata"]["name"]))
            try:
                path = kind.path(namespace, obj["metadata"]["name"]) + f"?fieldManager={USER}"
                self.call("PUT", path, {**found, "spec": obj["spec"]})
            except Refusal as refusal:
                if refusal.status == 409:  # the operator wrote status in between
                    continue
                raise
            return

    def patch(self, kind: Kind, namespace: str, name: str, change: object, *, subresource: str | None = None) -> Object:
        """A JSON patch where `change` is a list, a merge patch otherwise."""
        spelling = "json-patch" if isinstance(change, list) else "merge-patch"
        path = kind.path(namespace, name, subresource) + f"?fieldManager={USER}"
        return self.call("PATCH", path, change, content_type=f"application/{spelling}+json")

    def delete(self, kind: Kind, namespace: str, name: str, *, policy: str = "Background") -> None:
        try:
            self.call("DELETE", kind.path(namespace, name), {"propagationPolicy": policy})
        except Refusal as refusal:
            if refusal.status != 404:
                raise

    def delete_all(self, kind: Kind, namespace: str) -> None:
        self.call("DELETE", kind.path(namespace))

    def create_namespace(self, name: str) -> None:
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def delete_namespace(self, name: str) -> None:
        self.call("DELETE", f"/api/v1/namespaces/{name}")

    def pods(self) -> list[Object]:
        """Pods of every namespace."""
        return list(self.call("GET", POD.path(None))["items"])
