"""ServiceAccounts of the operator with exactly the rules that the chart renders: what it may not do, it cannot."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.control_plane import ControlPlane
from support.machine import ROOT, tool

NAMESPACE = "modelmoor-system"
_RBAC = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")

Object = dict[str, Any]


def rendered(release: str = "modelmoor", *options: str, namespace: str = NAMESPACE) -> list[Object]:
    """Every object of the operator's chart."""
    command = [tool("helm"), "template", release, ROOT / "charts" / "modelmoor", "-n", namespace]
    ran = subprocess.run([*command, "--kube-version", "1.36.0", *options], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [document for document in yaml.safe_load_all(ran.stdout) if document]


@dataclass(frozen=True)
class Account:
    """A ServiceAccount and a kubeconfig that speaks for it."""

    user: str
    kubeconfig: Path
    namespace: str = NAMESPACE


def account(
    plane: ControlPlane,
    release: str,
    *options: str,
    change: Callable[[Object], None] = lambda _: None,
    namespace: str = NAMESPACE,
) -> Account:
    """Create the chart's account and rules under the name of `release`; `change` may alter each object before."""
    objects = [obj for obj in rendered(release, *options, namespace=namespace) if obj["kind"] in _RBAC]
    for obj in objects:
        change(obj)
    if plane.get("namespace", namespace) is None:
        plane.kubectl("create", "namespace", namespace)
    for place in {obj["metadata"].get("namespace", namespace) for obj in objects}:
        plane.apply(*(obj for obj in objects if obj["metadata"].get("namespace", namespace) == place), namespace=place)
    name = next(obj["metadata"]["name"] for obj in objects if obj["kind"] == "ServiceAccount")
    token = plane.kubectl("-n", namespace, "create", "token", name, "--duration=12h").strip()
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"] = [{"name": "u", "user": {"token": token}}]
    path = plane.kubeconfig.with_name(f"kubeconfig-{release}")
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    return Account(f"system:serviceaccount:{namespace}:{name}", path, namespace)
