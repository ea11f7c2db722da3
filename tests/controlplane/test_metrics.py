"""The operator's own work moves its metrics."""

import re

import pytest

from support.control_plane import ControlPlane
from support.manifests import model, seen
from support.operator import Operator
from support.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

GROWING = (
    r'workqueue_adds_total\{name="modeldeployment"\}',
    r'workqueue_queue_duration_seconds_count\{name="modeldeployment"\}',
    r'workqueue_work_duration_seconds_count\{name="modeldeployment"\}',
    r'controller_runtime_reconcile_time_seconds_count\{controller="modeldeployment"\}',
    r'rest_client_requests_total\{code="20[01]",host="127\.0\.0\.1:\d+",method="PATCH"\}',
)


def value(operator: Operator, series: str) -> float:
    """The sum of all series that match."""
    return sum(float(found) for found in re.findall(rf"^{series} (\S+)$", operator.http("/metrics")[1], re.MULTILINE))


def test_a_new_model_moves_what_counts_work(control_plane: ControlPlane, namespace: str, operator: Operator) -> None:
    """One pass at least goes through the queue, and its writes reach the API server of that name."""
    before = {series: value(operator, series) for series in GROWING}
    control_plane.apply(model(), namespace=namespace)
    control_plane.eventually("mdep", "iris", seen, namespace=namespace)

    def still() -> list[str]:
        return [series for series, was in before.items() if value(operator, series) <= was]

    eventually(lambda: not still(), seconds=10, why=lambda: f"these stay: {still()}")


def test_a_healed_drift_is_counted(control_plane: ControlPlane, namespace: str, operator: Operator) -> None:
    """So that a platform hears of people who edit what is not theirs."""
    series = r'modelmoor_drift_healed_total\{kind="Service"\}'
    control_plane.apply(model(), namespace=namespace)
    control_plane.eventually("service", "iris", lambda _: True, namespace=namespace)
    control_plane.eventually("mdep", "iris", seen, namespace=namespace)
    was = value(operator, series)
    control_plane.kubectl("-n", namespace, "patch", "service", "iris", "-p", '{"spec": {"selector": {"more": "x"}}}')
    eventually(lambda: value(operator, series) > was, seconds=20, why=operator.logs)


def test_what_a_platform_alerts_on_is_there(operator: Operator) -> None:
    """Each kind was compared lately, this replica leads, nothing waits, and the loop keeps its time."""
    told = operator.http("/metrics")[1]
    compared = re.findall(r'^modelmoor_resync_timestamp_seconds\{kind="(\w+)"\} \S+$', told, re.MULTILINE)
    assert {"ModelDeployment", "Deployment", "Service", "ControllerRevision"} <= set(compared)
    assert operator.leading
    assert re.search(r"^modelmoor_event_loop_lag_seconds \S+$", told, re.MULTILINE)
    assert re.search(r'^workqueue_longest_running_processor_seconds\{name="modeldeployment"\} \S+$', told, re.MULTILINE)
    assert re.search(r'^workqueue_unfinished_work_seconds\{name="modeldeployment"\} \S+$', told, re.MULTILINE)
