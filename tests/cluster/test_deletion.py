"""Deleting a ModelDeployment takes along all that it became, without the operator's help."""

import pytest

from support.artifacts import answering
from support.cluster import Cluster
from support.namespace import Namespace
from support.store import Store
from support.waiting import eventually

pytestmark = pytest.mark.cluster


def test_nothing_is_left_behind_though_no_operator_runs(
    cluster: Cluster, namespace: Namespace, shared_store: Store
) -> None:
    """The operator is down; the collector alone finds every child, by its owner."""
    shared_store.put("deleted/model.joblib", answering(1.0))
    kinds = every_kind(namespace)
    before = everything(namespace, kinds)
    namespace.deploy("deleted", "s3://models/deleted/model.joblib", autoscaling={"maxReplicas": 2}, replicas=1)
    namespace.ready("deleted")
    made = everything(namespace, kinds) - before
    assert {name.partition("/")[0].partition(".")[0] for name in made} >= {
        "controllerrevision", "deployment", "endpointslice", "horizontalpodautoscaler", "modeldeployment", "pod",
        "poddisruptionbudget", "replicaset", "service",
    }  # fmt: skip

    replicas = len(cluster.operator_pods())
    cluster.scale_operator(0)
    try:
        namespace.kubectl("delete", "mdep", "deleted", "--wait=true", "--timeout=30s")
        eventually(
            lambda: everything(namespace, kinds) == before,
            seconds=90,
            pause=1,
            why=lambda: f"left are {everything(namespace, kinds) - before}",
        )
    finally:
        cluster.scale_operator(replicas)


def every_kind(namespace: Namespace) -> str:
    """All kinds of objects that a namespace of this cluster can hold, but for events and readings of metrics."""
    listed = namespace.cluster.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    return ",".join(kind for kind in listed if not kind.startswith("events") and not kind.endswith("metrics.k8s.io"))


def everything(namespace: Namespace, kinds: str) -> set[str]:
    return set(namespace.kubectl("get", kinds, "-o", "name").split())
