"""The demo's cluster: brought up and filled by tests/cluster/infra, spoken to by kubectl and helm."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.console import INFRA, ROOT, Console, DemoError, output, stream

SYSTEM = "modelmoor-system"
NAMESPACE = "modelmoor-demo"
CANNOT_BE_HAD = 3
"""Exit code of tests/cluster/infra: this machine lacks something; the last line says what."""


class NoCluster(Exception):
    """No cluster can be had on this machine; the sentence says what is missing."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster: the tools' folder and the kubeconfig."""

    bin: Path
    kubeconfig: Path

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        return output([self.bin / "kubectl", "--kubeconfig", self.kubeconfig, *arguments], stdin)

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """The items of `kubectl get ... -o json` in the demo's namespace."""
        listed = json.loads(self.kubectl("-n", NAMESPACE, "get", *arguments, "-o", "json"))
        items: list[dict[str, Any]] = listed["items"]
        return items

    def predict(self, name: str, path: str, request: dict[str, Any]) -> dict[str, Any]:
        """Asks a model through its Service, by the API server's proxy: no port is opened on this machine."""
        raw = f"/api/v1/namespaces/{NAMESPACE}/services/{name}:http/proxy{path}"
        answer: dict[str, Any] = json.loads(self.kubectl("create", "--raw", raw, "-f", "-", stdin=json.dumps(request)))
        return answer

    @contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[int]:
        """A free local port that leads to a Service while the block runs."""
        command: list[str | Path] = [
            self.bin / "kubectl", "--kubeconfig", self.kubeconfig, "-n", NAMESPACE,
            "port-forward", f"service/{service}", f":{port}",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            try:
                first = child.stdout.readline() if child.stdout else ""
                if "->" not in first:
                    words = child.stderr.read().strip() if child.stderr else ""
                    raise DemoError(f"no way to service {service}: {words or 'kubectl port-forward said nothing'}")
                yield int(first.split("->")[0].rsplit(":", 1)[1])
            finally:
                child.terminate()


def up(console: Console) -> Cluster:
    """The cluster, made, mended or found; raises NoCluster with what is missing, DemoError where it breaks."""
    console.step("A Kubernetes cluster (the first time everything is built from source: about half an hour)")
    ended = stream(console, [INFRA / "up.sh"])
    if ended.code == CANNOT_BE_HAD:
        raise NoCluster(ended.last_line)
    if ended.code:
        raise DemoError(f"the cluster did not come up (exit code {ended.code}): {ended.last_line}")
    return found()


def found() -> Cluster:
    """The cluster that `up` made, without looking whether it runs."""
    kubeconfig = output([INFRA / "up.sh", "--kubeconfig"]).strip()
    return Cluster(Path(output([INFRA / "tools.sh", "--bin"]).strip()), Path(kubeconfig))


def images(console: Console) -> dict[str, str]:
    """Builds and loads the images; returns the reference of each by its short name (operator, serving, ...)."""
    for verb, text in (("build", "Images (only what changed is built)"), ("load", "Images into the cluster")):
        console.step(text)
        ended = stream(console, [INFRA / "images.sh", verb])
        if ended.code == CANNOT_BE_HAD:
            raise NoCluster(ended.last_line)
        if ended.code:
            raise DemoError(f"images.sh {verb} failed (exit code {ended.code}): {ended.last_line}")
    pairs = (line.split(None, 1) for line in output([INFRA / "images.sh", "tags"]).splitlines() if line.strip())
    return {name: reference.strip() for name, reference in pairs}


def install(console: Console, cluster: Cluster, references: dict[str, str]) -> None:
    """The operator, by its Helm chart; a second time nothing in the cluster changes."""
    console.step("The operator, by its Helm chart")
    values = [
        value
        for key, image in (("image", "operator"), ("servingImage", "serving"))
        for part, text in zip(("repository", "tag"), references[image].rsplit(":", 1), strict=True)
        for value in ("--set-string", f"{key}.{part}={text}")
    ]
    command: list[str | Path] = [
        cluster.bin / "helm", "upgrade", "--install", "modelmoor", ROOT / "charts" / "modelmoor",
        "--kubeconfig", cluster.kubeconfig, "--namespace", SYSTEM, "--create-namespace",
        "--wait", "--timeout", "5m", *values,
    ]  # fmt: skip
    output(command)
    deployments = json.loads(cluster.kubectl("-n", SYSTEM, "get", "deployments", "-o", "json"))["items"]
    console.detail(
        ", ".join(f"{d['metadata']['name']}: {d['status'].get('readyReplicas', 0)} ready" for d in deployments)
    )
