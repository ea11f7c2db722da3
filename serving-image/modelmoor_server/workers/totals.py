"""The metrics of all workers as one: what one process would tell that had answered every request."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric

from modelmoor_server import exposition

Families = list[list[Any]]
"""[[name, type, help, [[sample, [[label, value], ...], number], ...]], ...]: what JSON can carry."""

LASTING = ("counter", "histogram")
# Where adding up would say something false.
_RULES: dict[str, Callable[[float, float], float]] = {
    "modelmoor_ready": min,
    "modelmoor_model_ready": min,
    "modelmoor_model_info": max,
    "modelmoor_load_duration_seconds": max,
    "process_start_time_seconds": min,
    "process_max_fds": max,
    "python_info": max,
}


class Totals:
    """What the workers said last. wanted: how many workers there should be. Numbers tell workers apart."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._last: dict[int, Families] = {}
        self._left: Families = []

    def told(self, number: int, families: Families) -> None:
        """A worker said what it counted so far."""
        self._last[number] = families

    def leave(self, number: int) -> None:
        """A worker has ended. What it counted stays, as far as it had told: a sum may not fall."""
        self._left = added([self._left, lasting(self._last.pop(number, []))])

    def text(self, in_service: int) -> bytes:
        """The sums, with what this process itself uses, as Prometheus reads it."""
        own = [
            *ProcessCollector(registry=None).collect(),
            GaugeMetricFamily("modelmoor_workers", "Worker processes in service.", value=in_service),
            GaugeMetricFamily("modelmoor_workers_wanted", "Worker processes that should be there.", value=self._wanted),
        ]
        return exposition.text(metrics(added([*self._last.values(), self._left, portable(own)])))


def portable(metrics: Iterable[Metric]) -> Families:
    """Metric families as plain lists."""
    return [
        [
            metric.name,
            metric.type,
            metric.documentation,
            [[sample.name, sorted(sample.labels.items()), sample.value] for sample in metric.samples],
        ]
        for metric in metrics
    ]


def metrics(families: Families) -> Iterator[Metric]:
    """Plain lists as metric families."""
    for name, kind, documentation, rows in families:
        metric = Metric(name, documentation, kind)
        for sample, labels, number in rows:
            metric.add_sample(sample, dict(labels), number)
        yield metric


def lasting(families: Families) -> Families:
    """What a process leaves behind when it ends: a counter may not fall, a gauge is gone."""
    return [family for family in families if family[1] in LASTING]


def added(parts: Iterable[Families]) -> Families:
    """The families of several processes as those of one, in the order in which they first occur."""
    found: dict[str, list[Any]] = {}
    samples: dict[str, dict[tuple[Any, ...], float]] = {}
    for families in parts:
        for name, kind, documentation, rows in families:
            found.setdefault(name, [name, kind, documentation])
            known = samples.setdefault(name, {})
            rule = _RULES.get(name, float.__add__)
            for sample, labels, number in rows:
                key = (sample, tuple(map(tuple, labels)))
                known[key] = rule(known[key], float(number)) if key in known else float(number)
    return [
        [*family, [[sample, [*map(list, labels)], number] for (sample, labels), number in samples[name].items()]]
        for name, family in found.items()
    ]
