"""The sums over workers, as plain lists."""

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from modelmoor_server.workers.totals import Totals, added, lasting, portable


def families(requests: float, ready: float, model: str = "iris") -> list:
    """What one worker tells: a counter, a gauge of readiness, a histogram."""
    counter = CounterMetricFamily("modelmoor_requests", "Requests.", labels=("model",))
    counter.add_metric((model,), requests)
    histogram = HistogramMetricFamily("modelmoor_batch_size", "Rows.", labels=("model",))
    histogram.add_metric((model,), [("1.0", requests), ("+Inf", requests)], requests)
    return portable([counter, GaugeMetricFamily("modelmoor_ready", "Ready.", value=ready), histogram])


def samples(text: bytes) -> dict[tuple[str, str], float]:
    """(sample, model) -> number."""
    return {
        (sample.name, sample.labels.get("model", "") + sample.labels.get("le", "")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_counters_add_up_and_readiness_is_that_of_the_least_ready() -> None:
    """Two workers: requests and buckets are sums, ready is a minimum."""
    totals = Totals(2)
    totals.told(1, families(3, 1))
    totals.told(2, families(4, 0))
    found = samples(totals.text(2))
    assert found["modelmoor_requests_total", "iris"] == 7
    assert found["modelmoor_batch_size_bucket", "iris1.0"] == 7
    assert found["modelmoor_batch_size_count", "iris"] == 7
    assert found["modelmoor_ready", ""] == 0
    assert found["modelmoor_workers", ""] == found["modelmoor_workers_wanted", ""] == 2
    assert found["process_resident_memory_bytes", ""] > 1e6  # the parent's own


def test_what_a_dead_worker_counted_stays_and_what_it_measured_goes() -> None:
    """A counter that fell would be read as a restart, and everything before it be counted twice."""
    totals = Totals(2)
    totals.told(1, families(3, 1))
    totals.told(2, families(4, 0))
    totals.leave(2)
    totals.told(2, families(1, 1))  # its successor
    totals.leave(2)
    found = samples(totals.text(1))
    assert found["modelmoor_requests_total", "iris"] == 8
    assert found["modelmoor_ready", ""] == 1


def test_labels_keep_workers_models_apart() -> None:
    """Samples are added only where every label is equal; each family stands once."""
    both = added([families(1, 1, "iris"), families(2, 1, "sum"), families(4, 1, "iris")])
    assert [family[0] for family in both] == ["modelmoor_requests", "modelmoor_ready", "modelmoor_batch_size"]
    assert both[0][3] == [
        ["modelmoor_requests_total", [["model", "iris"]], 5.0],
        ["modelmoor_requests_total", [["model", "sum"]], 2.0],
    ]


def test_a_gauge_does_not_last() -> None:
    """Nothing but counters and histograms outlives its process."""
    assert [family[0] for family in lasting(families(1, 1))] == ["modelmoor_requests", "modelmoor_batch_size"]
