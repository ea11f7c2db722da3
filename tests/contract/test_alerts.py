"""Alerts on a model ask for what the server counts: docs/server.md, which a test of the server holds to /metrics."""

import re
from typing import Any

import pytest

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired.monitoring import monitors, unserved, wanted
from modelmoor_operator.served import Served
from modelmoor_operator.settings import Monitoring, Settings
from support.machine import ROOT

ROW = re.compile(r"^\| `(modelmoor_[a-z_]+)` \| (\w+) \| ([a-z, ]*?) *\|", re.MULTILINE)
SERIES = re.compile(r"(modelmoor_[a-z_]+)\{([^}]*)\}")
WATCHED = Settings(monitoring=Monitoring(enabled=True))


def model(observability: dict[str, Any] | None = None, **spec: Any) -> ModelDeployment:
    told = {"observability": observability} if observability is not None else {}
    spec = {"model": {"uri": "s3://models/iris/1/"}} | told | spec
    return ModelDeployment.parse({"metadata": {"name": "iris", "namespace": "lab", "uid": "1"}, "spec": spec})


def alerts(md: ModelDeployment) -> list[dict[str, Any]]:
    rules = [body for body in monitors(md, WATCHED) if body["kind"] == "PrometheusRule"]
    return [rule for body in rules for group in body["spec"]["groups"] for rule in group["rules"]]


def test_every_series_is_one_that_the_server_exposes() -> None:
    """Names and labels of each expression are the server's own; `namespace` comes with the target."""
    exposed = {
        name + suffix: set(labels.split(", ")) | extra
        for name, kind, labels in ROW.findall((ROOT / "docs/server.md").read_text())
        for suffix, extra in ({"_bucket": {"le"}} if kind == "histogram" else {"": set()}).items()
    }
    found = alerts(model({"slo": {"latencyP95": "50ms", "availability": "99.5%"}}))

    assert len(found) == 4
    for rule in found:
        series = SERIES.findall(rule["expr"])
        assert series, rule["expr"]
        for name, matchers in series:
            assert name in exposed
            assert set(re.findall(r"(\w+)=", matchers)) <= exposed[name] | {"namespace"}
            assert 'namespace="lab",model="iris"' in matchers
        assert rule["annotations"]["summary"].count("lab/iris") == 1
        assert rule["annotations"]["description"].endswith(".")


@pytest.mark.parametrize(
    ("availability", "thresholds"),
    [("99.5%", ["0.072", "0.03"]), ("99.99%", ["0.00144", "0.0006"]), ("90%", ["0.99", "0.6"]), ("10%", ["0.99"] * 2)],
)
def test_an_error_budget_burns_at_two_speeds(availability: str, thresholds: list[str]) -> None:
    """14.4 and 6 times what the promise allows, and never more than can be: a whole outage always fires."""
    found = [rule for rule in alerts(model({"slo": {"availability": availability}})) if "ErrorBudget" in rule["alert"]]

    assert [re.findall(r"> ([0-9.]+)", rule["expr"]) for rule in found] == [[most, most] for most in thresholds]


def test_a_model_that_asks_for_no_pod_alerts_on_none() -> None:
    """`replicas: 0` is a wish, not an outage."""
    assert alerts(model(replicas=0)) == []
    assert [rule["alert"] for rule in alerts(model(replicas=1))] == ["ModelmoorNoReadyPods"]


@pytest.mark.parametrize(
    ("observability", "platform", "outcome"),
    [
        (None, False, False),
        (None, True, True),
        ({}, False, False),
        ({"slo": {"availability": "99%"}}, False, True),
        ({"enabled": False, "slo": {"availability": "99%"}}, True, False),
        ({"enabled": True}, False, True),
    ],
)
def test_who_wants_to_watch(observability: dict[str, Any] | None, platform: bool, outcome: bool) -> None:
    """The spec's word, else a promise in it, else the platform's."""
    md, settings = model(observability), Settings(monitoring=Monitoring(enabled=platform))

    assert wanted(md, settings) is outcome
    assert bool(monitors(md, settings)) is outcome
    assert bool(unserved(md, settings, Served())) is (outcome and observability is not None)
