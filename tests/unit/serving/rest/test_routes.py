"""Where paths lead: health, lists, errors and metrics."""

import http.client
import re
from pathlib import Path

import pytest

from unit.serving.process import Started


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", {"status": "alive"}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/health/ready?verbose=1", {"ready": True}),
        ("/v2", {"name": "modelmoor", "version": "0.1.0", "extensions": ["binary_tensor_data", "classification"]}),
        ("/v2/models", {"models": ["iris", "people", "text", "sum"]}),
        ("/v2/models/%69ris/ready", {"name": "iris", "ready": True}),
    ],
)
def test_answers(doors: Started, path: str, expected: object) -> None:
    """Paths are those of the protocols, with a query or percent-encoded, too."""
    assert doors.ask("GET", path) == (200, expected)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/nope", 404),
        ("POST", "/v2/models/nope/infer", 404),
        ("POST", "/v1/models/nope:predict", 404),
        ("GET", "/v2/nope", 404),
        ("GET", "/v2/models/iris/", 404),
        ("GET", "/v2/models/%ff", 404),
        ("GET", "/v2/models/iris/infer", 405),
        ("POST", "/v2/health/live", 405),
        ("DELETE", "/v2/models/iris", 405),
        ("POST", "/v1/models/iris:explain", 404),
    ],
)
def test_errors(doors: Started, method: str, path: str, status: int) -> None:
    """What is not here says so, as JSON."""
    found, answer = doors.ask(method, path)

    assert found == status
    assert isinstance(answer["error"], str)


def test_options(doors: Started) -> None:
    """OPTIONS and 405 tell which methods a path takes."""
    connection = http.client.HTTPConnection("127.0.0.1", doors.port, timeout=60)
    for method, status, allow in (("OPTIONS", 204, "GET, HEAD, OPTIONS"), ("PUT", 405, "GET, HEAD, OPTIONS")):
        connection.request(method, "/v2/health/live")
        response = connection.getresponse()
        response.read()

        assert (response.status, response.headers["allow"]) == (status, allow)
    connection.close()


def _metric(text: bytes, name: str) -> float:
    match = re.search(rf"^{re.escape(name)} (\S+)$", text.decode(), re.MULTILINE)
    return float(match[1]) if match else 0.0


def test_metrics(doors: Started) -> None:
    """Requests are counted by door, model and code; unknown models make no label; health is no traffic."""
    before = doors.ask("GET", "/metrics")[1]
    doors.ask("POST", "/v1/models/sum:predict", {"instances": [[1, 2, 3]] * 5})
    doors.ask("POST", "/v1/models/sum:predict", {"instances": [[1, 2]]})
    doors.ask("POST", "/v2/models/unheard-of/infer", {})
    doors.ask("GET", "/v2/health/live")
    after = doors.ask("GET", "/metrics")[1]

    changes = {
        name: _metric(after, name) - _metric(before, name)
        for name in (
            'modelmoor_requests_total{code="200",door="v1",model="sum"}',
            'modelmoor_requests_total{code="400",door="v1",model="sum"}',
            'modelmoor_request_duration_seconds_count{door="v1",model="sum"}',
            'modelmoor_predict_duration_seconds_count{model="sum"}',
            'modelmoor_rows_total{model="sum"}',
            'modelmoor_refused_requests_total{code="404"}',
        )
    }
    assert list(changes.values()) == [1, 1, 2, 1, 5, 1]
    assert b"unheard-of" not in after
    assert _metric(after, "modelmoor_ready") == 1
    assert _metric(after, "modelmoor_requests_in_flight") == 0
    assert _metric(after, 'modelmoor_model_ready{model="sum"}') == 1
    assert _metric(after, "process_resident_memory_bytes") > 1e6
    assert re.search(rb'modelmoor_model_info\{digest="sha256:[0-9a-f]{64}",engine="Native",format="sklearn",', after)
    assert _metric(after, 'modelmoor_request_duration_seconds_bucket{door="v1",le="+Inf",model="sum"}') == _metric(
        after, 'modelmoor_request_duration_seconds_count{door="v1",model="sum"}'
    )


def test_every_metric_has_its_help(doors: Started) -> None:
    """Each family of ours comes with a help text and a type, and is in docs/server.md with them."""
    text = doors.ask("GET", "/metrics")[1].decode()
    families = set(re.findall(r"^# TYPE (modelmoor_\w+)", text, re.MULTILINE))

    documented = (Path(__file__).parents[4] / "docs" / "server.md").read_text()

    assert families
    for name, kind in re.findall(r"^# TYPE (modelmoor_\w+) (\w+)", text, re.MULTILINE):
        help = re.search(rf"^# HELP {name} (.+)$", text, re.MULTILINE)
        assert help
        assert re.search(rf"^\| `{name}` \| {kind} \| .*\| {re.escape(help[1])} \|$", documented, re.MULTILINE), name
    assert families == set(re.findall(r"^# HELP (modelmoor_\w+) \S", text, re.MULTILINE))
