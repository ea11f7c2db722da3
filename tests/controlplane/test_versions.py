"""What we render and what a Kubernetes version knows: `make test-versions` runs this on the oldest and the newest."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.control_plane import ControlPlane
from support.machine import INFRA, ROOT
from support.manifests import condition, model, says

pytestmark = pytest.mark.controlplane

GOLDEN = sorted((ROOT / "tests" / "golden").glob("*/out.yaml"))
OTHERS = ("monitoring.coreos.com", "keda.sh", "gateway.networking.k8s.io")
"""API groups of other projects, which no Kubernetes version serves by itself."""

IMAGE_VOLUMES_SINCE = 35
"""The minor from which `image` volumes are on by default."""


@pytest.fixture(scope="module")
def minor(control_plane: ControlPlane) -> int:
    """The minor version that the API server tells."""
    return int(json.loads(control_plane.kubectl("get", "--raw", "/version"))["minor"])


def test_the_api_server_is_of_the_wanted_version(minor: int) -> None:
    """Without this, a run for another version might test the usual one again."""
    usual = next(
        line.split()[1]
        for line in (INFRA / "go" / "kubernetes" / "go.mod").read_text().splitlines()
        if line.strip().startswith("k8s.io/kubernetes ")
    )

    assert f"1.{minor}" == os.environ.get("MODELMOOR_KUBERNETES", ".".join(usual.removeprefix("v").split(".")[:2]))


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.parent.name)
def test_every_field_that_we_render_is_known_and_kept(control_plane: ControlPlane, golden: Path) -> None:
    """Server-side apply takes each golden object, and what it would store holds every field.

    A field behind a closed feature gate is dropped in silence: that would look like drift for ever.
    """
    objects = [obj for obj in yaml.safe_load_all(golden.read_text()) if obj["apiVersion"].split("/")[0] not in OTHERS]
    for namespace in {obj["metadata"]["namespace"] for obj in objects}:
        if control_plane.get("namespace", namespace) is None:
            control_plane.kubectl("create", "namespace", namespace)

    for obj in objects:
        command = ("apply", "--server-side", "--dry-run=server", "--field-manager=modelmoor", "-o", "json", "-f", "-")
        kept = json.loads(control_plane.kubectl(*command, input=json.dumps(obj)))
        assert [*missing(obj, kept)] == [], f"{obj['kind']} {obj['metadata']['name']}"


def missing(wanted: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Where `kept` lacks a value of `wanted`, or has another one; what it has besides is the API server's default."""
    if isinstance(wanted, dict) and isinstance(kept, dict):
        for key, value in wanted.items():
            yield from missing(value, kept.get(key), f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(kept, list) and len(wanted) == len(kept):
        for number, (one, other) in enumerate(zip(wanted, kept, strict=True)):
            yield from missing(one, other, f"{path}[{number}]")
    elif wanted != kept and not (wanted == {} and kept is None):
        yield f"{path}: {wanted!r} became {kept!r}"


@pytest.mark.usefixtures("operator")
def test_a_pod_field_that_the_version_lacks_is_told_of(control_plane: ControlPlane, namespace: str, minor: int) -> None:
    """A person's own `image` volume is taken where Kubernetes has it, and is InvalidPodTemplate elsewhere."""
    volume = {"name": "extra", "image": {"reference": "registry.example/extra:1", "pullPolicy": "IfNotPresent"}}
    control_plane.apply(model(podTemplate={"spec": {"volumes": [volume]}}), namespace=namespace)

    if minor >= IMAGE_VOLUMES_SINCE:
        deployment = control_plane.eventually("deployment", "iris", lambda _: True, namespace=namespace)
        assert volume in deployment["spec"]["template"]["spec"]["volumes"]
    else:
        stalled = control_plane.eventually(
            "mdep", "iris", says("Stalled", "True", "InvalidPodTemplate"), namespace=namespace
        )
        assert "image" in condition(stalled, "Ready")["message"]
        assert control_plane.get("deployment", "iris", namespace) is None
