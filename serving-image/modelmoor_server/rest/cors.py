"""Web pages of other origins, let in by setting: `MODELMOOR_CORS_ORIGINS` (the Fetch standard, 3.2).

An answer without these headers cannot be read by a page of another origin; that is the default. Nothing here protects
the server: whoever is no browser is not asked.
"""

import re
from collections.abc import Callable, Sequence

from modelmoor_server.http.message import Head, Headers, Pending, Respond, Response, Route

MAX_AGE = 7200  # seconds that a browser may keep a preflight's answer; Chromium keeps none for longer
_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z, -]{1,1000}")
_EXPOSED = (b"Access-Control-Expose-Headers", b"Inference-Header-Content-Length, Retry-After")
_VARY = (b"Vary", b"Origin")
_VARY_PREFLIGHT = (b"Vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


class Cors:
    """An application whose answers browsers show to pages of some origins.

    origins: as browsers write them (`https://app.example.com`, without a path); `*` for any.
    """

    def __init__(self, application: Callable[[Head], Route], origins: Sequence[str]) -> None:
        self._application = application
        self._any = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def __call__(self, head: Head) -> Route:
        route = self._application(head)
        origin = head.headers.get(b"origin")
        vary = () if self._any else (_VARY,)  # an answer to one origin, or to none, is no answer for another
        if origin is None or not (self._any or origin in self._origins):
            return _Marked(route, vary) if vary else route
        allowed = (b"Access-Control-Allow-Origin", b"*" if self._any else origin)
        asked = head.headers.get(b"access-control-request-method")
        if head.method == b"OPTIONS" and asked is not None:
            return _Preflight(route, allowed, head.headers.get(b"access-control-request-headers", b""))
        return _Marked(route, (allowed, _EXPOSED, *vary))


class _Marked:
    """A route whose answers carry `headers`, its refusals among them: a page shall read why it was refused."""

    def __init__(self, route: Route, headers: Headers) -> None:
        self.body_limit = route.body_limit
        self.vital = route.vital
        self._route = route
        self._headers = headers

    @property
    def refusal(self) -> Response | None:
        found = self._route.refusal
        return None if found is None else self._mark(found)

    def start(self, head: Head, body: bytes, respond: Respond) -> Pending | None:
        """Begin to answer."""
        return self._route.start(head, body, lambda response: respond(self._mark(response)))

    def _mark(self, response: Response) -> Response:
        return Response(response.status, response.body, response.content_type, _joined(response.headers, self._headers))


class _Preflight(_Marked):
    """The answer to a browser that asks before it sends: the path's own methods, and the headers that it asked for.

    Which headers a page may send is no secret and no danger, once its origin is trusted: they are let through as asked.
    """

    def __init__(self, route: Route, allowed: tuple[bytes, bytes], asked: bytes) -> None:
        names = ((b"Access-Control-Allow-Headers", asked),) if _NAMES.fullmatch(asked) else ()
        age = (b"Access-Control-Max-Age", b"%d" % MAX_AGE)
        super().__init__(route, (allowed, *names, age, _VARY_PREFLIGHT))

    def _mark(self, response: Response) -> Response:
        marked = super()._mark(response)
        methods = dict(response.headers).get(b"Allow")
        if methods is None:
            return marked
        extra = (b"Access-Control-Allow-Methods", methods)
        return Response(marked.status, marked.body, marked.content_type, (*marked.headers, extra))


def _joined(own: Headers, added: Headers) -> Headers:
    """Both, with one Vary."""
    vary = [value for name, value in (*own, *added) if name == b"Vary"]
    rest = tuple(header for header in (*own, *added) if header[0] != b"Vary")
    return (*rest, (b"Vary", b", ".join(vary))) if vary else rest
