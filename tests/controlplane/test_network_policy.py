"""Who may call a model: a NetworkPolicy where the spec or the platform names callers. What it lets through is the CNI's
to hold, and no enforcing one is tested here."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.account import Account
from support.audit import Audit
from support.control_plane import ControlPlane
from support.machine import ROOT
from support.manifests import condition, model, says, seen
from support.operator import operator as running

Object = dict[str, Any]

pytestmark = pytest.mark.controlplane

SHOP: Object = {"podSelector": {"matchLabels": {"app": "shop"}}}
GOLDEN = sorted(path.name for path in (ROOT / "tests/golden").glob("network-policy*"))


def peers(policy: Object) -> list[Object]:
    (rule,) = policy["spec"]["ingress"]
    found: list[Object] = rule["from"]
    return found


def test_the_platform_may_close_every_model(
    control_plane: ControlPlane, namespace: str, account: Account, audit: Audit
) -> None:
    """With networkPolicy.enabled a model that names nobody is open to its own namespace; its own list goes before."""
    prometheus: Object = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prometheus"}}}
    platform = {"enabled": True, "alwaysFrom": [prometheus]}
    with running(account.kubeconfig, namespace=account.namespace, networkPolicy=platform):
        control_plane.apply(model(), model("closed", access={"from": []}), namespace=namespace)
        default = control_plane.eventually("networkpolicy", "iris", lambda _: True, namespace=namespace)
        closed = control_plane.eventually("networkpolicy", "closed", lambda _: True, namespace=namespace)

    assert {"podSelector": {}} in peers(default)
    assert {"podSelector": {}} not in peers(closed)
    assert prometheus in peers(default)
    assert prometheus in peers(closed)
    assert audit.forbidden(namespace) == []


@pytest.mark.usefixtures("operator")
def test_named_callers_close_the_door_to_others(control_plane: ControlPlane, namespace: str) -> None:
    """The policy appears with the first caller named, follows the list, and goes with it; no pod is replaced."""
    control_plane.apply(model(), namespace=namespace)
    before = control_plane.eventually("mdep", "iris", says("Ready", "False"), namespace=namespace)
    assert control_plane.names("networkpolicy", namespace) == []

    control_plane.apply(model(access={"from": [SHOP]}), namespace=namespace)
    policy = control_plane.eventually("networkpolicy", "iris", lambda _: True, namespace=namespace)
    assert SHOP in peers(policy)
    assert {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}} in [
        peer.get("namespaceSelector") for peer in peers(policy)
    ]
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert policy["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": port} for port in (8080, 8081)]
    assert [ref["uid"] for ref in policy["metadata"]["ownerReferences"]] == [before["metadata"]["uid"]]

    control_plane.apply(model(access={"from": []}), namespace=namespace)
    control_plane.eventually("networkpolicy", "iris", lambda obj: SHOP not in peers(obj), namespace=namespace)

    control_plane.apply(model(), namespace=namespace)
    control_plane.gone("networkpolicy", "iris", namespace=namespace)
    after = control_plane.eventually("mdep", "iris", seen, namespace=namespace)
    assert after["status"]["targetRevision"] == before["status"]["targetRevision"]


@pytest.mark.usefixtures("operator")
def test_the_policy_picks_the_models_pods(control_plane: ControlPlane, namespace: str) -> None:
    """Its selector finds the pods of this model and of no other."""
    control_plane.apply(model(access={"from": [SHOP]}), model("other"), namespace=namespace)
    policy = control_plane.eventually("networkpolicy", "iris", lambda _: True, namespace=namespace)
    picked = ",".join(f"{key}={value}" for key, value in policy["spec"]["podSelector"]["matchLabels"].items())
    for name in ("iris", "other"):
        control_plane.eventually("deployment", name, lambda obj: obj["status"].get("replicas"), namespace=namespace)

    found = control_plane.names("pod", namespace, labels=picked)

    assert found
    assert found == control_plane.names("pod", namespace, labels="modelmoor.dev/name=iris")
    assert len(found) < len(control_plane.names("pod", namespace))


@pytest.mark.usefixtures("operator")
def test_an_opened_policy_is_closed_again(control_plane: ControlPlane, namespace: str) -> None:
    """A caller that somebody adds, and a selector that picks nothing any more, are drift."""
    control_plane.apply(model(access={"from": [SHOP]}), namespace=namespace)
    wanted = control_plane.eventually("networkpolicy", "iris", lambda _: True, namespace=namespace)["spec"]
    control_plane.eventually("mdep", "iris", seen, namespace=namespace)
    for patch in (
        {"spec": {"ingress": [{}]}},
        {"spec": {"podSelector": {"matchLabels": {"modelmoor.dev/name": "nobody"}}}},
        {"spec": {"podSelector": {"matchLabels": {"also": "this"}}}},
        {"spec": {"policyTypes": ["Ingress", "Egress"], "egress": []}},
    ):
        control_plane.kubectl(
            "-n", namespace, "patch", "networkpolicy", "iris", "--type=merge", "-p", json.dumps(patch)
        )

        control_plane.eventually("networkpolicy", "iris", lambda obj: obj["spec"] == wanted, namespace=namespace)


@pytest.mark.usefixtures("operator")
def test_what_the_api_server_refuses_is_told_and_opens_nothing(control_plane: ControlPlane, namespace: str) -> None:
    """A range that is none passes the schema and not the API server: no pod is started without its policy."""
    control_plane.apply(model(access={"from": [{"ipBlock": {"cidr": "10.0.0.300/8"}}]}), namespace=namespace)

    told = control_plane.eventually("mdep", "iris", says("Ready", "False", "ApplyRefused"), namespace=namespace)

    assert "NetworkPolicy iris" in condition(told, "Ready")["message"]
    assert "cidr" in condition(told, "Ready")["message"]
    assert control_plane.names("deployment", namespace) == []


@pytest.mark.parametrize("case", GOLDEN)
def test_the_reviewed_policies_are_ones_that_the_api_server_takes(
    control_plane: ControlPlane, namespace: str, case: str
) -> None:
    """Each rendered NetworkPolicy of the golden files passes the API server's own validation, strictly."""
    text = Path(ROOT / "tests/golden" / case / "out.yaml").read_text()
    (policy,) = (obj for obj in yaml.safe_load_all(text) if obj["kind"] == "NetworkPolicy")
    policy["metadata"]["namespace"] = namespace

    control_plane.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", input=json.dumps(policy))
