"""What happens while no replica runs is made good when one starts."""

import pytest

from support.account import Account
from support.control_plane import ControlPlane
from support.manifests import model, seen
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
