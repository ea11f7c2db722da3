"""Where a path leads. The paths of health and of each model's two doors are found by one look into a dict."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import unquote_to_bytes

from modelmoor_server.control import Control
from modelmoor_server.http.message import Head, Response, Route, error
from modelmoor_server.metrics import Counters
from modelmoor_server.repository import Entry, Repository
from modelmoor_server.rest import answers
from modelmoor_server.rest.answers import Answer, Refused
from modelmoor_server.rest.calls import HEADER_LENGTH, PredictRoute
from modelmoor_server.rest.repository import ControlRoute, IndexRoute
from modelmoor_server.rest.v1 import VERSION, V1Call
from modelmoor_server.rest.v2 import V2Call

Methods = Mapping[bytes, Route]
_VERSIONED = re.compile(rb"(/v[12]/models/([^/]+))/versions/([^/:]+)(/ready|/infer|:predict|)")
_MODEL = re.compile(rb"/v[12]/(?:repository/)?models/([^/:]+)(?:/ready|/infer|/load|/unload|:predict|:explain|)")


class Routes:
    """The application of the HTTP server: a request's head in, its route out.

    connections: how many there are, for the metrics.
    """

    def __init__(
        self,
        repository: Repository,
        counters: Counters,
        control: Control,
        json_limit: int,
        binary_limit: int,
        connections: Callable[[], int],
    ) -> None:
        self._repository = repository
        self._counters = counters
        self._paths: dict[bytes, Methods] = {
            b"/": _get(answers.alive),
            b"/metrics": _get(partial(answers.metrics, counters, repository, connections), vital=True),
            b"/v1/models": _get(partial(answers.model_list, repository)),
            b"/v2": _get(partial(answers.server_metadata, control.allowed)),
            b"/v2/health/live": _get(answers.live, vital=True),
            b"/v2/health/ready": _get(partial(answers.ready, repository), vital=True),
            b"/v2/models": _get(partial(answers.model_list, repository)),
            b"/v2/repository/index": {b"POST": IndexRoute(control)},
        }
        for entry in repository.entries.values():
            self._paths |= {
                b"/v2/repository/models/%b/%b" % (entry.name.encode(), verb.encode()): {
                    b"POST": ControlRoute(control, entry.name, verb)
                }
                for verb in ("load", "unload")
            }
            self._add(entry, json_limit, binary_limit)

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
        infer = PredictRoute(entry, V2Call, self._counters, json_limit)
        infer.binary = PredictRoute(entry, V2Call, self._counters, json_limit, binary_limit)
        self._paths |= {
            b"/v1/models/" + name: _get(partial(answers.v1_status, entry)),
            b"/v1/models/%b:predict" % name: {b"POST": PredictRoute(entry, V1Call, self._counters, json_limit)},
            b"/v2/models/" + name: _get(partial(answers.v2_metadata, entry)),
            b"/v2/models/%b/ready" % name: _get(partial(answers.v2_ready, entry)),
            b"/v2/models/%b/infer" % name: {b"POST": infer},
        }

    def _search(self, target: bytes) -> Methods | Response:
        """A path that is not written in its one plain form: with a query, percent-encoded, with a version."""
        if target == b"*":
            return {}  # OPTIONS *, which asks whether anybody is there
        path = unquote_to_bytes(target.partition(b"?")[0])
        versioned = _VERSIONED.fullmatch(path)
        if versioned:
            path = versioned[1] + versioned[4]
        methods = self._paths.get(path)
        if methods is not None and versioned:
            entry = self._repository.entries[versioned[2].decode()]
            known = entry.inference.identity.version if entry.inference is not None else VERSION
            if versioned[3].decode(errors="replace") not in (VERSION, known):
                return error(404, f"Model {entry.name} has version {known} here, and no other.")
        if methods is not None:
            return methods
        model = _MODEL.fullmatch(path)
        if model and model[1].decode(errors="replace") not in self._repository.entries:
            return error(404, f"No such model here; there is {', '.join(self._repository.entries)}.")
        return error(404, "No such path here; GET /v2/models lists the models.")


def _get(make: Callable[[], Response], *, vital: bool = False) -> Methods:
    answer = Answer(make, vital=vital)
    return {b"GET": answer, b"HEAD": answer}
