"""The life of the release: models neither notice that their operator leaves, nor that it comes back or changes."""

from collections.abc import Iterator

import pytest

from support.artifacts import REQUEST, answering
from support.cluster import RELEASE, SYSTEM, Cluster
from support.load import Caller
from support.machine import ROOT
from support.namespace import Namespace
from support.store import Store
from support.waiting import eventually

pytestmark = pytest.mark.cluster
CHART = str(ROOT / "charts" / "modelmoor")
CRD = "modeldeployments.modelmoor.dev"


@pytest.fixture
def served(cluster: Cluster, namespace: Namespace, shared_store: Store) -> Iterator[Namespace]:
    """A model that serves; the release stands as before when the test is over."""
    shared_store.put("kept/model.joblib", answering(7.0))
    namespace.deploy("kept", "s3://models/kept/model.joblib")
    namespace.ready("kept")
    yield namespace
    cluster.install()


def test_models_serve_on_without_the_operator_and_are_found_again(
    cluster: Cluster, served: Namespace, outsider: Caller
) -> None:
    """`helm uninstall` keeps CRD, ModelDeployments and pods; a new install takes them over and restarts none."""
    before, uids = served.model("kept"), served.pod_uids("kept")

    cluster.helm("uninstall", RELEASE, "--wait", "--timeout", "2m")
    assert cluster.names("deployments", SYSTEM) == []
    cluster.kubectl("get", "crd", CRD)
    assert served.model("kept")["metadata"]["uid"] == before["metadata"]["uid"]
    assert served.pod_uids("kept") == uids
    assert outsider.ask(f"{before['status']['url']}/v1/models/kept:predict", REQUEST)["predictions"] == [7.0]

    cluster.install()
    served.change("kept", replicas=2)
    after = served.ready("kept")

    assert after["status"]["activeRevision"] == before["status"]["activeRevision"]
    assert uids < served.pod_uids("kept")
    assert len(served.pods("kept")) == 2


def test_another_operator_with_other_defaults_restarts_no_model(cluster: Cluster, served: Namespace) -> None:
    """`helm upgrade` with another serving image, other resources and another log level leaves pods as they are."""
    uids, template = served.pod_uids("kept"), pod_template(served)
    operators = set(cluster.operator_pods())

    other = ("servingImage.tag=another", "defaults.resources.requests.cpu=333m", "logLevel=DEBUG")
    values = [part for value in other for part in ("--set", value)]
    cluster.helm("upgrade", RELEASE, CHART, "--reuse-values", *values, "--wait", "--timeout", "3m")
    eventually(lambda: not operators & set(cluster.operator_pods()), seconds=60, why=lambda: "the operator is the old")
    served.change("kept", rollout={"progressDeadline": "5m"})  # what only the new one can carry out
    served.ready("kept")
    eventually(
        lambda: served.get("deployment", "kept")["spec"]["progressDeadlineSeconds"] == 300,
        seconds=30,
        why=lambda: "the new operator did not write the Deployment",
    )

    assert pod_template(served) == template
    assert served.pod_uids("kept") == uids


def test_one_of_two_replicas_leads(cluster: Cluster) -> None:
    """There are two operator pods once those of an earlier install are gone, and one Lease names one of them."""
    eventually(lambda: len(cluster.operator_pods()) == 2, seconds=60, why=lambda: f"{cluster.operator_pods()}")
    (lease,) = cluster.names("leases", SYSTEM)

    holder = cluster.kubectl("-n", SYSTEM, "get", "lease", lease, "-o", "jsonpath={.spec.holderIdentity}")

    pods = cluster.names("pods", SYSTEM, "app.kubernetes.io/component=operator")
    assert any(holder.startswith(pod) for pod in pods), holder


def pod_template(namespace: Namespace) -> dict:
    return namespace.get("deployment", "kept")["spec"]["template"]
