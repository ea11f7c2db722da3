"""A node is emptied under load: its pods move to the other node, and not one request fails (`make drain`)."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.artifacts import answering
from support.cluster import OPERATOR_PODS, SYSTEM, Cluster
from support.load import load
from support.machine import tool
from support.namespace import Namespace
from support.readiness import fewest_ready
from support.store import store
from support.waiting import eventually

pytestmark = pytest.mark.cluster

STAYS, GOES = "modelmoor-drain-control-plane", "modelmoor-drain-worker"
DRAINED_SECONDS = 300


def test_a_fresh_install_is_quiet_and_has_one_leader(cluster: Cluster) -> None:
    """In a `restricted` namespace: two ready replicas, one Lease that names one of them, and no warning."""
    pods = json.loads(cluster.kubectl("-n", SYSTEM, "get", "pods", "-l", OPERATOR_PODS, "-o", "json"))["items"]
    names = [pod["metadata"]["name"] for pod in pods]
    assert len(names) == 2
    cluster.kubectl("-n", SYSTEM, "wait", "--for=condition=Ready", "pod", "-l", OPERATOR_PODS, "--timeout=60s")

    (lease,) = json.loads(cluster.kubectl("-n", SYSTEM, "get", "leases", "-o", "json"))["items"]
    warnings = cluster.kubectl("-n", SYSTEM, "get", "events", "--field-selector=type=Warning", "-o", "name")

    assert [name for name in names if lease["spec"]["holderIdentity"].startswith(name)] != []
    assert warnings == ""


def test_no_request_fails_while_a_node_is_drained(cluster: Cluster) -> None:
    """Both pods of a model, and half of the operator, stand on the node that goes; the budget moves them one by one."""
    with cluster.namespace("store") as shelf, cluster.namespace("drained") as namespace:
        with only(cluster, STAYS):
            opened = store(shelf)
            namespace.apply(opened.secret())
            opened.put("drained/model.joblib", answering(7.0))
        with only(cluster, GOES):
            namespace.deploy("drained", "s3://models/drained/model.joblib", replicas=2)
            namespace.ready("drained", seconds=300)
        assert nodes(namespace) == [GOES, GOES]
        before = namespace.pod_uids("drained")

        with only(cluster, STAYS), fewest_ready(namespace, "drained") as fewest:
            with load(namespace, "drained", kept=4, fresh=2, pause=0.05) as client:
                client.until(500)
                drain(cluster, GOES)
                moved = client.report()
                client.until(moved.total + 1000)
                report = client.report()

            eventually(lambda: nodes(namespace) == [STAYS, STAYS], seconds=120, why=lambda: f"{nodes(namespace)}")
            namespace.ready("drained")
            assert report.failed == 0, report.failures
            assert fewest() >= 1
            assert not before & namespace.pod_uids("drained")

            namespace.change("drained", replicas=1)
            namespace.ready("drained")
            print(f"{report.total} requests in {report.seconds:.0f} s, the slowest {report.slowest:.3f} s, 0 failed")


@contextmanager
def only(cluster: Cluster, node: str) -> Iterator[None]:
    """New pods go to this node alone while the block runs."""
    other = STAYS if node == GOES else GOES
    cluster.kubectl("cordon", other)
    yield
    cluster.kubectl("uncordon", other)


def drain(cluster: Cluster, node: str) -> None:
    """`kubectl drain`, as a person does it before an upgrade; it waits for every budget."""
    options = ("--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={DRAINED_SECONDS}s")
    command = [tool("kubectl"), "--kubeconfig", cluster.kubeconfig, "drain", node, *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DRAINED_SECONDS + 30)
    assert ran.returncode == 0, f"{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"


def nodes(namespace: Namespace) -> list[str]:
    """Where the model's pods are."""
    return sorted(pod["spec"].get("nodeName", "") for pod in namespace.pods("drained"))
