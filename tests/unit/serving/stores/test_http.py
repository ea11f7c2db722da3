"""http(s)://, against a real web server."""

import json
import logging
from pathlib import Path

import pytest

from modelmoor_server.errors import ModelError, Reason
from modelmoor_server.stores import open_store

HEADERS = {"HTTP_HEADERS": json.dumps({"Authorization": "Bearer canary", "X-Api-Key": "canary"})}


def contents(uri: str, credentials: dict[str, str] | None = None) -> dict[str, bytes]:
    store = open_store(uri, credentials or {})
    return {entry.path: b"".join(store.read(entry)) for entry in store.listing().entries}


def failure(uri: str, credentials: dict[str, str] | None = None) -> ModelError:
    with pytest.raises(ModelError) as caught:
        contents(uri, credentials)
    return caught.value


def test_file(web) -> None:
    """One file by the name in the URL; the query is sent and not shown."""
    web.files["/models/iris.joblib"] = b"abc"
    store = open_store(f"{web.url}/models/iris.joblib?sig=canary", {})

    listing = store.listing()
    assert (listing.folder, listing.entries[0].path, listing.size) == (False, "iris.joblib", 3)
    assert b"".join(store.read(listing.entries[0])) == b"abc"
    assert web.seen[0][0] == "/models/iris.joblib?sig=canary"
    assert "canary" not in store.place


def test_chunked(web) -> None:
    """A server that does not state the size is read all the same."""
    web.answers["/m.pkl"] = (200, {"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n0\r\n\r\n")

    assert contents(f"{web.url}/m.pkl") == {"m.pkl": b"abc"}


@pytest.mark.parametrize("credentials", [HEADERS, {"127.0.0.1-headers": HEADERS["HTTP_HEADERS"]}])
def test_headers(web, credentials: dict[str, str]) -> None:
    """HTTP_HEADERS, and KServe's key with the host's name, are sent."""
    web.files["/m.pkl"] = b"x"
    contents(f"{web.url}/m.pkl", credentials)

    assert all(headers["Authorization"] == "Bearer canary" for _, headers in web.seen)
    assert web.seen[0][1]["X-Api-Key"] == "canary"


def test_redirect_keeps_secrets_at_home(web, other_web) -> None:
    """A redirect is followed; within the host with the Secret's headers, to another one without."""
    web.answers["/a"] = (302, {"Location": "/m.pkl"}, b"")
    web.files["/m.pkl"] = b"here"
    web.answers["/away"] = (307, {"Location": f"{other_web.url}/m.pkl"}, b"")
    other_web.files["/m.pkl"] = b"there"

    assert contents(f"{web.url}/a", HEADERS) == {"a": b"here"}
    assert contents(f"{web.url}/away", HEADERS) == {"away": b"there"}
    assert all("X-Api-Key" in {name.title() for name in headers} for _, headers in web.seen)
    for _, headers in other_web.seen:
        assert "canary" not in str(headers)


def test_redirect_away_from_the_web(web) -> None:
    """A redirect to a file of the pod is not followed."""
    web.answers["/a"] = (302, {"Location": "file:///etc/passwd"}, b"")

    assert failure(f"{web.url}/a").reason is Reason.INVALID_SETTINGS


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.ACCESS_DENIED),
        (403, Reason.ACCESS_DENIED),
        (404, Reason.MODEL_NOT_FOUND),
        (410, Reason.MODEL_NOT_FOUND),
        (418, Reason.MODEL_NOT_FOUND),
        (429, Reason.STORE_UNAVAILABLE),
        (503, Reason.STORE_UNAVAILABLE),
    ],
)
def test_statuses(web, status: int, reason: Reason) -> None:
    """Each refusal has its own reason; body and query of the exchange stay out of it."""
    web.answers["/m.pkl"] = (status, {}, b"canary")
    error = failure(f"{web.url}/m.pkl?sig=canary", HEADERS)

    assert error.reason is reason
    assert "canary" not in error.message + error.hint


def test_broken_off(web) -> None:
    """A body shorter than it said is StoreUnavailable, not a short file."""
    web.files["/m.pkl"] = b"x" * 1000
    web.cut["/m.pkl"] = [1000, 10]

    assert failure(f"{web.url}/m.pkl").reason is Reason.STORE_UNAVAILABLE


def test_no_server() -> None:
    """A port where nobody listens, and a name that nobody knows, are StoreUnavailable."""
    assert failure("http://127.0.0.1:1/m.pkl").reason is Reason.STORE_UNAVAILABLE
    assert failure("http://nowhere.invalid/m.pkl").reason is Reason.STORE_UNAVAILABLE


def test_folder(web) -> None:
    """HTTP lists no folders, and says so."""
    assert failure(f"{web.url}/models/").reason is Reason.INVALID_SETTINGS


@pytest.mark.parametrize("text", ["Bearer x", "[]", '{"A": 1}', '{"A\\r\\nB": "x"}', '{"A": "x\\r\\nB: y"}'])
def test_bad_headers(web, text: str) -> None:
    """HTTP_HEADERS that are no JSON object of plain texts are named by their key, never by their value."""
    error = failure(f"{web.url}/m.pkl", {"HTTP_HEADERS": text})

    assert error.reason is Reason.INVALID_SETTINGS
    assert "HTTP_HEADERS" in error.message


def test_unknown_keys_are_named(web, caplog: pytest.LogCaptureFixture) -> None:
    """A key that means nothing here is named in the log, so that a typing error shows."""
    with caplog.at_level(logging.WARNING, "modelmoor_server"):
        open_store(f"{web.url}/m.pkl", {"HTTP_HEADER": "canary"})

    assert [record.getMessage() for record in caplog.records] == ["UnknownCredentialKeys"]
    assert caplog.records[0].fields == {"keys": ["HTTP_HEADER"]}  # type: ignore[attr-defined]


@pytest.fixture
def authority(tls_web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The certificate of `tls_web`, as SSL_CERT_FILE of this process."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_web.certificate))
    return tls_web.certificate


def test_untrusted_certificate(tls_web) -> None:
    """A certificate of an unknown authority is AccessDenied at once: trying again would not help."""
    tls_web.files["/m.pkl"] = b"x"

    assert failure(f"{tls_web.url}/m.pkl").reason is Reason.ACCESS_DENIED


def test_trusted_certificate(tls_web, authority: Path) -> None:
    """SSL_CERT_FILE adds an authority, as in every program of OpenSSL."""
    tls_web.files["/m.pkl"] = b"x"

    assert contents(f"{tls_web.url}/m.pkl") == {"m.pkl": b"x"}


def test_redirect_from_https_to_http(tls_web, authority: Path, web) -> None:
    """What was asked for over TLS is not fetched in the clear."""
    web.files["/m.pkl"] = b"x"
    tls_web.answers["/m.pkl"] = (302, {"Location": f"{web.url}/m.pkl"}, b"")

    assert failure(f"{tls_web.url}/m.pkl").reason is Reason.INVALID_SETTINGS
    assert web.seen == []
