"""What happens while no replica runs is made good when one starts."""

from typing import Any

import pytest

from support.account import Account
from support.control_plane import ControlPlane
from support.kubelet import Kubelet, serving
from support.manifests import model, says, seen
from support.operator import operator as running

pytestmark = pytest.mark.controlplane


def test_what_happened_meanwhile_is_made_good(control_plane: ControlPlane, namespace: str, account: Account) -> None:
    """Deleting needs no operator; edits of children, new and changed models are caught up with at the start."""
    with running(account.kubeconfig, namespace=account.namespace):
        for name in ("iris", "gone"):
            control_plane.apply(model(name), namespace=namespace)
            control_plane.eventually("mdep", name, seen, namespace=namespace)

    control_plane.kubectl("-n", namespace, "delete", "mdep", "gone")
    control_plane.kubectl("-n", namespace, "set", "image", "deployment/iris", "model=evil:1")
    control_plane.kubectl("-n", namespace, "delete", "service", "iris")
    control_plane.kubectl("-n", namespace, "patch", "mdep", "iris", "--type=merge", "-p", '{"spec":{"replicas":2}}')
    control_plane.apply(model("new"), namespace=namespace)
    unseen = control_plane.get("mdep", "new", namespace)
    assert unseen is not None
    assert unseen["status"] == {"observedGeneration": -1}
    kinds = "deployment,replicaset,service,pdb,controllerrevision"
    control_plane.empty(kinds, namespace=namespace, labels="modelmoor.dev/name=gone")

    with running(account.kubeconfig, namespace=account.namespace) as replica:
        deployment = control_plane.eventually(
            "deployment", "iris", lambda obj: obj["spec"]["replicas"] == 2, namespace=namespace
        )
        control_plane.eventually("service", "iris", lambda _: True, namespace=namespace)
        control_plane.eventually("deployment", "new", lambda _: True, namespace=namespace)

        assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "modelmoor/serving:0.1.0"
        assert "Traceback" not in replica.logs()


def test_a_new_default_image_restarts_no_model(control_plane: ControlPlane, namespace: str, account: Account) -> None:
    """An operator with another serving image goes on with the image of the served revision, also for an update."""
    with running(account.kubeconfig, namespace=account.namespace, servingImage="serving:1"):
        first = target(control_plane, namespace)
        Kubelet(control_plane, namespace).report(first, serving())
        control_plane.eventually("mdep", "iris", says("Ready", "True", "ModelReady"), namespace=namespace)
    before = control_plane.get("deployment", "iris", namespace)
    assert before is not None

    with running(account.kubeconfig, namespace=account.namespace, servingImage="serving:2") as replica:
        control_plane.apply(model("other"), namespace=namespace)
        other = control_plane.eventually("deployment", "other", lambda _: True, namespace=namespace)
        control_plane.eventually(
            "mdep",
            "iris",
            lambda _: replica.metric('workqueue_depth{name="modeldeployment"}') == 0,
            namespace=namespace,
        )
        after = control_plane.get("deployment", "iris", namespace)
        second = target(control_plane, namespace, runtime={"env": [{"name": "A", "value": "1"}]})
        updated = control_plane.eventually(
            "deployment",
            "iris",
            lambda obj: obj["spec"]["template"]["metadata"]["labels"]["modelmoor.dev/revision"] == second,
            namespace=namespace,
        )

    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert control_plane.names("controllerrevision", namespace, labels="modelmoor.dev/name=iris") != []
    assert updated["spec"]["template"]["spec"]["containers"][0]["image"] == "serving:1"
    assert other["spec"]["template"]["spec"]["containers"][0]["image"] == "serving:2"


def target(plane: ControlPlane, namespace: str, **spec: Any) -> str:
    """Apply a spec and return the revision that it asks for."""
    plane.apply(model(**spec), namespace=namespace)
    return str(plane.eventually("mdep", "iris", seen, namespace=namespace)["status"]["targetRevision"])
