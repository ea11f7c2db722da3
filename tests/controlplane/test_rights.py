"""The operator runs with the chart's rules, says which one is missing, and serves the namespaces that it was given."""

from typing import Any

import pytest

from support.account import Account
from support.account import account as chart_account
from support.audit import Audit
from support.control_plane import ControlPlane
from support.manifests import model, seen
from support.operator import operator as running
from support.waiting import eventually

pytestmark = pytest.mark.controlplane


def without_services(obj: dict[str, Any]) -> None:
    """Take the rule for Services out of the operator's ClusterRole."""
    if obj["kind"] == "ClusterRole" and not obj["metadata"]["name"].endswith(("-view", "-edit")):
        obj["rules"] = [rule for rule in obj["rules"] if "services" not in rule["resources"]]


def test_a_missing_rule_is_named(control_plane: ControlPlane) -> None:
    """Not ready, with the verb and the resource in the log; ready by itself once the rule is there."""
    poor = chart_account(control_plane, "poor", change=without_services)
    with running(poor.kubeconfig, namespace=poor.namespace, ready=False) as replica:
        eventually(lambda: "create services.core" in replica.logs(), seconds=20, why=replica.logs)
        assert replica.http("/readyz")[0] == 503
        assert replica.http("/healthz")[0] == 200
        assert "deployments" not in replica.logs()

        chart_account(control_plane, "poor")
        eventually(lambda: replica.http("/readyz")[0] == 200, seconds=20, why=replica.logs)


def test_only_the_given_namespaces_are_served(
    control_plane: ControlPlane, namespace: str, account: Account, audit: Audit
) -> None:
    """With watchNamespaces a model elsewhere stays as it was applied."""
    control_plane.apply(model(), namespace="default")
    with running(account.kubeconfig, namespace=account.namespace, watchNamespaces=[namespace]):
        control_plane.apply(model(), namespace=namespace)
        control_plane.eventually("mdep", "iris", seen, namespace=namespace)
        control_plane.eventually("deployment", "iris", lambda _: True, namespace=namespace)

    elsewhere = control_plane.get("mdep", "iris", "default")
    assert elsewhere is not None
    assert elsewhere["status"] == {"observedGeneration": -1}
    assert audit.writes("default") == []
    control_plane.kubectl("delete", "mdep", "iris")


def test_a_namespaced_release_needs_no_cluster_wide_rule(control_plane: ControlPlane, namespace: str) -> None:
    """With watchNamespaces the chart's Roles are enough for a whole life, and no other namespace is even read."""
    narrow = chart_account(control_plane, "narrow", "--set", f"watchNamespaces={{{namespace}}}")
    assert control_plane.audit_log is not None
    audit = Audit(control_plane.audit_log, narrow.user)
    assert [name for name in control_plane.names("clusterrolebinding") if name.startswith("narrow")] == []
    with running(narrow.kubeconfig, namespace=narrow.namespace, watchNamespaces=[namespace]):
        control_plane.apply(model(autoscaling={"maxReplicas": 2}), namespace=namespace)
        control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
        control_plane.kubectl("-n", namespace, "delete", "service", "iris", "--wait=false")
        control_plane.eventually("mdep", "iris", seen, namespace=namespace)
        control_plane.eventually("service", "iris", lambda _: True, namespace=namespace)

    events = audit.events()
    assert [event["requestURI"] for event in events if (event.get("responseStatus") or {}).get("code") == 403] == []
    touched = {(event.get("objectRef") or {}).get("namespace") for event in events} - {None}
    assert touched == {namespace, narrow.namespace}
    wide = [event["requestURI"] for event in events if "objectRef" in event and "namespace" not in event["objectRef"]]
    assert [uri for uri in wide if "/selfsubjectaccessreviews" not in uri] == []


def test_every_request_is_one_that_the_rules_allow(
    control_plane: ControlPlane, namespace: str, account: Account, audit: Audit
) -> None:
    """A whole life of a model under the chart's rules: no request is answered with 403."""
    with running(account.kubeconfig, namespace=account.namespace):
        control_plane.apply(model(autoscaling={"maxReplicas": 2}), namespace=namespace)
        control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
        control_plane.apply(model(), namespace=namespace)
        control_plane.gone("hpa", "iris", namespace=namespace)

    assert audit.forbidden(namespace, account.namespace) == []
