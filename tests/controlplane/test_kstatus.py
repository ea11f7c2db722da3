"""Flux, Helm 4 and others wait by kstatus: it must never call a model ready that is not, nor wait for what is stuck."""

from datetime import UTC, datetime
from typing import Any

import pytest

from modelmoor_operator import observed
from modelmoor_operator.api.reasons import Course, Reason
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.observed import Finding, Observation
from support.account import Account
from support.control_plane import ControlPlane
from support.kstatus import kstatus
from support.kubelet import Kubelet, load_failure, serving
from support.manifests import condition, model, says, seen
from support.operator import operator as running

pytestmark = pytest.mark.controlplane

Object = dict[str, Any]


def told(plane: ControlPlane, namespace: str, name: str = "iris") -> str:
    """What kstatus says of a model as it stands in the cluster now."""
    obj = plane.get("mdep", name, namespace)
    assert obj is not None
    return kstatus(obj)[0]


def judged(plane: ControlPlane, namespace: str, kind: str, status: str, reason: str) -> str:
    """What kstatus says once a condition tells this of the present generation."""
    return kstatus(plane.eventually("mdep", "iris", says(kind, status, reason), namespace=namespace))[0]


def test_the_stages_of_a_model(control_plane: ControlPlane, namespace: str, account: Account) -> None:
    """Unseen and rolling are InProgress, ready is Current, stuck is Failed, and so for each generation anew."""
    kubelet = Kubelet(control_plane, namespace)
    control_plane.apply(model(), namespace=namespace)
    assert told(control_plane, namespace) == "InProgress", "no operator has seen it"

    with running(account.kubeconfig, namespace=account.namespace):
        obj = control_plane.eventually("mdep", "iris", seen, namespace=namespace)
        assert kstatus(obj) == ["InProgress"], "its pods start"

        kubelet.report(obj["status"]["targetRevision"], serving())
        assert judged(control_plane, namespace, "Ready", "True", "ModelReady") == "Current"

        control_plane.apply(model(model={"uri": "file:///models/bad.joblib"}), namespace=namespace)
        obj = control_plane.eventually("mdep", "iris", seen, namespace=namespace)
        assert kstatus(obj) == ["InProgress"], "a new revision rolls out"
        kubelet.report(obj["status"]["targetRevision"], load_failure("CorruptArtifact", "the file ends early"))
        assert judged(control_plane, namespace, "Ready", "False", "CorruptArtifact") == "Failed"

        control_plane.apply(model(podTemplate={"spec": {"restartPolicy": "Sometimes"}}), namespace=namespace)
        assert judged(control_plane, namespace, "Stalled", "True", "InvalidPodTemplate") == "Failed"

        control_plane.apply(model(), namespace=namespace)
        assert judged(control_plane, namespace, "Ready", "True", "ModelReady") == "Current"

        control_plane.apply(model(suspend=True), namespace=namespace)
        assert judged(control_plane, namespace, "Ready", "True", "Suspended") == "Current"
        control_plane.apply(model(suspend=True, replicas=2), namespace=namespace)
        assert judged(control_plane, namespace, "Ready", "Unknown", "Suspended") == "InProgress"

        control_plane.apply(model(), namespace=namespace)
        assert judged(control_plane, namespace, "Ready", "True", "ModelReady") == "Current"

    control_plane.apply(model(replicas=2), namespace=namespace)
    assert told(control_plane, namespace) == "InProgress", "no operator has seen this generation"


def test_what_is_waited_for_ends_at_the_deadline(control_plane: ControlPlane, namespace: str, account: Account) -> None:
    """A pod that no node takes is InProgress until the progress deadline and Failed after it.

    The old revision serves on throughout, and a mended spec is Current without a restart of anything.
    """
    kubelet = Kubelet(control_plane, namespace)
    unschedulable = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes."}],
    }
    good, rollout = model(rollout={"progressDeadline": "10s"}), {"progressDeadline": "10s"}
    with running(account.kubeconfig, namespace=account.namespace):
        control_plane.apply(good, namespace=namespace)
        obj = control_plane.eventually("mdep", "iris", seen, namespace=namespace)
        kubelet.report(obj["status"]["targetRevision"], serving())
        assert judged(control_plane, namespace, "Ready", "True", "ModelReady") == "Current"

        huge = model(rollout=rollout, resources={"requests": {"cpu": "1000"}})
        control_plane.apply(huge, namespace=namespace)
        obj = control_plane.eventually("mdep", "iris", seen, namespace=namespace)
        kubelet.report(obj["status"]["targetRevision"], unschedulable)
        waiting = control_plane.eventually("mdep", "iris", says("Ready", "False", "Unschedulable"), namespace=namespace)
        stuck = control_plane.eventually("mdep", "iris", says("Stalled", "True"), namespace=namespace, seconds=40)

        control_plane.apply(good, namespace=namespace)
        mended = control_plane.eventually("mdep", "iris", says("Ready", "True", "ModelReady"), namespace=namespace)

    assert kstatus(waiting, stuck, mended) == ["InProgress", "Failed", "Current"]
    assert [condition(each, "Available")["status"] for each in (waiting, stuck, mended)] == ["True"] * 3
    assert condition(stuck, "Ready")["reason"] == "Unschedulable"
    assert "0/3 nodes" in stuck["status"]["summary"]


SEES = {Course.Settled: "Current", Course.Progressing: "InProgress", Course.Waiting: "InProgress"}


def test_every_reason_is_seen_as_what_happens_next() -> None:
    """What needs a person is Failed, what moves or may heal is InProgress, and only what is done is Current."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    metadata = {"name": "iris", "namespace": "default", "uid": "u", "generation": 3}
    md = ModelDeployment.parse(model() | {"metadata": metadata})
    reasons = [reason for reason in Reason if reason is not Reason.Suspended]

    def shown(finding: Finding) -> Object:
        status = observed.status(Observation(md=md, now=now), finding)
        return model() | {"metadata": metadata, "status": status.wire()}

    on_time = kstatus(*(shown(Finding(reason, "It is so.")) for reason in reasons))
    overdue = kstatus(*(shown(Finding(reason, "It is so.", overdue=True)) for reason in reasons))

    assert dict(zip(reasons, on_time, strict=True)) == {reason: SEES.get(reason.course, "Failed") for reason in reasons}
    assert set(overdue) == {"Failed"}
