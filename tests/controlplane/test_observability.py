"""What a platform sees of the operator: metrics under the names its dashboards know, logs and events of one pass."""

import json
from typing import Any

import pytest

from support.control_plane import ControlPlane
from support.kubelet import Kubelet, load_failure
from support.manifests import model, says, seen
from support.operator import Operator
from support.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

USUAL = {
    "controller_runtime_reconcile_total": "counter",
    "controller_runtime_reconcile_errors_total": "counter",
    "controller_runtime_reconcile_time_seconds": "histogram",
    "controller_runtime_active_workers": "gauge",
    "controller_runtime_max_concurrent_reconciles": "gauge",
    "workqueue_depth": "gauge",
    "workqueue_adds_total": "counter",
    "workqueue_queue_duration_seconds": "histogram",
    "workqueue_work_duration_seconds": "histogram",
    "workqueue_unfinished_work_seconds": "gauge",
    "workqueue_longest_running_processor_seconds": "gauge",
    "workqueue_retries_total": "counter",
    "rest_client_requests_total": "counter",
    "rest_client_request_duration_seconds": "histogram",
    "leader_election_master_status": "gauge",
}
"""The names that controller-runtime and client-go made usual."""


def test_the_metrics_have_their_usual_names(control_plane: ControlPlane, namespace: str, operator: Operator) -> None:
    """A dashboard made for controllers written in Go shows this one, too."""
    control_plane.apply(model(), namespace=namespace)
    control_plane.eventually("mdep", "iris", seen, namespace=namespace)

    lines = operator.http("/metrics")[1].splitlines()

    types = dict(line.split()[2:4] for line in lines if line.startswith("# TYPE"))
    # a counter's family is called without its suffix in one exposition format and with it in the other
    told = {name: types.get(name) or types.get(name.removesuffix("_total")) for name in USUAL}
    assert told == USUAL
    rare = {"controller_runtime_reconcile_errors_total", "workqueue_retries_total"}
    # a pass is counted when it has ended, which is a moment after its status was written
    eventually(lambda: unsampled(operator) <= rare, seconds=10, why=lambda: f"{unsampled(operator)}")


def unsampled(operator: Operator) -> set[str]:
    """The usual metrics without a value."""
    lines = operator.http("/metrics")[1].splitlines()
    sampled = {line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")}
    return {name for name in USUAL if name not in sampled and f"{name}_count" not in sampled}


def test_a_line_of_the_log_names_object_generation_and_pass(
    control_plane: ControlPlane, namespace: str, operator: Operator
) -> None:
    """Each line is JSON; those of one pass carry the same id, so that a pass can be read as one story."""
    control_plane.apply(model(), namespace=namespace)
    control_plane.eventually("mdep", "iris", seen, namespace=namespace)

    lines = [json.loads(line) for line in operator.logs().splitlines()]

    ours = [line for line in lines if line.get("key") == f"{namespace}/iris"]
    assert ours != []
    assert {line["generation"] for line in ours} == {1}
    assert all(line["pass"] for line in ours)
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))


def test_one_fault_is_one_event_with_a_count(control_plane: ControlPlane, namespace: str) -> None:
    """A fault that comes and goes for ever makes a handful of Events, and the series says how often."""
    kubelet = Kubelet(control_plane, namespace)
    control_plane.apply(model(), namespace=namespace)
    revision = control_plane.eventually("mdep", "iris", seen, namespace=namespace)["status"]["targetRevision"]
    rounds = 6
    for _ in range(rounds):
        for reason in ("CorruptArtifact", "LoadFailed"):
            kubelet.report(revision, load_failure(reason, "the file ends early"))
            control_plane.eventually("mdep", "iris", says("Ready", "False", reason), namespace=namespace)

    def counted() -> bool:
        return {count(event) for event in events(control_plane, namespace, "CorruptArtifact")} == {rounds}

    told = [event["reason"] for event in events(control_plane, namespace)]
    assert len(told) == len(set(told)), told
    assert set(told) <= {"RollingOut", "ScalingUp", "PodsStarting", "CorruptArtifact", "LoadFailed"}
    eventually(counted, seconds=30, why=lambda: f"{events(control_plane, namespace)}")


def count(event: dict[str, Any]) -> int:
    """How often an Event stands for."""
    return int((event.get("series") or {}).get("count", 1))


def events(plane: ControlPlane, namespace: str, reason: str = "") -> list[dict[str, Any]]:
    """The Events of the model, or those of one reason; Kubernetes has its own for what is called the same."""
    found = json.loads(plane.kubectl("-n", namespace, "get", "events.events.k8s.io", "-o", "json"))["items"]
    return [
        event
        for event in found
        if event["regarding"]["kind"] == "ModelDeployment" and event["reason"] in (reason or event["reason"],)
    ]
