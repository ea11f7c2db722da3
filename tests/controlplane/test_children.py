"""One manifest becomes its objects on a real API server, and applying it again changes nothing."""

import json

import pytest

from support.audit import Audit
from support.control_plane import ControlPlane
from support.manifests import model, says
from support.operator import Operator
from support.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

CHILDREN = (
    ("deployment", "iris"),
    ("service", "iris"),
    ("service", "iris-headless"),
    ("poddisruptionbudget", "iris"),
    ("horizontalpodautoscaler", "iris"),
)


def test_a_manifest_becomes_its_objects(control_plane: ControlPlane, namespace: str) -> None:
    """Each child names its owner, carries the labels, and has one manager beside the controllers' own: modelmoor."""
    control_plane.apply(model(autoscaling={"maxReplicas": 3}), namespace=namespace)
    seen = control_plane.eventually("mdep", "iris", says("Ready", "False"), namespace=namespace)

    assert seen["status"]["observedGeneration"] == 1
    for kind, name in CHILDREN:
        child = control_plane.eventually(kind, name, lambda _: True, namespace=namespace)
        (owner,) = child["metadata"]["ownerReferences"]
        assert owner["uid"] == seen["metadata"]["uid"]
        assert owner["controller"]
        assert owner["blockOwnerDeletion"]
        assert child["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "modelmoor"
        assert child["metadata"]["labels"]["modelmoor.dev/name"] == "iris"
        assert "finalizers" not in child["metadata"]
        managers = {(item["manager"], item["operation"]) for item in child["metadata"]["managedFields"]}
        assert ("modelmoor", "Apply") in managers
    (revision,) = control_plane.names("controllerrevision", namespace)
    assert revision == seen["status"]["targetRevision"]


def test_applying_the_same_again_changes_nothing(
    control_plane: ControlPlane, namespace: str, audit: Audit, operator: Operator
) -> None:
    """After settling, neither a second apply nor a touched status makes the operator write anything."""
    manifest = model(autoscaling={"maxReplicas": 3}, podTemplate={"spec": {"nodeSelector": {"disk": "ssd"}}})
    control_plane.apply(manifest, namespace=namespace)
    settle(control_plane, namespace, operator)
    before = versions(control_plane, namespace)
    audit.mark()

    for _ in range(3):
        control_plane.apply(manifest, namespace=namespace)
    control_plane.kubectl("-n", namespace, "label", "mdep", "iris", "touched=true")
    settle(control_plane, namespace, operator)

    assert audit.writes(namespace) == []
    assert versions(control_plane, namespace) == before


def test_the_status_of_children_is_left_to_their_controllers(
    control_plane: ControlPlane, namespace: str, operator: Operator
) -> None:
    """The operator's claims on its Deployment are what it renders: neither status nor defaulted fields."""
    control_plane.apply(model(), namespace=namespace)
    settle(control_plane, namespace, operator)
    deployment = control_plane.get("deployment", "iris", namespace)
    assert deployment is not None
    (ours,) = (item for item in deployment["metadata"]["managedFields"] if item["manager"] == "modelmoor")

    assert set(ours["fieldsV1"]) == {"f:metadata", "f:spec"}
    assert "f:dnsPolicy" not in json.dumps(ours)
    assert "f:replicas" in ours["fieldsV1"]["f:spec"]


def settle(plane: ControlPlane, namespace: str, operator: Operator) -> None:
    """Wait until the status tells of the present spec and the operator has nothing left to do for a moment."""
    plane.eventually("mdep", "iris", says("Ready", "False"), namespace=namespace)
    quiet = 0
    last = -1.0

    def still() -> bool:
        nonlocal quiet, last
        passes = operator.metric('controller_runtime_reconcile_time_seconds_count{controller="modeldeployment"}')
        depth = operator.metric('workqueue_depth{name="modeldeployment"}')
        quiet = quiet + 1 if passes == last and depth == 0 else 0
        last = passes
        return quiet >= 6

    eventually(still, seconds=20)


def versions(plane: ControlPlane, namespace: str) -> dict[str, str]:
    """resourceVersion and generation of every child; the controllers' own status writes have ended by then."""
    text = plane.kubectl("-n", namespace, "get", "service,pdb,controllerrevision,hpa,deployment", "-o", "json")
    found = {}
    for item in json.loads(text)["items"]:
        metadata = item["metadata"]
        mark = metadata["resourceVersion"] if item["kind"] != "HorizontalPodAutoscaler" else metadata.get("generation")
        found[f"{item['kind']}/{metadata['name']}"] = str(mark)
    return found
