"""`deletionPolicy: Orphan`: children without an owner outlive their ModelDeployment, and a new one takes them over."""

import json
import uuid
from typing import Any

import pytest

from support.audit import Audit
from support.control_plane import ControlPlane
from support.kubelet import Kubelet, serving
from support.manifests import condition, model, says, seen
from support.waiting import eventually

Object = dict[str, Any]

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

OURS = "deployment,service,hpa,pdb,controllerrevision"
BELOW = "replicaset,pod"
HOLD = "tests.example/hold"
WITNESS = "tests.example/witness=yes"


def children(plane: ControlPlane, namespace: str, kinds: str = OURS) -> dict[str, Object]:
    """Every object of these kinds, by kind and name."""
    text = plane.kubectl("-n", namespace, "get", kinds, "-o", "json", "--show-managed-fields")
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in json.loads(text)["items"]}


def uids(plane: ControlPlane, namespace: str, kinds: str = f"{OURS},{BELOW}") -> dict[str, str]:
    return {name: item["metadata"]["uid"] for name, item in children(plane, namespace, kinds).items()}


def owners(plane: ControlPlane, namespace: str) -> dict[str, list[str]]:
    """The uids of every child's owners."""
    found = children(plane, namespace)
    return {name: [ref["uid"] for ref in item["metadata"].get("ownerReferences", ())] for name, item in found.items()}


def begin(plane: ControlPlane, namespace: str, **spec: Any) -> Object:
    """A model with every kind of child, served by one pod; returns the ModelDeployment."""
    plane.apply(model(**{"autoscaling": {"maxReplicas": 3}, **spec}), namespace=namespace)
    obj = plane.eventually("mdep", "iris", seen, namespace=namespace)
    Kubelet(plane, namespace).report(obj["status"]["targetRevision"], serving())
    return plane.eventually("mdep", "iris", says("Ready", "True", "ModelReady"), namespace=namespace)


@pytest.fixture(scope="module", autouse=True)
def collector(control_plane: ControlPlane) -> None:
    """The garbage collector knows our kind: a fresh control plane learns it within half a minute.

    What is owned before that is tried at ever longer intervals, so these tests must not begin sooner.
    """
    made = 0

    def collects() -> bool:
        nonlocal made
        made += 1
        control_plane.apply(witness(f"witness-{made}", str(uuid.uuid4())))
        return len(control_plane.names("configmap", labels=WITNESS)) < made

    eventually(collects, seconds=90, pause=1.0)
    control_plane.kubectl("delete", "configmap", "-l", WITNESS)


