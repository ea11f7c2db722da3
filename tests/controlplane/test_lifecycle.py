"""From birth to death of a ModelDeployment: nothing is left behind, nothing hangs, and nothing of others is touched."""

import json

import pytest

from support.audit import Audit
from support.control_plane import ControlPlane
from support.manifests import condition, model, says, seen
from support.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

KINDS = "deployment,replicaset,service,hpa,pdb,controllerrevision"


def begin(plane: ControlPlane, namespace: str, **spec: object) -> None:
    plane.apply(model(**spec), namespace=namespace)
    plane.eventually("mdep", "iris", seen, namespace=namespace)
    eventually(lambda: plane.names("replicaset", namespace), seconds=10)  # Kubernetes' part, at its own pace


def left(plane: ControlPlane, namespace: str) -> list[str]:
    """Every object of ours that still stands in a namespace."""
    return plane.kubectl("-n", namespace, "get", KINDS, "-o", "name").split()


def uids(plane: ControlPlane, namespace: str) -> dict[str, str]:
    items = json.loads(plane.kubectl("-n", namespace, "get", KINDS, "-o", "json"))["items"]
    return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["uid"] for item in items}


def test_deletion_takes_everything_along(control_plane: ControlPlane, namespace: str) -> None:
    """Children and revisions go with their ModelDeployment, which never bore a finalizer."""
    begin(control_plane, namespace, autoscaling={"maxReplicas": 3})
    control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
    found = json.loads(control_plane.kubectl("-n", namespace, "get", f"mdep,{KINDS}", "-o", "json"))["items"]
    assert [item["metadata"]["name"] for item in found if item["metadata"].get("finalizers")] == []

    control_plane.kubectl("-n", namespace, "delete", "mdep", "iris")

    control_plane.empty(KINDS, namespace=namespace)


def test_a_foreground_deletion_ends(control_plane: ControlPlane, namespace: str) -> None:
    """The operator does not write to what is going, so the collector can finish."""
    begin(control_plane, namespace)

    control_plane.kubectl("-n", namespace, "delete", "mdep", "iris", "--cascade=foreground", "--timeout=30s")

    control_plane.empty(KINDS, namespace=namespace)


def test_a_model_deleted_and_made_again_at_once_is_whole(control_plane: ControlPlane, namespace: str) -> None:
    """The new object waits for the old one's children to go, and ends with children of its own."""
    begin(control_plane, namespace)
    before = uids(control_plane, namespace)
    # the collector cannot remove this Deployment yet: the new ModelDeployment meets the old one's child
    hold = {"metadata": {"finalizers": ["tests.example/hold"]}}
    control_plane.kubectl("-n", namespace, "patch", "deployment", "iris", "--type=merge", "-p", json.dumps(hold))
    control_plane.kubectl("-n", namespace, "delete", "mdep", "iris")
    control_plane.apply(model(), namespace=namespace)
    control_plane.eventually("mdep", "iris", says("Ready", "False", "Terminating"), namespace=namespace)
    free = {"metadata": {"finalizers": None}}
    control_plane.kubectl("-n", namespace, "patch", "deployment", "iris", "--type=merge", "-p", json.dumps(free))

    new = control_plane.get("mdep", "iris", namespace)
    assert new is not None
    for kind in ("deployment", "service", "pdb"):
        control_plane.eventually(
            kind,
            "iris",
            lambda obj: obj["metadata"]["ownerReferences"][0]["uid"] == new["metadata"]["uid"],
            namespace=namespace,
        )
    control_plane.eventually("mdep", "iris", says("Ready", "False", "PodsStarting"), namespace=namespace)
    assert not set(before.values()) & set(uids(control_plane, namespace).values())


def test_orphans_are_adopted(control_plane: ControlPlane, namespace: str) -> None:
    """After `--cascade=orphan` the children serve on; a new object of that name takes the same ones over."""
    begin(control_plane, namespace)
    before = uids(control_plane, namespace)
    control_plane.kubectl("-n", namespace, "delete", "mdep", "iris", "--cascade=orphan", "--timeout=30s")
    orphans = control_plane.eventually(
        "deployment", "iris", lambda obj: not obj["metadata"].get("ownerReferences"), namespace=namespace
    )
    assert "deletionTimestamp" not in orphans["metadata"]

    control_plane.apply(model(), namespace=namespace)
    new = control_plane.eventually("mdep", "iris", says("Ready", "False", "PodsStarting"), namespace=namespace)

    items = json.loads(control_plane.kubectl("-n", namespace, "get", KINDS, "-o", "json"))["items"]
    owners = {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["ownerReferences"][0]["uid"]
        for item in items
        if item["kind"] != "ReplicaSet"
    }
    assert set(owners.values()) == {new["metadata"]["uid"]}
    assert uids(control_plane, namespace) == before


def test_a_namespace_goes_without_hanging(control_plane: ControlPlane) -> None:
    """Nothing holds a namespace that holds models."""
    control_plane.kubectl("create", "namespace", "short-lived")
    begin(control_plane, "short-lived")

    control_plane.kubectl("delete", "namespace", "short-lived", "--timeout=60s")


@pytest.mark.parametrize(("kind", "word"), [("service", "Service"), ("deployment", "Deployment")])
def test_an_object_of_somebody_else_is_left_alone(
    control_plane: ControlPlane, namespace: str, audit: Audit, kind: str, word: str
) -> None:
    """NameConflict names it, nothing is written to it; once it is gone, the model goes on by itself."""
    control_plane.apply(foreign(kind), namespace=namespace)
    before = control_plane.get(kind, "iris", namespace)
    control_plane.apply(model(), namespace=namespace)
    stalled = control_plane.eventually("mdep", "iris", says("Stalled", "True", "NameConflict"), namespace=namespace)

    assert word in condition(stalled, "Ready")["message"]
    assert "belongs to somebody else" in stalled["status"]["hint"]
    after = control_plane.get(kind, "iris", namespace)
    assert before is not None
    assert after is not None
    assert (after["spec"], after["metadata"].get("ownerReferences")) == (before["spec"], None)
    written = [line for line in audit.writes(namespace) if f"{kind}s/iris?" in line]
    assert [line for line in written if not line.endswith(" 409")] == []  # an apply that may only create is refused

    control_plane.kubectl("-n", namespace, "delete", kind, "iris")
    control_plane.eventually("mdep", "iris", says("Ready", "False", "PodsStarting"), namespace=namespace, seconds=40)
    control_plane.eventually(kind, "iris", lambda obj: obj["metadata"].get("ownerReferences"), namespace=namespace)


def test_labels_alone_make_nothing_ours(control_plane: ControlPlane, namespace: str) -> None:
    """A Service that only looks like ours is a conflict, too."""
    copied = foreign("service")
    copied["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "modelmoor", "modelmoor.dev/name": "iris"}
    control_plane.apply(copied, namespace=namespace)
    control_plane.apply(model(), namespace=namespace)

    control_plane.eventually("mdep", "iris", says("Stalled", "True", "NameConflict"), namespace=namespace)


def foreign(kind: str) -> dict[str, object]:
    """Somebody's own object that has the model's name."""
    labels = {"app": "other"}
    if kind == "service":
        spec: dict[str, object] = {"selector": labels, "ports": [{"port": 5000}]}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "iris"}, "spec": spec}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pods}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "iris"}, "spec": spec}
