"""The kind cluster with our operator in it, brought up by the demo's own steps, so that both mean the same release."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from demo import cluster as release
from demo.console import Console

from support.control_plane import ControlPlane
from support.machine import INFRA, ROOT, tool
from support.namespace import Namespace
from support.waiting import eventually

SYSTEM = release.SYSTEM
OPERATOR = "modelmoor-operator"
RELEASE = "modelmoor"
TEST_LABEL = "modelmoor.dev/test"
OPERATOR_PODS = "app.kubernetes.io/component=operator"


@dataclass(frozen=True)
class Cluster(ControlPlane):
    """A cluster whose nodes run pods. `images`: the reference of each image, as infra/images.sh names them."""

    images: dict[str, str] = field(default_factory=dict)

    @property
    def serving_image(self) -> str:
        return self.images["SERVING_IMAGE"]

    @property
    def operator_image(self) -> str:
        return self.images["OPERATOR_IMAGE"]

    def install(self) -> None:
        """The release as the demo installs it; where it stands like this already, no object changes.

        One that a killed run left half way is taken out first, since Helm would wait for it for ever: models stay.
        """
        listed = parsed(self.helm("list", "--all", "--output", "json"))
        if any(found["status"].startswith("pending") for found in listed):
            self.helm("uninstall", RELEASE, "--wait")
        release.install(Console(), release.found(), self.images)

    def helm(self, *arguments: str) -> str:
        """Run helm in the release's namespace; AssertionError with its own words where it fails."""
        place = ("--kubeconfig", str(self.kubeconfig), "--namespace", SYSTEM)
        ran = subprocess.run([tool("helm"), *arguments, *place], capture_output=True, text=True, cwd=ROOT)
        assert ran.returncode == 0, f"helm {' '.join(arguments)}: {ran.stderr.strip()}"
        return ran.stdout

    def scale_operator(self, replicas: int) -> None:
        """So many operator pods, all ready, and not one more left."""
        self.kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", f"--replicas={replicas}")
        self.kubectl("-n", SYSTEM, "rollout", "status", f"deployment/{OPERATOR}", "--timeout=120s")
        eventually(
            lambda: len(self.operator_pods()) == replicas,
            seconds=60,
            why=lambda: f"the operator's pods are {self.operator_pods()}, wanted are {replicas}",
        )

    def operator_pods(self) -> dict[str, int]:
        """The restarts of each operator pod, by its UID."""
        listed = json.loads(self.kubectl("-n", SYSTEM, "get", "pods", "-l", OPERATOR_PODS, "-o", "json"))["items"]
        return {
            pod["metadata"]["uid"]: sum(status["restartCount"] for status in pod["status"].get("containerStatuses", ()))
            for pod in listed
        }

    @contextmanager
    def namespace(self, hint: str) -> Iterator[Namespace]:
        """A namespace that nobody else uses and that admits `restricted` pods alone."""
        name = f"{hint}-{secrets.token_hex(2)}"
        labels = {TEST_LABEL: "true", "pod-security.kubernetes.io/enforce": "restricted"}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        for kind, given in (("serviceaccount", "default"), ("configmap", "kube-root-ca.crt")):
            self.eventually(kind, given, lambda _: True, namespace=name)
        opened = Namespace(self, name, self.serving_image)
        OPEN.append(opened)
        try:
            yield opened
        finally:
            OPEN.remove(opened)
            self.kubectl("delete", "namespace", name, "--wait=false")


OPEN: list[Namespace] = []
"""The namespaces in use, the youngest last: what a failure is explained from."""


def ready_cluster() -> Cluster:
    """The cluster, up and with the images of this tree and the operator; what earlier runs left behind goes."""
    console = Console()
    found = release.up(console)
    subprocess.run([INFRA / "servers.sh", "load"], check=True)
    cluster = Cluster(found.kubeconfig, images=release.images(console))
    cluster.kubectl("delete", "namespace", "-l", f"{TEST_LABEL}=true", "--wait=false")
    cluster.install()
    return cluster


def parsed(text: str) -> Any:
    """JSON, or an AssertionError that shows what was there instead."""
    try:
        return json.loads(text)
    except ValueError:
        raise AssertionError(f"not JSON: {text[:500]}") from None
