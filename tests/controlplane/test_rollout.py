"""Revisions come and go: what serves, what fails, and what the status says of both. The test plays the node."""

import json
from typing import Any

import pytest

from support.control_plane import ControlPlane
from support.kubelet import DIGEST, Kubelet, load_failure, serving
from support.manifests import condition, model, says, seen
from support.waiting import eventually

Object = dict[str, Any]

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]


def target(plane: ControlPlane, namespace: str, **spec: Any) -> str:
    """Apply a spec and return the revision that it asks for, once pods of it are wanted."""
    plane.apply(model(**spec), namespace=namespace)
    obj = plane.eventually("mdep", "iris", seen, namespace=namespace)
    return str(obj["status"]["targetRevision"])


def ready(plane: ControlPlane, namespace: str, revision: str) -> Object:
    """Let every pod of a revision serve, and wait until the model is Ready with it."""
    Kubelet(plane, namespace).report(revision, serving())
    obj = plane.eventually("mdep", "iris", says("Ready", "True", "ModelReady"), namespace=namespace)
    assert obj["status"]["activeRevision"] == revision
    return obj


def annotations(plane: ControlPlane, namespace: str, revision: str) -> dict[str, str]:
    found = plane.get("controllerrevision", revision, namespace)
    assert found is not None
    return dict(found["metadata"].get("annotations") or {})


def test_a_served_model_is_ready_and_told_by_its_facts(control_plane: ControlPlane, namespace: str) -> None:
    """Digest, format and framework come from the pod into status, and stay on the revision."""
    revision = target(control_plane, namespace)
    obj = ready(control_plane, namespace, revision)

    assert obj["status"]["model"] == {
        "uri": "file:///models/iris.joblib",
        "digest": DIGEST,
        "format": "sklearn",
        "framework": "scikit-learn 1.7.2",
    }
    assert [item["type"] for item in obj["status"]["conditions"]] == ["Available", "Ready"]
    assert condition(obj, "Available")["status"] == "True"
    assert (obj["status"]["replicas"], obj["status"]["readyReplicas"]) == (1, 1)
    assert "failure" not in obj["status"]
    kept = annotations(control_plane, namespace, revision)
    assert json.loads(kept["modelmoor.dev/facts"])["digest"] == DIGEST
    assert "modelmoor.dev/active-since" in kept
    control_plane.kubectl("-n", namespace, "wait", "--for=condition=Ready", "mdep/iris", "--timeout=5s")


def test_a_bad_update_leaves_the_old_revision_serving(control_plane: ControlPlane, namespace: str) -> None:
    """Available stays True, Ready says in the server's words why not; mending the spec recovers at once."""
    good = target(control_plane, namespace)
    ready(control_plane, namespace, good)

    bad = target(control_plane, namespace, model={"uri": "file:///models/bad.joblib"})
    assert bad != good
    (pod,) = Kubelet(control_plane, namespace).report(bad, load_failure("CorruptArtifact", "the file ends early"))
    obj = control_plane.eventually("mdep", "iris", says("Ready", "False", "CorruptArtifact"), namespace=namespace)

    assert [item["type"] for item in obj["status"]["conditions"]] == ["Stalled", "Available", "Ready"]
    assert condition(obj, "Available")["status"] == "True"
    assert (obj["status"]["activeRevision"], obj["status"]["targetRevision"]) == (good, bad)
    assert "the file ends early" in obj["status"]["summary"]
    assert f"Revision {good} goes on serving" in obj["status"]["summary"]
    assert obj["status"]["hint"] == "Do this."
    failure = obj["status"]["failure"]
    assert (failure["phase"], failure["pod"], failure["revision"]) == ("Load", pod, bad)

    assert target(control_plane, namespace) == good
    mended = control_plane.eventually("mdep", "iris", says("Ready", "True", "ModelReady"), namespace=namespace)
    assert "failure" not in mended["status"]
    revisions = control_plane.names("controllerrevision", namespace)
    assert sorted(revisions) == sorted([good, bad])


def test_old_revisions_are_kept_up_to_the_limit(control_plane: ControlPlane, namespace: str) -> None:
    """The active and the wanted one always stay; of the others as many as the history limit says."""
    first = target(control_plane, namespace, revisionHistoryLimit=1)
    ready(control_plane, namespace, first)
    later = [
        target(control_plane, namespace, revisionHistoryLimit=1, model={"uri": f"file:///models/{number}.joblib"})
        for number in range(3)
    ]

    def kept() -> set[str]:
        return set(control_plane.names("controllerrevision", namespace))

    assert first in kept()
    assert later[-1] in kept()
    assert len(kept()) == 3


def test_a_pod_that_cannot_be_scheduled_is_told_of(control_plane: ControlPlane, namespace: str) -> None:
    """The scheduler's own words reach the status while the model is on its way."""
    revision = target(control_plane, namespace)
    message = "0/3 nodes are available: 3 Insufficient memory."
    told = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}],
    }
    Kubelet(control_plane, namespace).report(revision, told)

    obj = control_plane.eventually("mdep", "iris", says("Ready", "False", "Unschedulable"), namespace=namespace)

    assert message in condition(obj, "Ready")["message"]
    assert [item["type"] for item in obj["status"]["conditions"]] == ["Reconciling", "Available", "Ready"]


def test_the_reason_is_an_event_too(control_plane: ControlPlane, namespace: str) -> None:
    """`kubectl describe` shows the same word as the condition, once for each change."""
    revision = target(control_plane, namespace)
    ready(control_plane, namespace, revision)

    def told() -> int:
        items = json.loads(control_plane.kubectl("-n", namespace, "get", "events.events.k8s.io", "-o", "json"))["items"]
        return [item["reason"] for item in items if item["regarding"]["name"] == "iris"].count("ModelReady")

    assert eventually(told, seconds=10) == 1
    assert "ModelReady" in control_plane.kubectl("-n", namespace, "describe", "mdep", "iris")
