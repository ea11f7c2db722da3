"""A page to try a prediction at `/docs`: three static files, nothing from elsewhere, no inline script or style."""

from functools import lru_cache
from importlib.resources import files

from modelmoor_server.http.message import Response

_TYPES = {"html": b"text/html", "css": b"text/css", "js": b"text/javascript"}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = (
    (b"Content-Security-Policy", _POLICY),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cache-Control", b"no-cache"),
)


@lru_cache
def answer(name: str) -> Response:
    """One file of the page. Read once, with the first request for it."""
    body = files(__package__).joinpath(name).read_bytes()
    return Response(200, body, _TYPES[name.rpartition(".")[2]] + b"; charset=utf-8", HEADERS)
