"""A model changes while it is asked: no request fails, and there are never fewer pods than wanted."""

import json

import pytest

from support.artifacts import answering
from support.load import Report, load
from support.namespace import Namespace
from support.readiness import fewest_ready
from support.store import Store

pytestmark = pytest.mark.cluster
REQUESTS = 30_000


def test_no_request_fails_over_three_updates(namespace: Namespace, shared_store: Store) -> None:
    """30,000 requests on kept and on new connections at once, through the Service, while three updates roll."""
    for version in (1, 2, 3, 4):
        shared_store.put(f"rolling/{version}/model.joblib", answering(version))
    namespace.deploy("rolling", uri(1), replicas=2)
    namespace.ready("rolling")

    with fewest_ready(namespace, "rolling") as fewest, load(namespace, "rolling", kept=8, fresh=4) as client:
        client.until(1000)
        for version in (2, 3, 4):
            before = client.report()
            namespace.change("rolling", model={"uri": uri(version)})
            namespace.ready("rolling", seconds=240)
            during = client.report()
            assert during.total > before.total
        report = client.until(REQUESTS, seconds=300)

    assert report.failed == 0, report.failures
    assert report.total >= REQUESTS
    assert versions(report) == {1, 2, 3, 4}
    assert fewest() == 2


def uri(version: int) -> str:
    return f"s3://models/rolling/{version}/model.joblib"


def versions(report: Report) -> set[float]:
    """The versions whose answers came."""
    return {round(json.loads(body)["predictions"][0]) for body in report.answers}
