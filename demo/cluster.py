"""The demo's cluster: brought up and filled by tests/cluster/infra, spoken to by kubectl and helm."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.console import INFRA, ROOT, Console, DemoError, output, stream

SYSTEM = "modelmoor-system"
RELEASE = "modelmoor"
NAMESPACE = "modelmoor-demo"
NAME = "modelmoor"
"""The kind cluster that all of this repository uses unless told otherwise."""
IMAGES = ("operator", "serving")
CANNOT_BE_HAD = 3
"""Exit code of tests/cluster/infra: this machine lacks something; the last line says what."""
_PENDING_SECONDS = 30
_BUILT = re.compile(r"image (\S+): (\S+)")


class NoCluster(Exception):
    """No cluster can be had on this machine; the sentence says what is missing."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster: the tools' folder and the kubeconfig."""

    bin: Path
    kubeconfig: Path

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        return output([self.bin / "kubectl", "--kubeconfig", self.kubeconfig, *arguments], stdin)

    def helm(self, *arguments: str | Path) -> str:
        return output([self.bin / "helm", "--kubeconfig", self.kubeconfig, "--namespace", SYSTEM, *arguments])

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


def up(console: Console, name: str = NAME) -> Cluster:
    """The cluster, made, mended or found; raises NoCluster with what is missing, DemoError where it breaks."""
    console.step("A Kubernetes cluster (the first time everything is built from source: about a quarter of an hour)")
    _infra(console, "up.sh", name)
    return found(name)


def found(name: str = NAME) -> Cluster:
    """The cluster that `up` made, without looking whether it runs."""
    kubeconfig = output([INFRA / "up.sh", "--kubeconfig", name]).strip()
    return Cluster(Path(output([INFRA / "tools.sh", "--bin"]).strip()), Path(kubeconfig))


def images(console: Console, name: str = NAME) -> dict[str, str]:
    """Builds and loads the images; returns the references as OPERATOR_IMAGE and SERVING_IMAGE. Raises as `up` does."""
    console.step("Images: operator, serving, and the store of the examples (only what changed is built)")
    said = _infra(console, "images.sh", "build", *IMAGES)
    built = {match[1]: match[2] for line in said if (match := _BUILT.fullmatch(line))}
    if missing := set(IMAGES) - built.keys():
        raise DemoError(f"images.sh build did not say how it called {', '.join(sorted(missing))}")
    console.step("Images into the cluster")
    _infra(console, "images.sh", "load", name, *IMAGES)
    _infra(console, "servers.sh", "load", name)
    return {f"{name.upper()}_IMAGE": built[name] for name in IMAGES}


def _infra(console: Console, *command: str) -> tuple[str, ...]:
    """Runs a script of tests/cluster/infra and returns its lines; raises NoCluster or DemoError where it fails."""
    ended = stream(console, [INFRA / command[0], *command[1:]])
    last = ended.lines[-1] if ended.lines else "it said nothing"
    if ended.code == CANNOT_BE_HAD:
        raise NoCluster(last)
    if ended.code:
        raise DemoError(f"{' '.join(command)} ended with exit code {ended.code}: {last}")
    return ended.lines


def install(console: Console, cluster: Cluster, references: dict[str, str]) -> None:
    """The operator, by its Helm chart; a second time nothing in the cluster changes."""
    console.step("The operator, by its Helm chart")
    values = [
        value
        for key, image in (("image", "OPERATOR_IMAGE"), ("servingImage", "SERVING_IMAGE"))
        for part, text in zip(("repository", "tag"), references[image].rsplit(":", 1), strict=True)
        for value in ("--set-string", f"{key}.{part}={text}")
    ]
    _mend(console, cluster)
    chart, small = ROOT / "charts" / "modelmoor", ROOT / "demo" / "values.yaml"
    how = ("--create-namespace", "--wait", "--timeout", "5m")
    cluster.helm("upgrade", "--install", RELEASE, chart, "--values", small, *values, *how)
    deployments = json.loads(cluster.kubectl("-n", SYSTEM, "get", "deployments", "-o", "json"))["items"]
    console.detail(
        ", ".join(f"{d['metadata']['name']}: {d['status'].get('readyReplicas', 0)} ready" for d in deployments)
    )


def _mend(console: Console, cluster: Cluster) -> None:
    """A helm that was interrupted leaves its release pending, and refuses ever after: wait for one, then undo it."""
    for _ in range(_PENDING_SECONDS):
        releases = json.loads(cluster.helm("list", "--all", "--filter", f"^{RELEASE}$", "-o", "json"))
        if not releases or not releases[0]["status"].startswith("pending"):
            return
        time.sleep(1)
    console.detail(f"an earlier helm was interrupted ({releases[0]['status']}): its half is undone first")
    if releases[0]["status"] == "pending-install":
        cluster.helm("uninstall", RELEASE, "--wait")
    else:
        cluster.helm("rollback", RELEASE, "--wait")
