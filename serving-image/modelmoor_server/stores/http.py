"""http:// and https://: one file, on the standard library: a redirect must not carry secrets to another host."""

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from modelmoor_server.errors import ModelError, Phase, Reason, cause_name
from modelmoor_server.stores.base import (
    CHUNK,
    Entry,
    Listing,
    access_denied,
    invalid,
    not_found,
    public_uri,
    relative_path,
    unavailable,
)
from modelmoor_server.stores.credentials import warn_unknown

TIMEOUT = 30.0  # seconds to connect, and between two pieces of the body
_NEEDS_RIGHTS = "Check the key HTTP_HEADERS (a JSON object of headers) in the Secret of spec.model.credentials."


class HttpStore:
    """One file behind a URL; its query (a signature, often) is sent, but never shown."""

    def __init__(self, uri: str, credentials: Mapping[str, str]) -> None:
        parts = urlsplit(uri)
        if not parts.hostname:
            raise invalid("The model URI names no host.", "Write it as https://host/path/model.joblib.")
        self.place = public_uri(uri)
        self._uri = uri
        self._headers = _headers(credentials, parts.hostname)
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=ssl.create_default_context()),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(self._headers),
        ):
            self._opener.add_handler(handler)

    def listing(self) -> Listing:
        """The name out of the URL, and the size out of the answer's headers: some servers know no HEAD."""
        name = unquote(urlsplit(self._uri).path.rpartition("/")[2])
        if not name:
            raise invalid(
                f"{self.place} names a folder, and HTTP cannot list one.",
                "Name one file, or put the folder in an object store or on a claim.",
            )
        with self._open() as response:
            length = response.headers.get("Content-Length", "")
        return Listing(False, (Entry(relative_path(name), int(length) if length.isdigit() else None),))

    def read(self, entry: Entry) -> Iterator[bytes]:
        with self._open() as response:
            while chunk := response.read(CHUNK):
                yield chunk
            if response.length:  # read(n) ends quietly where a connection breaks off
                raise http.client.IncompleteRead(b"", response.length)

    @contextmanager
    def _open(self) -> Iterator[http.client.HTTPResponse]:
        headers = {"User-Agent": "modelmoor", "Accept-Encoding": "identity", **self._headers}
        request = urllib.request.Request(self._uri, headers=headers)  # noqa: S310 - the scheme is http or https
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise unavailable(self.place, "sends the file compressed although it was asked not to")
                yield response
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code) from None
        except http.client.InvalidURL:
            raise invalid("The model URI is no URL.", "Write special characters as %20 and so on.") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise self._untrusted() from None
            word = cause_name(cause) if isinstance(cause, BaseException) else "no connection"
            raise unavailable(self.place, f"could not be read ({word})") from None

    def _refused(self, code: int) -> ModelError:
        if code in (401, 403, 407):
            return access_denied(self.place, f"The server refuses access (HTTP {code})", _NEEDS_RIGHTS)
        if code in (404, 410):
            return not_found(self.place)
        if code in (408, 425, 429) or code >= 500:
            return unavailable(self.place, f"answered HTTP {code}")
        if 300 <= code < 400:
            return _not_followed(self.place)
        return ModelError(
            Phase.RESOLVE,
            Reason.MODEL_NOT_FOUND,
            f"The server answered HTTP {code} for {self.place}.",
            "Fetch the URL with curl from inside the cluster and correct the model URI.",
        )

    def _untrusted(self) -> ModelError:
        return access_denied(
            self.place,
            "The server's certificate is not trusted",
            "Give the server a certificate of a known authority, or add the authority to the image (SSL_CERT_FILE).",
        )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows up to ten redirects; the Secret's headers stay with the host they are meant for, https stays https."""

    def __init__(self, secret_headers: Mapping[str, str]) -> None:
        self._secret = {name.capitalize() for name in secret_headers}

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if old.scheme == "https" and new.scheme == "http":
            fp.close()
            raise _not_followed(public_uri(req.full_url))
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and _origin(old) != _origin(new):
            for name in self._secret:
                request.remove_header(name)
        return request


def _not_followed(place: str) -> ModelError:
    return invalid(
        f"{place} redirects in a circle, from https to http, or to something that is no web server.",
        "Point the model URI to the place that is meant.",
    )


def _origin(parts: Any) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _headers(credentials: Mapping[str, str], host: str) -> dict[str, str]:
    """HTTP_HEADERS, or KServe's `<host>-headers`: a JSON object of header names and values."""
    known = ("HTTP_HEADERS", f"{host}-headers")
    warn_unknown(credentials, known)
    key = next((name for name in known if name in credentials), None)
    if key is None:
        return {}
    hint = 'Write it as {"Authorization": "Bearer ..."}.'
    try:
        headers = json.loads(credentials[key])
    except ValueError:
        raise invalid(f"The key {key} of the credentials is no JSON.", hint) from None
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise invalid(f"The key {key} of the credentials is no JSON object of texts.", hint)
    named = all(re.fullmatch(r"[!-9;-~]+", name) for name in headers)
    if not named or not all(re.fullmatch(r"[\t -~\x80-\xff]*", value) for value in headers.values()):
        raise invalid(f"The key {key} of the credentials holds a header that HTTP does not allow.", hint)
    return headers
