"""Clients that keep their connections: new pods get their share of the work all the same."""

import pytest

from support.artifacts import answering
from support.load import load
from support.namespace import Namespace
from support.store import Store
from support.waiting import eventually

pytestmark = pytest.mark.cluster
CLIENTS, CONNECTIONS_EACH = 8, 3
LEAST_SHARE = 0.15
"""With 24 connections placed at random, three pods had this share within two minutes in 4,000 of 4,000 - 6 draws."""


def test_new_pods_get_their_share_of_kept_connections(namespace: Namespace, shared_store: Store) -> None:
    """Eight clients with pools of three kept connections each: one pod becomes three, and all of them work."""
    shared_store.put("aging/model.joblib", answering(1.0))
    namespace.deploy("aging", "s3://models/aging/model.joblib")
    namespace.ready("aging")

    with load(namespace, "aging", kept=CLIENTS * CONNECTIONS_EACH, pause=0.1) as client:
        client.until(200)
        namespace.change("aging", replicas=3)
        namespace.ready("aging")
        shares = Shares(namespace, "aging")
        eventually(lambda: shares.least() >= LEAST_SHARE, seconds=120, pause=10, why=lambda: f"{shares.seen}")
        report = client.report()

    assert report.failed == 0, report.failures


class Shares:
    """Which part of the requests each pod answered between two looks."""

    def __init__(self, namespace: Namespace, name: str) -> None:
        self._namespace, self._name = namespace, name
        self._counted = self._count()
        self.seen: list[dict[str, float]] = []

    def least(self) -> float:
        """The smallest share since the last look."""
        before, self._counted = self._counted, self._count()
        answered = {pod: count - before[pod] for pod, count in self._counted.items()}
        total = sum(answered.values())
        if not total:
            return 0.0
        self.seen.append({pod: round(count / total, 3) for pod, count in answered.items()})
        return min(answered.values()) / total

    def _count(self) -> dict[str, float]:
        pods = [pod["metadata"]["name"] for pod in self._namespace.pods(self._name)]
        series = {pod: self._namespace.pod_metrics("modelmoor_requests_total", pod) for pod in pods}
        return {pod: sum(values.values()) for pod, values in series.items()}
