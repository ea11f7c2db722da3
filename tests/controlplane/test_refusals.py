"""What the API server or the cluster refuses is said in the status, with the cause, and heals when it is mended."""

import json
from typing import Any

import pytest

from support.control_plane import CRD, ControlPlane
from support.manifests import condition, model, says
from support.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

TEMPLATES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"spec": {"nodeSelektor": {"disk": "ssd"}}}, "nodeSelektor"),
    "a wrong type": ({"spec": {"nodeSelector": "ssd"}}, "nodeSelector"),
    "a bad value": ({"spec": {"restartPolicy": "Sometimes"}}, "restartPolicy"),
    "a container of its own without an image": ({"spec": {"containers": [{"name": "proxy"}]}}, "image"),
    "a field that is ours": ({"spec": {"containers": [{"name": "model", "image": "mine:1"}]}}, "[model].image"),
}


@pytest.mark.parametrize("case", TEMPLATES)
def test_an_invalid_pod_template_is_told_and_can_be_mended(
    control_plane: ControlPlane, namespace: str, case: str
) -> None:
    """InvalidPodTemplate names the field, for a new model as for a running one, whose pods stay as they were."""
    template, word = TEMPLATES[case]
    control_plane.apply(model("new", podTemplate=template), model(), namespace=namespace)
    stalled = control_plane.eventually(
        "mdep", "new", says("Stalled", "True", "InvalidPodTemplate"), namespace=namespace
    )
    assert word in condition(stalled, "Ready")["message"]
    assert "spec.podTemplate" in stalled["status"]["hint"]
    before = control_plane.eventually("deployment", "iris", lambda _: True, namespace=namespace)

    bad = model(podTemplate=template, model={"uri": "file:///models/next.joblib"})
    control_plane.apply(bad, namespace=namespace)
    control_plane.eventually("mdep", "iris", says("Stalled", "True", "InvalidPodTemplate"), namespace=namespace)
    after = control_plane.get("deployment", "iris", namespace)
    assert after is not None
    assert after["spec"] == before["spec"]

    control_plane.apply(model("new"), model(), namespace=namespace)
    control_plane.eventually("deployment", "new", lambda _: True, namespace=namespace)
    for name in ("new", "iris"):
        control_plane.eventually("mdep", name, says("Reconciling", "True"), namespace=namespace)


def test_an_invalid_template_beside_drift_changes_no_pod(control_plane: ControlPlane, namespace: str) -> None:
    """Also while a foreign container is to be removed: half of an invalid change is never written."""
    control_plane.apply(model(), namespace=namespace)
    control_plane.eventually("deployment", "iris", lambda _: True, namespace=namespace)
    bad = model(podTemplate={"spec": {"restartPolicy": "Sometimes"}}, model={"uri": "file:///models/next.joblib"})
    control_plane.apply(bad, namespace=namespace)
    control_plane.eventually("mdep", "iris", says("Stalled", "True", "InvalidPodTemplate"), namespace=namespace)
    spy = {"spec": {"template": {"spec": {"containers": [{"name": "spy", "image": "spy:1"}]}}}}
    control_plane.kubectl("-n", namespace, "patch", "deployment", "iris", "-p", json.dumps(spy))
    control_plane.kubectl("-n", namespace, "annotate", "mdep", "iris", "modelmoor.dev/look=now")
    control_plane.eventually("mdep", "iris", says("Stalled", "True", "InvalidPodTemplate"), namespace=namespace)

    for _ in range(5):
        deployment = control_plane.get("deployment", "iris", namespace)
        assert deployment is not None
        assert "next.joblib" not in json.dumps(deployment["spec"])


def test_a_quota_that_is_used_up_is_named(control_plane: ControlPlane, namespace: str) -> None:
    """QuotaExceeded within seconds; a raised quota lets the pods come."""
    quota: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    control_plane.apply(quota, namespace=namespace)
    control_plane.eventually("resourcequota", "none", lambda obj: obj["status"].get("hard"), namespace=namespace)
    control_plane.apply(model(), namespace=namespace)

    obj = control_plane.eventually(
        "mdep", "iris", says("Ready", "False", "QuotaExceeded"), namespace=namespace, seconds=10
    )
    assert "exceeded quota: none" in condition(obj, "Ready")["message"]
    assert f"kubectl -n {namespace} describe resourcequota" in obj["status"]["hint"]
    assert condition(obj, "Reconciling")["status"] == "True"


def test_a_quota_on_services_is_named(control_plane: ControlPlane, namespace: str) -> None:
    """A refusal of our own request is told in the same word."""
    quota: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"services": "0"}},
    }
    control_plane.apply(quota, namespace=namespace)
    control_plane.eventually("resourcequota", "none", lambda obj: obj["status"].get("hard"), namespace=namespace)
    control_plane.apply(model(), namespace=namespace)

    control_plane.eventually("mdep", "iris", says("Ready", "False", "QuotaExceeded"), namespace=namespace)
    control_plane.kubectl("-n", namespace, "delete", "resourcequota", "none")
    control_plane.eventually("service", "iris", lambda _: True, namespace=namespace, seconds=30)


def test_our_pods_are_admitted_where_pods_are_restricted(control_plane: ControlPlane, namespace: str) -> None:
    """Pod Security `restricted` takes what we render, credentials and claims included."""
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    secret = {"uri": "s3://models/iris.joblib", "credentials": {"secretRef": {"name": "s3"}}}
    control_plane.apply(model(model=secret), model("claimed", model={"uri": "pvc://models/1/"}), namespace=namespace)

    for name in ("iris", "claimed"):
        control_plane.eventually(
            "deployment", name, lambda obj: obj.get("status", {}).get("replicas") == 1, namespace=namespace
        )
        deployment = control_plane.get("deployment", name, namespace)
        assert deployment is not None
        assert "ReplicaFailure" not in json.dumps(deployment["status"])


def test_pods_that_pod_security_refuses_are_told_of(control_plane: ControlPlane, namespace: str) -> None:
    """A person's own template that breaks the namespace's rule: PodRefused, in the words of the admission."""
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    control_plane.apply(model(podTemplate={"spec": {"hostNetwork": True}}), namespace=namespace)

    obj = control_plane.eventually("mdep", "iris", says("Ready", "False", "PodRefused"), namespace=namespace)

    assert "violates PodSecurity" in condition(obj, "Ready")["message"]


def test_a_spec_of_a_newer_schema_is_told_of(control_plane: ControlPlane, namespace: str) -> None:
    """A value that a newer CRD lets in and this operator cannot read: InvalidSpec names it, and its children stay."""
    control_plane.apply(model(), namespace=namespace)
    before = control_plane.eventually("deployment", "iris", lambda _: True, namespace=namespace)
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/revisionHistoryLimit/maximum"
    newer = json.dumps([{"op": "replace", "path": path, "value": 1000}])
    control_plane.kubectl("patch", "crd", "modeldeployments.modelmoor.dev", "--type=json", "-p", newer)
    change = json.dumps({"spec": {"revisionHistoryLimit": 99}})
    try:
        eventually(
            lambda: (
                "patched"
                in control_plane.kubectl(
                    "-n", namespace, "patch", "mdep", "iris", "--type=merge", "-p", change, check=False
                )
            ),
            seconds=15,
        )
        obj = control_plane.eventually("mdep", "iris", says("Stalled", "True", "InvalidSpec"), namespace=namespace)
    finally:
        control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))

    assert "spec.revisionHistoryLimit" in obj["status"]["summary"]
    after = control_plane.get("deployment", "iris", namespace)
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