def witness(name: str, owner: str) -> Object:
    """Something that goes as soon as the collector finds that its owner is not there."""
    reference = {"apiVersion": "modelmoor.dev/v1alpha1", "kind": "ModelDeployment", "name": "iris", "uid": owner}
    key, _, value = WITNESS.partition("=")
    metadata = {"name": name, "labels": {key: value}, "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def collected(plane: ControlPlane, namespace: str, uid: str) -> None:
    """Wait until the garbage collector has dealt with a deleted owner."""
    plane.apply(witness("witness", uid), namespace=namespace)
    plane.gone("configmap", "witness", namespace=namespace)


def settled(plane: ControlPlane, namespace: str, wanted: list[str]) -> None:
    """Wait until every child has exactly these owners."""
    for name in children(plane, namespace):
        kind, _, child = name.partition("/")
        plane.eventually(kind, child, lambda obj: refs(obj) == wanted, namespace=namespace)


def refs(obj: Object) -> list[str]:
    return [ref["uid"] for ref in obj["metadata"].get("ownerReferences", ())]


def test_orphans_outlive_their_model_and_serve_on(control_plane: ControlPlane, namespace: str) -> None:
    """No child has an owner or a finalizer; after the deletion each is the same one, down to the pod that answers."""
    obj = begin(control_plane, namespace, deletionPolicy="Orphan")
    assert set(map(tuple, owners(control_plane, namespace).values())) == {()}
    everything = children(control_plane, namespace, f"mdep,{OURS}").values()
    assert [item["metadata"]["name"] for item in everything if item["metadata"].get("finalizers")] == []
    before = uids(control_plane, namespace)

    control_plane.kubectl("-n", namespace, "delete", "mdep", "iris", "--timeout=20s")
    collected(control_plane, namespace, obj["metadata"]["uid"])

    assert uids(control_plane, namespace) == before
    found = children(control_plane, namespace, f"{OURS},{BELOW}")
    assert not [name for name, item in found.items() if "deletionTimestamp" in item["metadata"]]
    assert found["Deployment/iris"]["status"]["availableReplicas"] == 1


@pytest.mark.parametrize("policy", ["Delete", "Orphan"])
def test_a_new_model_of_that_name_takes_them_over(control_plane: ControlPlane, namespace: str, policy: str) -> None:
    """The same objects go on under the new ModelDeployment, ready at once; no pod is started or lost."""
    begin(control_plane, namespace, deletionPolicy="Orphan")
    before = uids(control_plane, namespace)
    generation = children(control_plane, namespace)["Deployment/iris"]["metadata"]["generation"]
    control_plane.kubectl("-n", namespace, "delete", "mdep", "iris")

    control_plane.apply(model(autoscaling={"maxReplicas": 3}, deletionPolicy=policy), namespace=namespace)
    new = control_plane.eventually("mdep", "iris", says("Ready", "True", "ModelReady"), namespace=namespace)

    settled(control_plane, namespace, [new["metadata"]["uid"]] if policy == "Delete" else [])
    assert uids(control_plane, namespace) == before
    assert children(control_plane, namespace)["Deployment/iris"]["metadata"]["generation"] == generation
    if policy == "Delete":
        control_plane.kubectl("-n", namespace, "delete", "mdep", "iris")
        control_plane.empty(OURS, namespace=namespace)


def test_the_policy_can_be_changed_in_both_directions(control_plane: ControlPlane, namespace: str) -> None:
    """Owners go and come back by our own apply, on the same objects; the last word decides about the deletion."""
    obj = begin(control_plane, namespace)
    uid = obj["metadata"]["uid"]
    settled(control_plane, namespace, [uid])
    before = uids(control_plane, namespace)

    change(control_plane, namespace, "Orphan")
    settled(control_plane, namespace, [])
    change(control_plane, namespace, "Delete")
    settled(control_plane, namespace, [uid])

    assert uids(control_plane, namespace) == before
    for name, child in children(control_plane, namespace).items():
        if not name.startswith("ControllerRevision/"):  # whose data may not be applied anew
            assert owner_managers(child) == {("modelmoor", "Apply")}, name
    control_plane.kubectl("-n", namespace, "delete", "mdep", "iris")
    control_plane.empty(OURS, namespace=namespace)


def test_a_suspended_model_keeps_its_owners(control_plane: ControlPlane, namespace: str, audit: Audit) -> None:
    """While suspended, a change of the policy waits like any other, and the status says so."""
    obj = begin(control_plane, namespace)
    control_plane.kubectl("-n", namespace, "annotate", "mdep", "iris", "modelmoor.dev/suspend=true")
    control_plane.eventually("mdep", "iris", says("Ready", "True", "Suspended"), namespace=namespace)
    audit.mark()

    change(control_plane, namespace, "Orphan")
    told = control_plane.eventually("mdep", "iris", says("Ready", "Unknown", "Suspended"), namespace=namespace)

    assert "A change waits" in told["status"]["summary"]
    assert set(map(tuple, owners(control_plane, namespace).values())) == {(obj["metadata"]["uid"],)}
    assert [line for line in audit.writes(namespace) if "/status?" not in line and "/events?" not in line] == []


def test_an_owner_put_on_an_orphan_is_taken_off_again(control_plane: ControlPlane, namespace: str) -> None:
    """Somebody's owner reference to the ModelDeployment would take the pods along: it is drift, and mended."""
    obj = begin(control_plane, namespace, deletionPolicy="Orphan")
    for kind in ("deployment", "pdb"):
        control_plane.kubectl("-n", namespace, "patch", kind, "iris", "--type=merge", "-p", owned_by(obj))

        healed = control_plane.eventually(kind, "iris", lambda item: refs(item) == [], namespace=namespace)
        assert "modelmoor-mender" not in {item["manager"] for item in healed["metadata"]["managedFields"]}


def test_an_orphan_without_our_labels_is_let_go(control_plane: ControlPlane, namespace: str) -> None:
    """Labels are all that ties an orphan: who takes them off takes the object away, and the status says so at once."""
    begin(control_plane, namespace, deletionPolicy="Orphan")
    control_plane.kubectl("-n", namespace, "label", "service", "iris", "modelmoor.dev/name-")

    control_plane.eventually("mdep", "iris", says("Stalled", "True", "NameConflict"), namespace=namespace)

    control_plane.kubectl("-n", namespace, "label", "service", "iris", "modelmoor.dev/name=iris")
    control_plane.eventually("mdep", "iris", says("Ready", "True"), namespace=namespace)


def test_nothing_is_written_while_a_model_is_deleted_with_its_children_left(
    control_plane: ControlPlane, namespace: str, audit: Audit
) -> None:
    """Between `--cascade=orphan` and the end, a child without owner and an edited one stay as they are."""
    obj = begin(control_plane, namespace)
    hold = json.dumps({"metadata": {"finalizers": [HOLD]}})
    control_plane.kubectl("-n", namespace, "patch", "mdep", "iris", "--type=merge", "-p", hold)
    control_plane.kubectl("-n", namespace, "delete", "mdep", "iris", "--cascade=orphan", "--wait=false")
    settled(control_plane, namespace, [])
    audit.mark()

    control_plane.kubectl("-n", namespace, "patch", "pdb", "iris", "-p", json.dumps({"spec": {"maxUnavailable": 2}}))
    control_plane.apply(model("other"), namespace=namespace)
    # passes go by arrival: when the later one has been told, the earlier one is over
    control_plane.eventually("mdep", "other", seen, namespace=namespace)

    written = [line for line in audit.writes(namespace) if "iris" in line]
    assert written == []
    assert set(map(tuple, [refs(item) for name, item in ours(control_plane, namespace)])) == {()}

    control_plane.kubectl("-n", namespace, "patch", "mdep", "iris", "--type=merge", "-p", FREE)
    collected(control_plane, namespace, obj["metadata"]["uid"])
    assert dict(ours(control_plane, namespace)).keys() >= {"Deployment/iris", "Service/iris"}


def test_a_child_that_is_being_deleted_is_not_written_to(
    control_plane: ControlPlane, namespace: str, audit: Audit
) -> None:
    """The model waits for it to go, says so, and makes a new one then."""
    begin(control_plane, namespace, deletionPolicy="Orphan")
    hold = json.dumps({"metadata": {"finalizers": [HOLD]}})
    before = uids(control_plane, namespace, OURS)["PodDisruptionBudget/iris"]
    control_plane.kubectl("-n", namespace, "patch", "pdb", "iris", "--type=merge", "-p", hold)
    control_plane.kubectl("-n", namespace, "delete", "pdb", "iris", "--wait=false")

    control_plane.eventually("mdep", "iris", says("Ready", "False", "Terminating"), namespace=namespace)
    assert not [line for line in audit.writes(namespace) if "poddisruptionbudgets/iris?" in line and "DELETE" in line]
    audit.mark()
    control_plane.kubectl("-n", namespace, "patch", "pdb", "iris", "-p", json.dumps({"spec": {"maxUnavailable": 2}}))
    control_plane.apply(model("other"), namespace=namespace)
    control_plane.eventually("mdep", "other", seen, namespace=namespace)
    assert not [line for line in audit.writes(namespace) if "poddisruptionbudgets/iris?" in line]

    control_plane.kubectl("-n", namespace, "patch", "pdb", "iris", "--type=merge", "-p", FREE)
    fresh = control_plane.eventually(
        "pdb", "iris", lambda obj: obj["metadata"]["uid"] != before, namespace=namespace, seconds=30
    )
    assert fresh["spec"]["maxUnavailable"] == 1
    told = control_plane.eventually("mdep", "iris", says("Ready", "True"), namespace=namespace)
    assert condition(told, "Stalled") == {}


FREE = json.dumps({"metadata": {"finalizers": None}})


def ours(plane: ControlPlane, namespace: str) -> list[tuple[str, Object]]:
    """The children of model iris."""
    found = children(plane, namespace).items()
    return [(name, item) for name, item in found if item["metadata"]["labels"].get("modelmoor.dev/name") == "iris"]


def change(plane: ControlPlane, namespace: str, policy: str) -> None:
    patch = json.dumps({"spec": {"deletionPolicy": policy}})
    plane.kubectl("-n", namespace, "patch", "mdep", "iris", "--type=merge", "-p", patch)


def owned_by(obj: Object) -> str:
    reference = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
    }
    return json.dumps({"metadata": {"ownerReferences": [reference]}})


def owner_managers(child: Object) -> set[tuple[str, str]]:
    """Who claims the owner references of an object."""
    fields = child["metadata"]["managedFields"]
    return {
        (item["manager"], item["operation"])
        for item in fields
        if "f:ownerReferences" in item["fieldsV1"].get("f:metadata", {})
    }
