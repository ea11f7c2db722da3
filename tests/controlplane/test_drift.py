"""What others change in our objects is put right within seconds, seen by the watch; what is theirs stays."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.control_plane import ControlPlane
from support.manifests import model, says
from support.operator import Operator
from support.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

HEALED_SECONDS = 5.0
IMAGE = "modelmoor/serving:0.1.0"

Object = dict[str, Any]


@pytest.fixture(scope="module")
def home(control_plane: ControlPlane, operator: Operator) -> Iterator[str]:
    """A namespace with one settled model for all cases of this file: each must leave it as it found it."""
    control_plane.kubectl("create", "namespace", "drift")
    control_plane.apply(model(autoscaling={"maxReplicas": 3}), namespace="drift")
    control_plane.eventually("hpa", "iris", lambda _: True, namespace="drift")
    control_plane.eventually("mdep", "iris", says("Ready", "False"), namespace="drift")
    yield "drift"
    control_plane.kubectl("delete", "namespace", "drift", "--wait=false")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("deployment", "iris"),
        ("service", "iris"),
        ("service", "iris-headless"),
        ("hpa", "iris"),
        ("pdb", "iris"),
    ],
)
def test_a_deleted_child_comes_back(control_plane: ControlPlane, home: str, kind: str, name: str) -> None:
    """A new object of the same name stands there within seconds."""
    before = uid(control_plane, home, kind, name)
    control_plane.kubectl("-n", home, "delete", kind, name, "--wait=false")

    control_plane.eventually(
        kind, name, lambda obj: obj["metadata"]["uid"] != before, namespace=home, seconds=HEALED_SECONDS
    )


def pod(obj: Object) -> Object:
    return obj["spec"]["template"]["spec"]


def container(obj: Object, name: str = "model") -> Object:
    return next(item for item in pod(obj)["containers"] if item["name"] == name)


def ports(obj: Object) -> list[int]:
    return [port["port"] for port in obj["spec"]["ports"]]


FOREIGN_CONTAINER = {"spec": {"template": {"spec": {"containers": [{"name": "spy", "image": "spy:1"}]}}}}
FOREIGN_INIT = {"spec": {"template": {"spec": {"initContainers": [{"name": "spy", "image": "spy:1"}]}}}}
FOREIGN_VOLUME = {
    "spec": {
        "template": {
            "spec": {
                "volumes": [{"name": "spy", "emptyDir": {}}],
                "containers": [{"name": "model", "volumeMounts": [{"name": "spy", "mountPath": "/spy"}]}],
            }
        }
    }
}
NO_PROBE = [{"op": "remove", "path": "/spec/template/spec/containers/0/readinessProbe"}]
SERVICE_PORT = [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]
CONTAINER_PORT = [{"op": "replace", "path": "/spec/template/spec/containers/0/ports/0/containerPort", "value": 9999}]
EDITS: dict[str, tuple[str, list[str], Callable[[Object], bool]]] = {
    "an edited image": (
        "deployment",
        ["set", "image", "deployment/iris", "model=evil:1"],
        lambda obj: container(obj)["image"] == IMAGE,
    ),
    "a foreign variable": (
        "deployment",
        ["set", "env", "deployment/iris", "-c", "model", "SPY=1"],
        lambda obj: "SPY" not in json.dumps(pod(obj)),
    ),
    "an edited variable": (
        "deployment",
        ["set", "env", "deployment/iris", "-c", "model", "MODELMOOR_PICKLE=Deny"],
        lambda obj: {"name": "MODELMOOR_PICKLE", "value": "Allow"} in container(obj)["env"],
    ),
    "a foreign container": (
        "deployment",
        ["patch", "deployment", "iris", "-p", json.dumps(FOREIGN_CONTAINER)],
        lambda obj: [item["name"] for item in pod(obj)["containers"]] == ["model"],
    ),
    "a foreign init container": (
        "deployment",
        ["patch", "deployment", "iris", "-p", json.dumps(FOREIGN_INIT)],
        lambda obj: [item["name"] for item in pod(obj)["initContainers"]] == ["fetch"],
    ),
    "a foreign volume and mount": (
        "deployment",
        ["patch", "deployment", "iris", "-p", json.dumps(FOREIGN_VOLUME)],
        lambda obj: "spy" not in json.dumps(pod(obj)),
    ),
    "a foreign account": (
        "deployment",
        ["set", "serviceaccount", "deployment/iris", "spy"],
        lambda obj: not {"serviceAccount", "serviceAccountName"} & pod(obj).keys(),
    ),
    "an edited container port": (
        "deployment",
        ["patch", "deployment", "iris", "--type=json", "-p", json.dumps(CONTAINER_PORT)],
        lambda obj: [port["containerPort"] for port in container(obj)["ports"]] == [8080, 8081],
    ),
    "a removed probe": (
        "deployment",
        ["patch", "deployment", "iris", "--type=json", "-p", json.dumps(NO_PROBE)],
        lambda obj: "readinessProbe" in container(obj),
    ),
    "an edited Service port": (
        "service",
        ["patch", "service", "iris", "--type=json", "-p", json.dumps(SERVICE_PORT)],
        lambda obj: ports(obj) == [80, 8081],
    ),
    "a foreign Service port": (
        "service",
        ["patch", "service", "iris", "-p", json.dumps({"spec": {"ports": [{"name": "spy", "port": 99}]}})],
        lambda obj: ports(obj) == [80, 8081],
    ),
    "a foreign selector key": (
        "service",
        ["patch", "service", "iris", "-p", json.dumps({"spec": {"selector": {"spy": "1"}}})],
        lambda obj: set(obj["spec"]["selector"]) == {"modelmoor.dev/name", "modelmoor.dev/slot"},
    ),
    "an edited autoscaler": (
        "hpa",
        ["patch", "hpa", "iris", "-p", json.dumps({"spec": {"maxReplicas": 50}})],
        lambda obj: obj["spec"]["maxReplicas"] == 3,
    ),
    "an edited disruption budget": (
        "pdb",
        ["patch", "pdb", "iris", "--type=merge", "-p", json.dumps({"spec": {"maxUnavailable": 0}})],
        lambda obj: obj["spec"]["maxUnavailable"] == 1,
    ),
    "a removed label": (
        "service",
        ["label", "service", "iris", "app.kubernetes.io/managed-by-", "modelmoor.dev/name-"],
        lambda obj: obj["metadata"]["labels"].get("app.kubernetes.io/managed-by") == "modelmoor",
    ),
    "a removed owner": (
        "deployment",
        ["patch", "deployment", "iris", "--type=merge", "-p", json.dumps({"metadata": {"ownerReferences": None}})],
        lambda obj: [ref["kind"] for ref in obj["metadata"].get("ownerReferences", ())] == ["ModelDeployment"],
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_put_right(control_plane: ControlPlane, home: str, edit: str) -> None:
    """The field is ours again, the object is the same one, and no helper of ours stays among its managers."""
    kind, command, healed = EDITS[edit]
    before = uid(control_plane, home, kind, "iris")
    control_plane.kubectl("-n", home, *command)

    control_plane.eventually(kind, "iris", healed, namespace=home, seconds=HEALED_SECONDS)
    after = control_plane.eventually(
        kind, "iris", lambda obj: not managers(obj) & {"modelmoor-mender"}, namespace=home, seconds=HEALED_SECONDS
    )

    assert healed(after)
    assert after["metadata"]["uid"] == before
    assert "modelmoor" in managers(after)


def test_what_people_add_beside_ours_stays(control_plane: ControlPlane, home: str) -> None:
    """Labels and annotations of others survive a repair of the same object."""
    control_plane.kubectl("-n", home, "label", "deployment", "iris", "team=vision")
    control_plane.kubectl("-n", home, "annotate", "deployment", "iris", "note=mine")
    control_plane.kubectl("-n", home, "set", "env", "deployment/iris", "-c", "model", "SPY=1")

    after = control_plane.eventually(
        "deployment", "iris", lambda obj: "SPY" not in json.dumps(pod(obj)), namespace=home, seconds=HEALED_SECONDS
    )

    assert after["metadata"]["labels"]["team"] == "vision"
    assert after["metadata"]["annotations"]["note"] == "mine"


def test_a_sidecar_that_a_mesh_injects_stays(control_plane: ControlPlane, home: str, operator: Operator) -> None:
    """Containers of known meshes in the Deployment are not fought with, also while something else is put right."""
    mesh = {"spec": {"template": {"spec": {"containers": [{"name": "istio-proxy", "image": "proxy:1"}]}}}}
    control_plane.kubectl("-n", home, "patch", "deployment", "iris", "-p", json.dumps(mesh))
    control_plane.kubectl("-n", home, "set", "env", "deployment/iris", "-c", "model", "SPY=1")

    after = control_plane.eventually(
        "deployment", "iris", lambda obj: "SPY" not in json.dumps(pod(obj)), namespace=home, seconds=HEALED_SECONDS
    )

    assert {item["name"] for item in pod(after)["containers"]} == {"model", "istio-proxy"}


def test_repairs_are_counted(control_plane: ControlPlane, home: str, operator: Operator) -> None:
    """A platform sees who fights with the operator: a counter by kind, and a line in the log."""
    before = operator.metric('modelmoor_drift_healed_total{kind="Service"}')
    control_plane.kubectl("-n", home, "patch", "service", "iris", "-p", '{"spec":{"selector":{"spy":"2"}}}')
    control_plane.eventually(
        "service", "iris", lambda obj: "spy" not in obj["spec"]["selector"], namespace=home, seconds=HEALED_SECONDS
    )

    eventually(lambda: operator.metric('modelmoor_drift_healed_total{kind="Service"}') > before, seconds=10)
    assert '"drift"' in operator.logs()


def managers(obj: Object) -> set[str]:
    return {item["manager"] for item in obj["metadata"]["managedFields"]}


def uid(plane: ControlPlane, namespace: str, kind: str, name: str) -> str:
    return str(plane.eventually(kind, name, lambda _: True, namespace=namespace)["metadata"]["uid"])
