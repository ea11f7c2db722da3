"""The repository API of Triton and KServe: the index of models, and loading and unloading them.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

from typing import Any

import orjson

from modelmoor_server.control import Control
from modelmoor_server.errors import InvalidRequest, RequestError
from modelmoor_server.http.message import Head, Respond, Response
from modelmoor_server.rest import payload
from modelmoor_server.rest.answers import Begun
from modelmoor_server.rest.calls import refusal

BODY_LIMIT = 64 * 1024


class IndexRoute:
    """`POST /v2/repository/index`, with or without `{"ready": true}`."""

    body_limit = BODY_LIMIT
    vital = False
    refusal: Response | None = None

    def __init__(self, control: Control) -> None:
        self._control = control

    def start(self, head: Head, body: bytes, respond: Respond) -> None:
        """Answer at once."""
        try:
            ready = _document(body).get("ready", False)
            if not isinstance(ready, bool):
                raise InvalidRequest("ready must be true or false.")
        except InvalidRequest as problem:
            respond(refusal(problem))
        else:
            respond(Response(200, orjson.dumps([listed._asdict() for listed in self._control.index(ready=ready)])))


class ControlRoute:
    """`POST /v2/repository/models/{model}/load` and `/unload`: answered once it is done."""

    body_limit = BODY_LIMIT
    vital = False
    refusal: Response | None = None

    def __init__(self, control: Control, name: str, verb: str) -> None:
        self._control = control
        self._name = name
        self._verb = verb

    def start(self, head: Head, body: bytes, respond: Respond) -> Begun | None:
        """Begin to load or to unload."""

        def done(problem: RequestError | None) -> None:
            answer = Response(200, orjson.dumps({"name": self._name, self._verb: True}))  # as KServe has it
            respond(answer if problem is None else refusal(problem))

        try:
            parameters = payload.members(_document(body), "parameters")
            if self._verb == "load":
                self._control.load(self._name, parameters, done)
            else:
                self._control.unload(self._name, done)
        except RequestError as problem:
            respond(refusal(problem))
            return None
        return Begun()


def _document(body: bytes) -> dict[str, Any]:
    return payload.parse(body) if body.strip() else {}
