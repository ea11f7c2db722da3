"""Where a path leads. The paths of health and of each model's two doors are found by one look into a dict."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import unquote_to_bytes

from modelmoor_server.apart.reader import Reader
from modelmoor_server.control import Control
from modelmoor_server.http.message import Head, Response, Route, error
from modelmoor_server.metrics import Counters
from modelmoor_server.protocols.tfs import LABEL, VERSION, unknown_label
from modelmoor_server.repository import Entry, Repository
from modelmoor_server.rest import answers, mlflow, page, tfs
from modelmoor_server.rest.answers import Answer, Refused
from modelmoor_server.rest.calls import HEADER_LENGTH, PredictRoute
from modelmoor_server.rest.repository import ControlRoute, IndexRoute
from modelmoor_server.rest.v1 import V1Call
from modelmoor_server.rest.v2 import V2Call

Methods = Mapping[bytes, Route]
_REST = rb"(/ready|/infer|/metadata|:predict|:explain|:classify|:regress|)"
_PINNED = re.compile(rb"(/v[12]/models/([^/]+))/(versions|labels)/([^/:]+)" + _REST)
_MODEL = re.compile(rb"/v[12]/(?:repository/)?models/([^/:]+)(?:/load|/unload|" + _REST[1:])


class Routes:
    """The application of the HTTP server: a request's head in, its route out.

    metrics: their text, of every process that serves here. reader: decodes large bodies in a process of its own.
    """

    def __init__(
        self,
        repository: Repository,
        control: Control,
        counters: Counters,
        metrics: Callable[[], Awaitable[bytes]],
        json_limit: int,
        binary_limit: int,
        reader: Reader | None = None,
    ) -> None:
        self._repository = repository
        self._counters = counters
        self._reader = reader
        scrape = answers.Metrics(metrics)
        self._paths: dict[bytes, Methods] = {
            b"/": _get(answers.alive),
            b"/metrics": {b"GET": scrape, b"HEAD": scrape},
            b"/v1/models": _get(partial(answers.model_list, repository)),
            b"/docs": _get(partial(page.answer, "page.html")),
            b"/docs/page.css": _get(partial(page.answer, "page.css")),
            b"/docs/page.js": _get(partial(page.answer, "page.js")),
            b"/health": _get(partial(answers.ping, repository)),
            b"/openapi.json": _get(partial(answers.openapi, repository)),
            b"/ping": _get(partial(answers.ping, repository)),
            b"/v2": _get(partial(answers.server_metadata, control.allowed)),
            b"/v2/health/live": _get(answers.live, vital=True),
            b"/v2/health/ready": _get(partial(answers.ready, repository), vital=True),
            b"/v2/models": _get(partial(answers.model_list, repository)),
            b"/v2/repository/index": {b"POST": IndexRoute(control)},
            b"/version": _get(answers.server_version),
        }
        self._invocations: dict[str, Methods] = {}
        for entry in repository.entries.values():
            self._paths |= {
                b"/v2/repository/models/%b/%b" % (entry.name.encode(), verb.encode()): {
                    b"POST": ControlRoute(control, entry.name, verb)
                }
                for verb in ("load", "unload")
            }
            self._add(entry, json_limit, binary_limit)
        if len(repository.entries) == 1:
            self._paths[mlflow.PATH] = self._invocations[next(iter(repository.entries))]

    def __call__(self, head: Head) -> Route:
        methods: Methods | Response | None = self._paths.get(head.target)
        if methods is None:
            methods = self._search(head.target)
        if isinstance(methods, Response):
            return Refused(methods, self._counters.refuse)
        route = methods.get(head.method)
        if route is not None:
            return route.binary if HEADER_LENGTH in head.headers and isinstance(route, PredictRoute) else route
        allowed = b", ".join(sorted({*methods, b"OPTIONS"}))
        if head.method == b"OPTIONS":
            return Answer(lambda: Response(204, headers=((b"Allow", allowed),)))
        sentence = f"This path takes {allowed.decode()}."
        return Refused(error(405, sentence, ((b"Allow", allowed),)), self._counters.refuse)

    def _add(self, entry: Entry, json_limit: int, binary_limit: int) -> None:
        name = entry.name.encode()
        no_verb = Refused(error(400, tfs.EXAMPLES_ONLY), self._counters.refuse)
        infer = PredictRoute(entry, V2Call, self._counters, json_limit, self._reader)
        infer.binary = PredictRoute(entry, V2Call, self._counters, json_limit, self._reader, binary_limit)
        self._paths |= {
            b"/v1/models/" + name: _get(partial(answers.v1_status, entry)),
            b"/v1/models/%b/metadata" % name: _get(partial(answers.v1_metadata, entry)),
            b"/v1/models/%b:predict" % name: {
                b"POST": PredictRoute(entry, V1Call, self._counters, json_limit, self._reader)
            },
            b"/v1/models/%b:classify" % name: {b"POST": no_verb},
            b"/v1/models/%b:regress" % name: {b"POST": no_verb},
            b"/v2/models/" + name: _get(partial(answers.v2_metadata, entry)),
            b"/v2/models/%b/ready" % name: _get(partial(answers.v2_ready, entry)),
            b"/v2/models/%b/infer" % name: {b"POST": infer},
        }
        frames = PredictRoute(entry, mlflow.MlflowCall, self._counters, json_limit, self._reader)
        tables = PredictRoute(entry, mlflow.CsvCall, self._counters, json_limit, self._reader)
        self._invocations[entry.name] = {b"POST": mlflow.Invocations(frames, tables, self._counters)}

    def _search(self, target: bytes) -> Methods | Response:
        """A path that is not written in its one plain form: with a query, percent-encoded, with a version."""
        if target == b"*":
            return {}  # OPTIONS *, which asks whether anybody is there
        raw, _, query = target.partition(b"?")
        path = unquote_to_bytes(raw)
        if path == mlflow.PATH:
            return mlflow.find(query.decode(), self._invocations)
        pinned = _PINNED.fullmatch(path)
        if pinned and not (pinned[3] == b"labels" and path.startswith(b"/v2")):
            path = pinned[1] + pinned[5]
        methods = self._paths.get(path)
        if methods is not None and pinned:
            entry = self._repository.entries[pinned[2].decode()]
            if (elsewhere := _not_served(entry, pinned[3], pinned[4].decode(errors="replace"))) is not None:
                return error(404, elsewhere)
        if methods is not None:
            return methods
        model = _MODEL.fullmatch(path)
        if model and model[1].decode(errors="replace") not in self._repository.entries:
            return error(404, f"No such model here; there is {', '.join(self._repository.entries)}.")
        return error(404, "No such path here; GET /v2/models lists the models.")


def _not_served(entry: Entry, kind: bytes, wanted: str) -> str | None:
    """Why a version or a label that a path asks for is not here; None where it is."""
    if kind == b"labels":
        return None if wanted == LABEL else unknown_label(entry.name)
    known = entry.inference.identity.version if entry.inference is not None else VERSION
    return None if wanted in (VERSION, known) else f"Model {entry.name} has version {known} here, and no other."


def _get(make: Callable[[], Response], *, vital: bool = False) -> Methods:
    answer = Answer(make, vital=vital)
    return {b"GET": answer, b"HEAD": answer}
