"""One namespace of a cluster with nodes: models in it, their pods, and what they answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.control_plane import ControlPlane
from support.forward import forwarded
from support.manifests import Object, condition, model
from support.waiting import eventually

SMALL = {"requests": {"cpu": "10m", "memory": "200Mi"}}
SMALL_FETCH = {"fetch": {"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}}
"""Resources with which many pods fit on a small machine; no limit, so that they start as fast as it can."""


@dataclass(frozen=True)
class Namespace:
    """A namespace, with the serving image at hand for helpers of the tests."""

    cluster: ControlPlane
    name: str
    serving_image: str

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments, **options)

    def apply(self, *objects: Object) -> None:
        self.cluster.apply(*objects, namespace=self.name)

    def get(self, kind: str, name: str) -> Object:
        """An object that must be there."""
        found = self.cluster.get(kind, name, self.name)
        assert found is not None, f"there is no {kind}/{name} in {self.name}"
        return found

    def objects(self, kinds: str, labels: str = "") -> list[Object]:
        select = ("-l", labels) if labels else ()
        listed: list[Object] = json.loads(self.kubectl("get", kinds, "-o", "json", *select))["items"]
        return listed

    def deploy(self, name: str, uri: str, **spec: Any) -> None:
        """Apply a ModelDeployment of small pods; the artifact is reached by Secret `model-store` where it is in S3."""
        self.apply(deployment(name, uri, **spec))

    def change(self, name: str, **spec: Any) -> None:
        """Lay new fields over a ModelDeployment's spec, as `kubectl edit` would."""
        self.kubectl("patch", "mdep", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def model(self, name: str) -> Object:
        return self.get("mdep", name)

    def ready(self, name: str, *, seconds: float = 150) -> Object:
        """The ModelDeployment once it is Ready as its present generation asks."""

        def look() -> Object | None:
            found = self.model(name)
            return found if is_ready(found) else None

        return eventually(look, seconds=seconds, pause=0.5, why=lambda: f"{name} is {self.told(name)}")

    def until(self, name: str, kind: str, status: str, reason: str, *, seconds: float = 60) -> Object:
        """The ModelDeployment once a condition says this of its present generation."""

        def look() -> Object | None:
            found = self.model(name)
            seen = condition(found, kind)
            fits = (seen.get("status"), seen.get("reason")) == (status, reason) and is_current(found)
            return found if fits else None

        return eventually(look, seconds=seconds, pause=0.5, why=lambda: f"{name} is {self.told(name)}")

    def told(self, name: str) -> str:
        """A ModelDeployment's status in one line."""
        status = self.model(name).get("status") or {}
        return " ".join(f"{c['type']}={c['status']} ({c['reason']})" for c in status.get("conditions") or ()) + (
            f": {status.get('summary')}"
        )

    def pods(self, name: str) -> list[Object]:
        """The model's pods that are not on their way out."""
        found = self.objects("pods", f"modelmoor.dev/name={name}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def pod_uids(self, name: str) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.pods(name)}

    def pod_metrics(self, name: str, pod: str) -> dict[str, float]:
        """The series of one pod's /metrics whose names begin with `name`, by name and labels."""
        text = self.cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{self.name}/pods/{pod}:8080/proxy/metrics")
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(name))
        return {series: float(value) for series, value in rows}

    @contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[int]:
        """A free port of this machine that leads to a pod or Service while the block runs."""
        with forwarded(self.cluster.kubeconfig, self.name, target, port) as local:
            yield local


def deployment(name: str, uri: str, **spec: Any) -> Object:
    """A ModelDeployment of small pods. `model` in `spec` is laid over the URI and the store's Secret."""
    artifact: Object = {"uri": uri}
    if uri.startswith("s3://"):
        artifact["credentials"] = {"secretRef": {"name": "model-store"}}
    pods = {"resources": SMALL} | spec | {"storage": SMALL_FETCH | spec.get("storage", {})}
    return model(name, **pods | {"model": artifact | spec.get("model", {})})


def is_current(obj: Object) -> bool:
    """Whether the status tells of the spec as it is now."""
    status = obj.get("status") or {}
    return bool(status.get("observedGeneration") == obj["metadata"]["generation"])


def is_ready(obj: Object) -> bool:
    """Whether it is Ready as its present generation asks."""
    return is_current(obj) and condition(obj, "Ready").get("status") == "True"
