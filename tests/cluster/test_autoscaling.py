"""Autoscaling by real metrics: up under load at once, and down again when it is over."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.artifacts import answering
from support.cluster import Cluster
from support.load import load
from support.namespace import Namespace
from support.store import Store
from support.waiting import eventually

pytestmark = pytest.mark.cluster
STABILIZATION = 60
"""Seconds for which the HPA remembers that more pods were wanted; without `behavior` it would be 300."""


@dataclass
class Scaled:
    """A model under an HPA, and when its load ended (by the monotonic clock)."""

    namespace: Namespace
    quiet_since: float = 0.0

    @property
    def replicas(self) -> int:
        return int(self.namespace.get("deployment", "busy")["spec"]["replicas"])

    @property
    def utilization(self) -> int | None:
        """What the HPA last measured, in percent of the request; None before the first measurement."""
        metrics = self.namespace.get("hpa", "busy").get("status", {}).get("currentMetrics") or []
        current = [metric.get("containerResource", {}).get("current", {}) for metric in metrics]
        return current[0].get("averageUtilization") if current else None

    def told(self) -> str:
        return str(self.namespace.get("hpa", "busy").get("status"))


@pytest.fixture(scope="session")  # the last test looks at it long after the first
def scaled(cluster: Cluster, shared_store: Store) -> Iterator[Scaled]:
    """One pod of at most three, at rest and measured."""
    shared_store.put("busy/model.joblib", answering(1.0))
    with cluster.namespace("scaling") as namespace:
        namespace.apply(shared_store.secret())
        namespace.deploy(
            "busy",
            "s3://models/busy/model.joblib",
            autoscaling={
                "minReplicas": 1,
                "maxReplicas": 3,
                "cpuUtilization": 60,
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": STABILIZATION}},
            },
            resources={"requests": {"cpu": "50m", "memory": "200Mi"}},
        )
        namespace.ready("busy")
        model = Scaled(namespace)
        eventually(lambda: model.utilization is not None, seconds=120, pause=2, why=model.told)
        yield model


def test_load_brings_more_pods(scaled: Scaled) -> None:
    """Requests from inside the cluster drive the CPU up; the HPA answers, and the model stays Ready meanwhile.

    Up to 1,200 a second: a tenth of that took 22 thousandths of a core, too little to matter.
    """
    assert scaled.replicas == 1
    with load(scaled.namespace, "busy", kept=4, fresh=2, pause=0.005) as client:
        eventually(lambda: scaled.replicas > 1, seconds=180, pause=2, why=scaled.told)
        asked = scaled.replicas
        status = scaled.namespace.ready("busy")["status"]
        eventually(
            lambda: scaled.namespace.model("busy")["status"]["readyReplicas"] >= asked,
            seconds=90,
            pause=1,
            why=lambda: scaled.namespace.told("busy"),
        )
        report = client.report()
    scaled.quiet_since = time.monotonic()

    assert report.failed == 0, report.failures
    assert status["selector"] == "modelmoor.dev/name=busy,modelmoor.dev/slot=a"


@pytest.mark.last
def test_rest_takes_them_away_again(scaled: Scaled) -> None:
    """When the stabilisation has passed, one pod is left; the operator did not hold the number."""
    if not scaled.quiet_since:
        pytest.fail("it was never scaled up")
    left = STABILIZATION + 120 - (time.monotonic() - scaled.quiet_since)
    eventually(lambda: scaled.replicas == 1, seconds=max(10.0, left), pause=2, why=scaled.told)

    eventually(
        lambda: scaled.namespace.model("busy")["status"]["replicas"] == 1,
        seconds=60,
        pause=1,
        why=lambda: scaled.namespace.told("busy"),
    )
    scaled.namespace.ready("busy")
