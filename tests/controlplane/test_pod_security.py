"""Every pod that the operator renders may run where Pod Security `restricted` is enforced."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.account import rendered
from support.control_plane import ControlPlane
from support.machine import ROOT

Object = dict[str, Any]

pytestmark = pytest.mark.controlplane

NAMESPACE = "restricted"
GOLDEN = sorted(path.parent for path in (ROOT / "tests/golden").glob("*/out.yaml"))
UNFIT = {
    "overlay-volume": "hostPath",
    "pod-template": '"proxy"',  # the person's own sidecar says nothing of its privileges
}
"""Cases whose person asks for what `restricted` forbids, and the word by which the refusal names it."""


@pytest.fixture(scope="module")
def restricted(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace that takes only restricted pods."""
    control_plane.kubectl("create", "namespace", NAMESPACE)
    control_plane.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    control_plane.eventually("serviceaccount", "default", lambda _: True, namespace=NAMESPACE)
    control_plane.kubectl("create", "priorityclass", "serving", "--value=1")
    for account in ("digits", "operator"):
        control_plane.kubectl("-n", NAMESPACE, "create", "serviceaccount", account)
    yield NAMESPACE
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def create(plane: ControlPlane, template: Object, *, check: bool = True) -> str:
    """Ask the API server for a pod of this template, admission included, and keep none."""
    metadata = template["metadata"] | {"name": "pod", "namespace": NAMESPACE}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    return plane.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod), check=check)


def template(case: Path) -> Object:
    """The pod template of a golden case's Deployment."""
    (deployment,) = (obj for obj in yaml.safe_load_all((case / "out.yaml").read_text()) if obj["kind"] == "Deployment")
    found: Object = deployment["spec"]["template"]
    return found


@pytest.mark.parametrize("case", [path for path in GOLDEN if path.name not in UNFIT], ids=lambda path: path.name)
def test_a_model_pod_is_admitted(control_plane: ControlPlane, restricted: str, case: Path) -> None:
    """What the operator renders by itself fits `restricted`, whatever the spec asks for."""
    assert "created" in create(control_plane, template(case))


@pytest.mark.parametrize("name", UNFIT)
def test_what_a_person_adds_is_judged_as_it_is(control_plane: ControlPlane, restricted: str, name: str) -> None:
    """A host path or an open sidecar of the podTemplate is refused by the cluster: nothing of ours hides it."""
    refusal = create(control_plane, template(ROOT / "tests/golden" / name), check=False)

    assert "violates PodSecurity" in refusal
    assert UNFIT[name] in refusal
    assert '"model"' not in refusal
    assert '"fetch"' not in refusal


def test_the_operators_own_pod_is_admitted(control_plane: ControlPlane, restricted: str) -> None:
    """`helm install` works in a restricted namespace."""
    (deployment,) = (obj for obj in rendered() if obj["kind"] == "Deployment")
    pod = deployment["spec"]["template"]
    pod["spec"]["serviceAccountName"] = "operator"

    assert "created" in create(control_plane, pod)
