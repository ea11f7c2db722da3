"""The Deployment of a model: what the platform gives, what the spec says of rollouts, and what a change of it costs."""

from typing import Any

import pytest

from support.account import Account
from support.control_plane import ControlPlane
from support.manifests import model, seen
from support.operator import operator as running
from support.waiting import eventually

Object = dict[str, Any]

pytestmark = pytest.mark.controlplane

DEFAULTS = {
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    "podTemplate": {"metadata": {"labels": {"cost": "shared"}}, "spec": {"nodeSelector": {"pool": "models"}}},
}


def template(plane: ControlPlane, name: str, namespace: str) -> Object:
    found = plane.eventually("deployment", name, lambda _: True, namespace=namespace)
    pods: Object = found["spec"]["template"]
    return pods


def test_the_platforms_defaults_reach_every_model(
    control_plane: ControlPlane, namespace: str, account: Account
) -> None:
    """Resources where the spec names none, and the platform's pod template below the model's own."""
    own = {"metadata": {"labels": {"cost": "vision"}}, "spec": {"nodeSelector": {"disk": "ssd"}}}
    resources = {"limits": {"memory": "1Gi"}}
    with running(account.kubeconfig, namespace=account.namespace, defaults=DEFAULTS):
        control_plane.apply(model(), model("mine", podTemplate=own, resources=resources), namespace=namespace)
        bare, mine = (template(control_plane, name, namespace) for name in ("iris", "mine"))

    assert bare["metadata"]["labels"]["cost"] == "shared"
    assert bare["spec"]["nodeSelector"] == {"pool": "models"}
    assert bare["spec"]["containers"][0]["resources"] == DEFAULTS["resources"]
    assert mine["metadata"]["labels"]["cost"] == "vision"
    assert mine["spec"]["nodeSelector"] == {"pool": "models", "disk": "ssd"}
    assert mine["spec"]["containers"][0]["resources"] == resources


@pytest.mark.usefixtures("operator")
def test_rollout_settings_change_in_place(control_plane: ControlPlane, namespace: str) -> None:
    """Surge, unavailable and deadline reach the Deployment, and their change makes no revision and replaces no pod."""
    control_plane.apply(model(replicas=4), namespace=namespace)
    before = control_plane.eventually("mdep", "iris", seen, namespace=namespace)
    default = control_plane.eventually("deployment", "iris", lambda _: True, namespace=namespace)["spec"]
    assert default["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": 0}
    assert default["progressDeadlineSeconds"] == 600
    (replica_set,) = eventually(lambda: control_plane.names("replicaset", namespace), seconds=10)

    rollout = {"maxSurge": 2, "maxUnavailable": "50%", "progressDeadline": "1m30s"}
    control_plane.apply(model(replicas=4, rollout=rollout), namespace=namespace)
    changed = control_plane.eventually(
        "deployment", "iris", lambda obj: obj["spec"]["progressDeadlineSeconds"] == 90, namespace=namespace
    )["spec"]

    assert changed["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": "50%"}}
    assert changed["template"] == default["template"]
    after = control_plane.eventually("mdep", "iris", seen, namespace=namespace)
    assert after["status"]["targetRevision"] == before["status"]["targetRevision"]
    assert control_plane.names("replicaset", namespace) == [replica_set]


@pytest.mark.usefixtures("operator")
def test_pods_are_spread_over_zones_and_nodes(control_plane: ControlPlane, namespace: str) -> None:
    """Each constraint counts the pods of this model alone, and of one template: a rollout does not skew it."""
    control_plane.apply(model(), namespace=namespace)
    pods = template(control_plane, "iris", namespace)

    spread = pods["spec"]["topologySpreadConstraints"]

    assert [item["topologyKey"] for item in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    for item in spread:
        assert item["whenUnsatisfiable"] == "ScheduleAnyway"
        assert item["labelSelector"]["matchLabels"].items() <= pods["metadata"]["labels"].items()
        assert item["labelSelector"]["matchLabels"]["modelmoor.dev/name"] == "iris"
        assert item["matchLabelKeys"] == ["pod-template-hash"]
