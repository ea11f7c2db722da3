"""What a Prometheus operator is given for a model: where to scrape, and alerts that say what to do.

The expressions name the series of docs/server.md; the Prometheus operator labels a target by `namespace`.
"""

from collections.abc import Iterator
from decimal import Decimal

from modelmoor_operator.api import durations
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import names, replicas
from modelmoor_operator.desired.names import NAME_LABEL, PORT_NAME, TWIN_LABEL, Body
from modelmoor_operator.kinds import PROMETHEUS_RULE, SERVICE_MONITOR
from modelmoor_operator.served import Served
from modelmoor_operator.settings import Settings

_BURNS = (("critical", Decimal("14.4"), "1h", "5m"), ("warning", Decimal(6), "6h", "30m"))
"""Severity, speed, long and short window: how the SRE workbook alerts on the use of an error budget of 30 days."""
_MOST = Decimal("0.99")


def monitors(md: ModelDeployment, settings: Settings) -> list[Body]:
    """The ServiceMonitor and, where there is anything to tell, the PrometheusRule."""
    if not wanted(md, settings):
        return []
    rules = list(_rules(md))
    return [_service_monitor(md, settings), *([_prometheus_rule(md, settings, rules)] if rules else [])]


def wanted(md: ModelDeployment, settings: Settings) -> bool:
    """As the spec says; who promises something to callers wants to hear of it; else as the platform says."""
    told = md.spec.observability
    if told is not None and told.enabled is not None:
        return told.enabled
    return settings.monitoring.enabled or (told is not None and told.slo is not None)


def unserved(md: ModelDeployment, settings: Settings, served: Served) -> str:
    """The sentence for a model that itself asks for alerts which nobody would send; empty where all is well."""
    if md.spec.observability is None or not wanted(md, settings):
        return ""
    missing = [kind.kind for kind in (SERVICE_MONITOR, PROMETHEUS_RULE) if kind not in served]
    if not missing:
        return ""
    text = f"spec.observability has no effect here: the cluster serves no {' and no '.join(missing)}"
    return f"{text}; they come with the Prometheus operator."


def _service_monitor(md: ModelDeployment, settings: Settings) -> Body:
    """Scrapes the pods themselves: the headless twin stands for them, also where a router stands before the model."""
    metadata = names.metadata(md)
    return {
        "apiVersion": SERVICE_MONITOR.api_version,
        "kind": SERVICE_MONITOR.kind,
        "metadata": metadata | {"labels": settings.monitoring.labels | metadata["labels"]},
        "spec": {
            "selector": {"matchLabels": {NAME_LABEL: md.metadata.name, TWIN_LABEL: "headless"}},
            "jobLabel": NAME_LABEL,
            "endpoints": [{"port": PORT_NAME, "path": "/metrics", "interval": settings.monitoring.interval}],
        },
    }


def _prometheus_rule(md: ModelDeployment, settings: Settings, rules: list[Body]) -> Body:
    metadata = names.metadata(md)
    return {
        "apiVersion": PROMETHEUS_RULE.api_version,
        "kind": PROMETHEUS_RULE.kind,
        "metadata": metadata | {"labels": settings.monitoring.labels | metadata["labels"]},
        "spec": {"groups": [{"name": f"modelmoor-{md.metadata.name}", "rules": rules}]},
    }


def _rules(md: ModelDeployment) -> Iterator[Body]:
    promised = md.spec.observability.slo if md.spec.observability else None
    if replicas.wanted(md):
        yield _no_ready_pods(md)
    if promised and promised.availability:
        yield from _error_budget(md, promised.availability)
    if promised and promised.latency_p95:
        yield _latency(md, durations.milliseconds(promised.latency_p95))


def _no_ready_pods(md: ModelDeployment) -> Body:
    name, namespace = md.metadata.name, md.metadata.namespace
    return _alert(
        md,
        "ModelmoorNoReadyPods",
        # absent: also where nothing is scraped, so that a model without any pod is not passed over
        expr=f"absent(modelmoor_model_ready{{{_of(md)}}} == 1)",
        lasting="10m",
        severity="critical",
        summary=f"No pod of model {namespace}/{name} answers.",
        do=f"Reason and next step: kubectl -n {namespace} describe modeldeployment {name}. If the model is Ready there,"
        " Prometheus does not reach its pods: look at its targets, and at networkPolicy.alwaysFrom of the chart.",
    )


def _error_budget(md: ModelDeployment, availability: str) -> Iterator[Body]:
    budget = (100 - Decimal(availability.removesuffix("%"))) / 100
    name, namespace = md.metadata.name, md.metadata.namespace
    for severity, speed, long, short in _BURNS:
        # above what every request failing would come to, an alert could never be
        most = _plain(min(budget * speed, _MOST))
        yield _alert(
            md,
            "ModelmoorErrorBudgetBurn",
            expr=f"{_failing(md, long)} > {most} and {_failing(md, short)} > {most}",
            lasting="2m" if severity == "critical" else "15m",
            severity=severity,
            summary=f"Model {namespace}/{name} fails {_plain(speed)} times as often as its availability of"
            f" {availability} allows.",
            do=f"{{{{ $value | humanizePercentage }}}} of its predictions in {long} got a 5xx. 500: the model raised;"
            f" 503: too many wait; 504: too slow. Causes: kubectl -n {namespace} logs -l {NAME_LABEL}={name} -c model."
            " For 503 and 504 raise the number of pods; after an update put the spec.model of before back.",
        )


def _latency(md: ModelDeployment, longest: int) -> Body:
    name, namespace = md.metadata.name, md.metadata.namespace
    rate = f"rate(modelmoor_request_duration_seconds_bucket{{{_of(md)}}}[5m])"
    return _alert(
        md,
        "ModelmoorLatencyHigh",
        expr=f"histogram_quantile(0.95, sum by (le) ({rate})) > {_plain(Decimal(longest) / 1000)}",
        lasting="10m",
        severity="warning",
        summary=f"Model {namespace}/{name} answers later than its promise of {longest} ms (p95).",
        do="The p95 is {{ $value | humanizeDuration }}. Where modelmoor_queue_duration_seconds grew, requests wait:"
        " raise replicas or autoscaling.maxReplicas. Where modelmoor_predict_duration_seconds grew, the model itself is"
        " slower: more CPU in spec.resources, or fewer rows a request.",
    )


def _failing(md: ModelDeployment, window: str) -> str:
    """The share of predictions that the server failed; 499, a caller who had left, is no fault of it."""
    failed = f'sum(rate(modelmoor_requests_total{{{_of(md)},code=~"5.."}}[{window}]))'
    return f"{failed} / sum(rate(modelmoor_requests_total{{{_of(md)}}}[{window}]))"


def _of(md: ModelDeployment) -> str:
    return f'namespace="{md.metadata.namespace}",model="{md.metadata.name}"'


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _alert(md: ModelDeployment, name: str, *, expr: str, lasting: str, severity: str, summary: str, do: str) -> Body:
    return {
        "alert": name,
        "expr": expr,
        "for": lasting,
        "labels": {"severity": severity, "namespace": md.metadata.namespace, "modeldeployment": md.metadata.name},
        "annotations": {"summary": summary, "description": do},
    }
