"""ServiceMonitor and PrometheusRule of a model, on an API server with and without the Prometheus operator's kinds."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.account import Account, rendered
from support.audit import Audit
from support.control_plane import ControlPlane
from support.machine import INFRA, ROOT
from support.manifests import condition, model, says, seen
from support.operator import operator as running
from support.waiting import eventually

Object = dict[str, Any]

pytestmark = pytest.mark.controlplane

SLO = {"slo": {"latencyP95": "50ms", "availability": "99.5%"}}
KINDS = ("servicemonitors", "prometheusrules")


@pytest.fixture(scope="module")
def kinds(control_plane: ControlPlane) -> Iterator[None]:
    """The Prometheus operator's own CustomResourceDefinitions, and none of them afterwards."""
    ran = subprocess.run([INFRA / "monitoring-crds.sh"], check=True, stdout=subprocess.PIPE, text=True)
    names = [f"{kind}.monitoring.coreos.com" for kind in KINDS]
    for kind in KINDS:
        file = Path(ran.stdout.strip()) / f"monitoring.coreos.com_{kind}.yaml"
        control_plane.kubectl("apply", "--server-side", "-f", str(file))
    control_plane.kubectl("wait", "--for=condition=Established", *(f"crd/{name}" for name in names))
    eventually(lambda: all(kind in control_plane.kubectl("api-resources") for kind in KINDS), seconds=20)
    yield
    control_plane.kubectl("delete", "crd", *names, "--timeout=60s")


def alerts(rule: Object) -> list[str]:
    return [item["alert"] for group in rule["spec"]["groups"] for item in group["rules"]]


def test_without_the_kinds_a_model_works_and_is_told(
    control_plane: ControlPlane, namespace: str, account: Account
) -> None:
    """Alerts that nobody would send are no failure: one sentence in the hint, for the model that asked for them."""
    with running(account.kubeconfig, namespace=account.namespace, monitoring={"enabled": True}):
        control_plane.apply(model(observability=SLO), model("plain"), namespace=namespace)
        told = control_plane.eventually("mdep", "iris", says("Ready", "False", "PodsStarting"), namespace=namespace)
        plain = control_plane.eventually("mdep", "plain", seen, namespace=namespace)

    assert "the cluster serves no ServiceMonitor and no PrometheusRule" in told["status"]["hint"]
    assert condition(told, "Stalled") == {}
    assert "failure" not in told["status"]
    assert "ServiceMonitor" not in plain["status"].get("hint", "")


@pytest.mark.usefixtures("kinds")
def test_promises_become_a_monitor_and_alerts(
    control_plane: ControlPlane, namespace: str, account: Account, audit: Audit
) -> None:
    """Both follow the spec, are mended like every child, and go when nobody wants them; each request is allowed."""
    labels = {"release": "prometheus"}
    with running(account.kubeconfig, namespace=account.namespace, monitoring={"labels": labels}):
        control_plane.apply(model(observability=SLO), namespace=namespace)
        monitor = control_plane.eventually("servicemonitor", "iris", lambda _: True, namespace=namespace)
        rule = control_plane.eventually("prometheusrule", "iris", lambda _: True, namespace=namespace)
        owner = control_plane.eventually("mdep", "iris", seen, namespace=namespace)
        for child in (monitor, rule):
            assert child["metadata"]["labels"].items() >= labels.items()
            assert [ref["uid"] for ref in child["metadata"]["ownerReferences"]] == [owner["metadata"]["uid"]]
        assert alerts(rule) == [
            "ModelmoorNoReadyPods",
            "ModelmoorErrorBudgetBurn",
            "ModelmoorErrorBudgetBurn",
            "ModelmoorLatencyHigh",
        ]
        assert "> 0.05" in json.dumps(rule["spec"]["groups"][0]["rules"][-1]["expr"])

        control_plane.apply(model(observability={"slo": {"latencyP95": "1s"}}), namespace=namespace)
        control_plane.eventually(
            "prometheusrule",
            "iris",
            lambda obj: alerts(obj) == ["ModelmoorNoReadyPods", "ModelmoorLatencyHigh"],
            namespace=namespace,
        )
        edit = json.dumps({"spec": {"groups": []}})
        control_plane.kubectl("-n", namespace, "patch", "prometheusrule", "iris", "--type=merge", "-p", edit)
        control_plane.eventually("prometheusrule", "iris", alerts, namespace=namespace)
        control_plane.kubectl("-n", namespace, "delete", "servicemonitor", "iris")
        control_plane.eventually("servicemonitor", "iris", lambda _: True, namespace=namespace)

        control_plane.apply(model(replicas=0, observability={"enabled": True}), namespace=namespace)
        control_plane.gone("prometheusrule", "iris", namespace=namespace)  # nothing is asked to answer
        assert control_plane.names("servicemonitor", namespace) == ["iris"]
        control_plane.apply(model(observability={"enabled": False, **SLO}), namespace=namespace)
        control_plane.gone("servicemonitor", "iris", namespace=namespace)
        told = control_plane.eventually("mdep", "iris", seen, namespace=namespace)
        assert "ServiceMonitor" not in told["status"].get("hint", "")

    assert audit.forbidden(namespace) == []


@pytest.mark.usefixtures("kinds")
def test_the_platform_may_watch_every_model(control_plane: ControlPlane, namespace: str, account: Account) -> None:
    """With monitoring.enabled a model that says nothing is watched, once: of its two Services one is picked."""
    with running(account.kubeconfig, namespace=account.namespace, monitoring={"enabled": True}):
        control_plane.apply(model(), model("silent", observability={"enabled": False}), namespace=namespace)
        monitor = control_plane.eventually("servicemonitor", "iris", lambda _: True, namespace=namespace)
        control_plane.eventually("prometheusrule", "iris", lambda obj: len(alerts(obj)) == 1, namespace=namespace)
        control_plane.eventually("mdep", "silent", seen, namespace=namespace)
        control_plane.eventually("service", "silent", lambda _: True, namespace=namespace)

    selector = monitor["spec"]["selector"]["matchLabels"]
    picked = ",".join(f"{key}={value}" for key, value in selector.items())
    assert control_plane.names("service", namespace, labels=picked) == ["iris-headless"]
    (endpoint,) = monitor["spec"]["endpoints"]
    service = control_plane.get("service", "iris-headless", namespace)
    assert service is not None
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert control_plane.names("servicemonitor", namespace) == ["iris"]


@pytest.mark.usefixtures("kinds")
def test_the_reviewed_objects_are_ones_that_the_api_server_takes(control_plane: ControlPlane, namespace: str) -> None:
    """The golden ServiceMonitor and PrometheusRule, and the operator's own alerts, fit the real schema, strictly."""
    golden = yaml.safe_load_all((ROOT / "tests/golden/monitored/out.yaml").read_text())
    chart = rendered("modelmoor", "--set", "prometheusRule.enabled=true", "--api-versions", "monitoring.coreos.com/v1")
    found = [obj for obj in [*golden, *chart] if obj["kind"] in ("ServiceMonitor", "PrometheusRule")]
    assert len(found) == 3
    for obj in found:
        obj["metadata"]["namespace"] = namespace
        control_plane.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", input=json.dumps(obj))
