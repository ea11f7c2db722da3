"""The server's counters as Prometheus reads them: names, help texts and labels are all here."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from modelmoor_server.metrics import Counters, Histogram
from modelmoor_server.repository import Repository


class ServerCollector:
    """Turns `Counters` into metric families, at scrape time."""

    def __init__(self, counters: Counters, repository: Repository, connections: int) -> None:
        self._counters = counters
        self._repository = repository
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        """Every family of the server; asked by prometheus_client."""
        yield from self._requests()
        yield from self._models()
        yield _gauge("modelmoor_ready", "1 where the process may be given requests.", int(self._repository.ready))
        yield _gauge("modelmoor_connections", "Open HTTP connections.", self._connections)

    def _requests(self) -> Iterator[Metric]:
        counters = self._counters
        requests = CounterMetricFamily(
            "modelmoor_requests",
            "Predictions answered, by door (v1, v2, mlflow, grpc, tfs-grpc), model and HTTP status (499: caller left).",
            labels=("door", "model", "code"),
        )
        for (door, model, code), count in list(counters.requests.items()):
            requests.add_metric((door, model, str(code)), count)
        yield requests
        durations = HistogramMetricFamily(
            "modelmoor_request_duration_seconds",
            "From the last byte of a prediction's request to its answer, in seconds.",
            labels=("door", "model"),
        )
        for key, histogram in list(counters.durations.items()):
            durations.add_metric(key, *_buckets(histogram))
        yield durations
        refused = CounterMetricFamily(
            "modelmoor_refused_requests",
            "Requests refused before they reached a model: bad HTTP, unknown paths, limits; by HTTP status.",
            labels=("code",),
        )
        for code, count in list(counters.refused.items()):
            refused.add_metric((str(code),), count)
        yield refused
        yield _gauge("modelmoor_requests_in_flight", "Predictions being answered.", counters.in_flight)

    def _models(self) -> Iterator[Metric]:
        models = self._counters.models
        predict = HistogramMetricFamily(
            "modelmoor_predict_duration_seconds", "Time inside the model's own code, in seconds.", labels=("model",)
        )
        waits = HistogramMetricFamily(
            "modelmoor_queue_duration_seconds", "Time a request waited for the model's thread.", labels=("model",)
        )
        queued = GaugeMetricFamily("modelmoor_queued_requests", "Requests that wait for a model.", labels=("model",))
        batch = HistogramMetricFamily(
            "modelmoor_batch_size", "Rows of one call of the model, of one request or several.", labels=("model",)
        )
        failures = CounterMetricFamily(
            "modelmoor_batch_failures",
            "Calls for several requests that failed and were made again request by request.",
            labels=("model",),
        )
        rows = CounterMetricFamily("modelmoor_rows", "Rows predicted.", labels=("model",))
        abandoned = CounterMetricFamily(
            "modelmoor_abandoned_requests",
            "Requests that nobody waited for any more, by reason (Timeout, Disconnected).",
            labels=("model", "reason"),
        )
        load = GaugeMetricFamily(
            "modelmoor_load_duration_seconds", "Loading and warming up the model, in seconds.", labels=("model",)
        )
        for name, model in models.items():
            predict.add_metric((name,), *_buckets(model.predict))
            waits.add_metric((name,), *_buckets(model.queue))
            queued.add_metric((name,), model.queued())
            batch.add_metric((name,), *_buckets(model.batch))
            failures.add_metric((name,), model.batch_failures)
            rows.add_metric((name,), model.rows)
            for reason, count in model.abandoned.items():
                abandoned.add_metric((name, reason), count)
            if model.load_seconds is not None:
                load.add_metric((name,), model.load_seconds)
        yield from (predict, waits, queued, batch, failures, rows, abandoned, load, *self._states())

    def _states(self) -> Iterable[Metric]:
        ready = GaugeMetricFamily("modelmoor_model_ready", "1 where the model answers.", labels=("model",))
        info = GaugeMetricFamily(
            "modelmoor_model_info",
            "What is served; always 1.",
            labels=("model", "digest", "format", "framework", "engine"),
        )
        for entry in self._repository.entries.values():
            ready.add_metric((entry.name,), int(entry.inference is not None))
            if entry.inference is not None:
                told = entry.inference.identity
                info.add_metric((told.name, told.digest, told.format, told.framework, told.engine), 1)
        return ready, info


def collect(counters: Counters, repository: Repository, connections: int) -> list[Metric]:
    """The server's own families, then those of the process and of Python."""
    registry = CollectorRegistry()
    registry.register(ServerCollector(counters, repository, connections))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return list(registry.collect())


def text(metrics: Iterable[Metric]) -> bytes:
    """Families as Prometheus reads them."""
    return generate_latest(_Given(metrics))


class _Given:
    """What `generate_latest` asks a registry for."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """The families."""
        return self._metrics


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Cumulative counts by upper bound, and the sum."""
    cumulative, buckets = 0, []
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        cumulative += count
        buckets.append((bound, float(cumulative)))
    return buckets, histogram.total
