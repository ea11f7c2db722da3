"""A real API server with etcd and the controllers, without nodes, and kubectl to talk to it."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.machine import INFRA, ROOT, program, tool
from support.waiting import eventually

CRD = ROOT / "crds" / "modelmoor.dev_modeldeployments.yaml"


@dataclass(frozen=True)
class ControlPlane:
    """One running control plane; also fits a kind cluster, which has nodes besides."""

    kubeconfig: Path
    audit_log: Path | None = None

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:
        """Run kubectl; returns what it printed, and raises with what it complained of."""
        ran = subprocess.run(
            [tool("kubectl"), "--kubeconfig", self.kubeconfig, *arguments],
            input=input,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check and ran.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {ran.stderr.strip()}")
        return ran.stdout if ran.returncode == 0 else ran.stderr

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any] | None:
        """An object as the API server has it, or None."""
        text = self.kubectl(
            "-n", namespace, "get", kind, name, "-o", "json", "--ignore-not-found", "--show-managed-fields"
        )
        return json.loads(text) if text.strip() else None

    def names(self, kind: str, namespace: str = "default", labels: str = "") -> list[str]:
        select = ["-l", labels] if labels else []
        return self.kubectl("-n", namespace, "get", kind, "-o", "jsonpath={.items[*].metadata.name}", *select).split()

    def apply(self, *objects: dict[str, Any], namespace: str = "default") -> None:
        """kubectl apply, as a person does it."""
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("-n", namespace, "apply", "-f", "-", input=manifest)

    def patch_status(self, kind: str, name: str, status: dict[str, Any], namespace: str = "default") -> None:
        """Play the part of a controller or a node that is not there."""
        patch = json.dumps({"status": status})
        self.kubectl("-n", namespace, "patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)

    def eventually(
        self,
        kind: str,
        name: str,
        condition: Callable[[dict[str, Any]], bool],
        *,
        namespace: str = "default",
        seconds: float = 20.0,
    ) -> dict[str, Any]:
        """Wait until an object is there and meets a condition; the failure shows the object."""

        def look() -> dict[str, Any] | None:
            found = self.get(kind, name, namespace)
            return found if found is not None and condition(found) else None

        return eventually(look, seconds=seconds, why=lambda: self._shown(kind, name, namespace))

    def _shown(self, kind: str, name: str, namespace: str) -> str:
        return self.kubectl("-n", namespace, "get", kind, name, "-o", "yaml", check=False)

    def gone(self, kind: str, name: str, *, namespace: str = "default", seconds: float = 30.0) -> None:
        eventually(lambda: self.get(kind, name, namespace) is None, seconds=seconds, why=lambda: f"{kind}/{name} stays")

    def empty(self, kinds: str, *, namespace: str, labels: str = "", seconds: float = 75.0) -> None:
        """Wait until nothing of these kinds is left, such as `service,deployment`.

        The garbage collector looks for new kinds every 30 s: on a fresh control plane it does not know ours yet.
        """
        select = ["-l", labels] if labels else []

        def left() -> list[str]:
            return self.kubectl("-n", namespace, "get", kinds, "-o", "name", *select).split()

        eventually(lambda: not left(), seconds=seconds, why=lambda: f"{left()} stay")


AUDIT_POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """Start one, with our CRD established and every write in an audit log; end it afterwards.

    Its API server and controllers are of the Kubernetes minor in MODELMOOR_KUBERNETES, else of the kind cluster's.
    """
    minor = os.environ.get("MODELMOOR_KUBERNETES")
    servers = {"SERVERS": str(program("kubernetes", minor))} if minor else {}
    with tempfile.TemporaryDirectory(prefix="modelmoor-control-plane-") as folder:
        policy, audit = Path(folder) / "audit-policy.yaml", Path(folder) / "audit.log"
        policy.write_text(AUDIT_POLICY)
        script = INFRA / "control-plane.sh"
        flags = f"--audit-policy-file={policy} --audit-log-path={audit} --audit-log-maxsize=4096"
        arguments = [script, "start", tool("kube"), folder]
        environment = os.environ | {"APISERVER_ARGS": flags} | servers
        subprocess.run(arguments, check=True, env=environment, stdout=subprocess.DEVNULL)
        try:
            plane = ControlPlane(Path(folder) / "kubeconfig", audit)
            plane.kubectl("apply", "--server-side", "-f", str(CRD))
            plane.kubectl("wait", "--for=condition=Established", "crd/modeldeployments.modelmoor.dev")
            yield plane
        finally:
            subprocess.run([script, "stop", folder], check=True)
