"""Suspended models: their objects are the person's to touch, the status goes on, nothing is lost on the way back."""

import json
from typing import Any

import pytest

from support.audit import Audit
from support.control_plane import ControlPlane
from support.kubelet import Kubelet, serving
from support.manifests import condition, model, says, seen

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

ANNOTATION = {"modelmoor.dev/suspend": "true"}


def image(obj: dict[str, Any]) -> str:
    return str(obj["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.mark.parametrize(
    ("stop", "go"),
    [(model(suspend=True), model()), (model(annotations=ANNOTATION), model())],
    ids=["by the spec", "by the annotation"],
)
def test_a_suspended_model_is_left_as_it_is(
    control_plane: ControlPlane, namespace: str, audit: Audit, stop: dict[str, Any], go: dict[str, Any]
) -> None:
    """Ready stays while nothing waits, is Unknown once something does, and everything is healed afterwards."""
    control_plane.apply(go, namespace=namespace)
    revision = control_plane.eventually("mdep", "iris", seen, namespace=namespace)["status"]["targetRevision"]
    Kubelet(control_plane, namespace).report(revision, serving())
    control_plane.eventually("mdep", "iris", says("Ready", "True", "ModelReady"), namespace=namespace)

    control_plane.apply(stop, namespace=namespace)
    obj = control_plane.eventually("mdep", "iris", says("Ready", "True", "Suspended"), namespace=namespace)
    assert condition(obj, "Available")["status"] == "True"
    assert "modelmoor.dev/suspend" in obj["status"]["hint"]

    audit.mark()
    control_plane.kubectl("-n", namespace, "set", "image", "deployment/iris", "model=mine:1")
    control_plane.kubectl("-n", namespace, "delete", "service", "iris")
    waiting = control_plane.eventually("mdep", "iris", says("Ready", "Unknown", "Suspended"), namespace=namespace)
    assert "Suspended" in waiting["status"]["summary"]
    assert condition(waiting, "Stalled") == condition(waiting, "Reconciling") == {}
    mine = control_plane.get("deployment", "iris", namespace)
    assert mine is not None
    assert image(mine) == "mine:1"
    assert [line for line in audit.writes(namespace) if "/status?" not in line and "/events" not in line] == []

    control_plane.apply(go, namespace=namespace)
    control_plane.eventually("deployment", "iris", lambda obj: image(obj) != "mine:1", namespace=namespace)
    control_plane.eventually("service", "iris", lambda _: True, namespace=namespace)
    control_plane.eventually(
        "mdep", "iris", lambda obj: "Suspended" not in json.dumps(obj["status"]), namespace=namespace
    )


def test_a_change_of_the_spec_waits(control_plane: ControlPlane, namespace: str) -> None:
    """What is asked for meanwhile is told as waiting, and comes when the model is let go."""
    control_plane.apply(model(), namespace=namespace)
    control_plane.eventually("deployment", "iris", lambda _: True, namespace=namespace)
    control_plane.eventually("mdep", "iris", says("Ready", "False", "PodsStarting"), namespace=namespace)

    control_plane.apply(model(suspend=True, replicas=3), namespace=namespace)
    obj = control_plane.eventually("mdep", "iris", says("Ready", "Unknown", "Suspended"), namespace=namespace)
    deployment = control_plane.get("deployment", "iris", namespace)
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 1
    assert "change waits" in obj["status"]["summary"]

    control_plane.apply(model(replicas=3), namespace=namespace)
    control_plane.eventually("deployment", "iris", lambda obj: obj["spec"]["replicas"] == 3, namespace=namespace)


def test_a_new_model_that_is_suspended_becomes_nothing(
    control_plane: ControlPlane, namespace: str, audit: Audit
) -> None:
    """Not even a revision is written; the status says why."""
    audit.mark()
    control_plane.apply(model(suspend=True), namespace=namespace)
    control_plane.eventually("mdep", "iris", says("Ready", "Unknown", "Suspended"), namespace=namespace)

    assert control_plane.names("deployment,service,controllerrevision", namespace) == []
