"""`replicas` has one owner at a time, and passes from one to the other without a dip."""

import pytest

from support.control_plane import ControlPlane
from support.manifests import model, seen
from support.waiting import eventually
from support.watching import watching

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]


def begin(plane: ControlPlane, namespace: str, **spec: object) -> None:
    plane.apply(model(**spec), namespace=namespace)
    plane.eventually("mdep", "iris", seen, namespace=namespace)
    plane.eventually("deployment", "iris", lambda _: True, namespace=namespace)


def replicas(plane: ControlPlane, namespace: str, wanted: int) -> None:
    plane.eventually("deployment", "iris", lambda obj: obj["spec"]["replicas"] == wanted, namespace=namespace)


def owner(plane: ControlPlane, namespace: str) -> set[str]:
    """Which managers claim spec.replicas."""
    deployment = plane.get("deployment", "iris", namespace)
    assert deployment is not None
    return {
        item["manager"]
        for item in deployment["metadata"]["managedFields"]
        if "f:replicas" in item["fieldsV1"].get("f:spec", {})
    }


def test_the_number_never_dips_on_its_way_to_an_autoscaler_and_back(
    control_plane: ControlPlane, namespace: str
) -> None:
    """3 replicas, then an autoscaler, then 4 replicas: every state in between has at least 3."""
    begin(control_plane, namespace, replicas=3)
    with watching(control_plane, "deployment", "iris", ".spec.replicas", namespace=namespace) as told:
        control_plane.apply(model(autoscaling={"minReplicas": 2, "maxReplicas": 6}), namespace=namespace)
        control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
        assert "modelmoor" not in owner(control_plane, namespace)

        control_plane.apply(model(replicas=4), namespace=namespace)
        control_plane.gone("hpa", "iris", namespace=namespace)
        replicas(control_plane, namespace, 4)
        eventually(lambda: told()[-1] == "4", seconds=5)

        assert min(map(int, told())) == 3
    assert owner(control_plane, namespace) == {"modelmoor"}


def test_the_same_number_before_and_after_is_the_same_number_throughout(
    control_plane: ControlPlane, namespace: str
) -> None:
    """An autoscaler comes and goes twice: the hand-over's claim, which nobody took away meanwhile, does no harm."""
    begin(control_plane, namespace, replicas=3)
    with watching(control_plane, "deployment", "iris", ".spec.replicas", namespace=namespace) as told:
        for _ in range(2):
            control_plane.apply(model(autoscaling={"minReplicas": 2, "maxReplicas": 6}), namespace=namespace)
            control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
            assert "modelmoor" not in owner(control_plane, namespace)
            control_plane.apply(model(replicas=3), namespace=namespace)
            control_plane.gone("hpa", "iris", namespace=namespace)
            eventually(lambda: "modelmoor" in owner(control_plane, namespace), seconds=10)

        assert set(told()) == {"3"}


def test_what_the_autoscaler_reached_is_left_in_one_step(control_plane: ControlPlane, namespace: str) -> None:
    """From 5 pods by the autoscaler to 4 by the operator: no look at the 1 that the spec has by default."""
    begin(control_plane, namespace, autoscaling={"minReplicas": 2, "maxReplicas": 6})
    control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
    control_plane.kubectl("-n", namespace, "scale", "deployment", "iris", "--replicas=5")  # as the autoscaler does
    with watching(control_plane, "deployment", "iris", ".spec.replicas", namespace=namespace) as told:
        control_plane.apply(model(replicas=4), namespace=namespace)
        replicas(control_plane, namespace, 4)
        eventually(lambda: told()[-1] == "4", seconds=5)

        assert set(told()) == {"5", "4"}


def test_an_autoscaler_finds_at_least_its_minimum(control_plane: ControlPlane, namespace: str) -> None:
    """From 1 replica, and from 0, which an autoscaler would take for a pause, the number is lifted to the minimum."""
    begin(control_plane, namespace, replicas=0)
    replicas(control_plane, namespace, 0)

    control_plane.apply(model(autoscaling={"minReplicas": 2, "maxReplicas": 6}), namespace=namespace)

    replicas(control_plane, namespace, 2)
    control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)


def test_scaling_by_hand_is_put_right_unless_an_autoscaler_owns_the_number(
    control_plane: ControlPlane, namespace: str
) -> None:
    """`kubectl scale deployment` lasts only where the number is not the operator's."""
    begin(control_plane, namespace, replicas=2)
    control_plane.kubectl("-n", namespace, "scale", "deployment", "iris", "--replicas=5")
    replicas(control_plane, namespace, 2)

    control_plane.apply(model(autoscaling={"minReplicas": 2, "maxReplicas": 6}), namespace=namespace)
    control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
    control_plane.kubectl("-n", namespace, "scale", "deployment", "iris", "--replicas=5")
    control_plane.kubectl("-n", namespace, "set", "image", "deployment/iris", "model=evil:1")
    healed = control_plane.eventually(
        "deployment",
        "iris",
        lambda obj: obj["spec"]["template"]["spec"]["containers"][0]["image"] != "evil:1",
        namespace=namespace,
    )

    assert healed["spec"]["replicas"] == 5


def test_the_model_itself_can_be_scaled(control_plane: ControlPlane, namespace: str) -> None:
    """`kubectl scale modeldeployment` works, and the scale subresource tells number and selector."""
    begin(control_plane, namespace)

    control_plane.kubectl("-n", namespace, "scale", "modeldeployment", "iris", "--replicas=3")

    replicas(control_plane, namespace, 3)
    scaled = control_plane.eventually(
        "mdep", "iris", lambda obj: obj["status"].get("replicas") == 3, namespace=namespace
    )
    assert scaled["status"]["selector"] == "modelmoor.dev/name=iris,modelmoor.dev/slot=a"


def test_a_new_autoscaled_model_starts_at_its_minimum(control_plane: ControlPlane, namespace: str) -> None:
    """No detour over 1: the first Deployment has the minimum, and the operator lets go of the number afterwards."""
    begin(control_plane, namespace, autoscaling={"minReplicas": 3, "maxReplicas": 6})
    replicas(control_plane, namespace, 3)
    control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
    control_plane.eventually(
        "deployment",
        "iris",
        lambda _: "modelmoor" not in owner(control_plane, namespace),
        namespace=namespace,
    )
    replicas(control_plane, namespace, 3)
