"""Pages of other origins: what a browser is told, by a real server."""

import json
from typing import Any

import pytest

from unit.serving.process import Started

APP = "https://app.example.com"
PREDICT = "/v1/models/people:predict"
BODY = json.dumps({"instances": [{"age": 30, "city": "Rome"}]}).encode()


def _cors(headers: Any) -> dict[str, str]:
    return {name.lower(): text for name, text in headers.items() if name.lower().startswith("access-control")}


def test_preflight(lone: Started) -> None:
    """A browser that asks first is told the path's methods, the headers that it asked for, and for how long."""
    asked = {"Origin": APP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    status, headers, body = lone.exchange("OPTIONS", PREDICT, None, asked)

    assert (status, body) == (204, b"")
    assert _cors(headers) == {
        "access-control-allow-origin": APP,
        "access-control-allow-methods": "OPTIONS, POST",
        "access-control-allow-headers": "content-type",
        "access-control-max-age": "7200",
    }
    assert headers["vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@pytest.mark.parametrize("origin", ["https://evil.example.com", "http://app.example.com", f"{APP}:8443", "null"])
def test_other_origins(lone: Started, origin: str) -> None:
    """Another origin's page is told nothing, before it sends and after; caches learn that it depended on the origin."""
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for method, headers, expected in (("OPTIONS", preflight, 204), ("POST", {"Origin": origin}, 200)):
        status, answered, _ = lone.exchange(method, PREDICT, BODY if method == "POST" else None, headers)

        assert (status, _cors(answered), answered["vary"]) == (expected, {}, "Origin")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", PREDICT, BODY, 200),
        ("POST", PREDICT, b"{", 400),
        ("POST", "/invocations", b"{}", 400),
        ("GET", "/v2/models/people", None, 200),
        ("GET", "/nope", None, 404),
        ("GET", PREDICT, None, 405),
    ],
)
def test_answers_and_errors_can_be_read(lone: Started, method: str, path: str, body: bytes | None, status: int) -> None:
    """A page of a named origin reads answers, and reads why it got none."""
    found, headers, _ = lone.exchange(method, path, body, {"Origin": "http://localhost:3000"})

    assert found == status
    assert _cors(headers) == {
        "access-control-allow-origin": "http://localhost:3000",
        "access-control-expose-headers": "Inference-Header-Content-Length, Retry-After",
    }
    assert headers["vary"] == "Origin"


def test_one_vary(lone: Started) -> None:
    """What depends on two headers says so in one line."""
    _, headers, _ = lone.exchange("GET", "/docs", None, {"Origin": APP, "Accept-Encoding": "gzip"})

    assert headers.get_all("vary") == ["Origin"]  # the page is too small to be packed
    _, headers, _ = lone.exchange("GET", "/metrics", None, {"Origin": APP, "Accept-Encoding": "gzip"})
    assert headers.get_all("vary") == ["Accept-Encoding, Origin"]


def test_without_an_origin(lone: Started) -> None:
    """Whoever is no browser gets what it always got, and plain OPTIONS stays what it was."""
    assert _cors(lone.exchange("POST", PREDICT, BODY)[1]) == {}
    status, headers, _ = lone.exchange("OPTIONS", PREDICT)
    assert (status, headers["allow"]) == (204, "OPTIONS, POST")


def test_none_by_default(doors: Started) -> None:
    """Without the setting no page of another origin reads anything."""
    preflight = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    for method, path, headers in (("OPTIONS", PREDICT, preflight), ("GET", "/v2/models", {"Origin": APP})):
        answered = doors.exchange(method, path, None, headers)[1]

        assert (_cors(answered), answered["vary"]) == ({}, None)


def test_any_origin() -> None:
    """`*` lets every page in, and then no answer depends on the origin."""
    from modelmoor_server.http.message import Head, Response
    from modelmoor_server.rest.answers import Answer
    from modelmoor_server.rest.cors import Cors

    told: list[Response] = []
    head = Head(b"GET", b"/", {b"origin": b"null"}, 0, True)
    Cors(lambda head: Answer(lambda: Response(200)), ("*",))(head).start(head, b"", told.append)

    assert dict(told[0].headers)[b"Access-Control-Allow-Origin"] == b"*"
    assert b"Vary" not in dict(told[0].headers)
