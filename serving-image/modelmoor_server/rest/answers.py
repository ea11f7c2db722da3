"""Everything that is answered at once: health, metadata, lists, errors, metrics."""

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import orjson

from modelmoor_server.errors import ModelError
from modelmoor_server.http.message import Head, Headers, Respond, Response, error
from modelmoor_server.protocols.v2 import extensions
from modelmoor_server.repository import Entry, Repository
from modelmoor_server.rest import coding, tfs, v2
from modelmoor_server.rest.calls import refusal
from modelmoor_server.tasks import Tasks

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference

TEXT = b"text/plain; charset=utf-8"
METRICS = b"text/plain; version=0.0.4; charset=utf-8"
BODY_LIMIT = 64 * 1024  # of bodies that nobody reads


class Answer:
    """A route whose answer is made on the spot. vital: answered even where connections run out."""

    body_limit = BODY_LIMIT
    refusal: Response | None = None

    def __init__(self, make: Callable[[], Response], *, vital: bool = False) -> None:
        self.vital = vital
        self._make = make

    def start(self, head: Head, body: bytes, respond: Respond) -> None:
        """Answer."""
        respond(coding.packed_answer(self._make(), head))


class Metrics:
    """`GET /metrics`, once every process has told its own. gather: the text; raises ModelError."""

    body_limit = BODY_LIMIT
    vital = True
    refusal: Response | None = None

    def __init__(self, gather: Callable[[], Awaitable[bytes]]) -> None:
        self._gather = gather
        self._tasks = Tasks()

    def start(self, head: Head, body: bytes, respond: Respond) -> "Begun":
        """Begin to gather."""

        async def answer() -> None:
            try:
                answered = Response(200, await self._gather(), METRICS)
            except ModelError as failure:
                answered = error(503, f"{failure.message} {failure.hint}")
            respond(coding.packed_answer(answered, head))

        self._tasks.start(answer())
        return Begun()


class Begun:
    """What goes on when its caller has left."""

    def cancel(self) -> bool:
        """It has begun."""
        return False


class Refused:
    """A route that can only be refused. tell: where its status is counted."""

    body_limit = BODY_LIMIT
    vital = False

    def __init__(self, response: Response, tell: Callable[[int], None]) -> None:
        self.refusal = response
        self._tell = tell

    def start(self, head: Head, body: bytes, respond: Respond) -> None:
        """Refuse."""
        self._tell(self.refusal.status)
        respond(self.refusal)


def document(members: dict[str, Any], status: int = 200, headers: Headers = ()) -> Response:
    """A JSON answer."""
    return Response(status, orjson.dumps(members), headers=headers)


def told_of(inference: "Inference", members: dict[str, Any]) -> Response:
    """What a model says of itself. The body is the same whatever engine answers; a header says which one does."""
    return document(members, headers=((b"Modelmoor-Engine", inference.identity.engine.encode()),))


def alive() -> Response:
    """`GET /`, KServe's v1 liveness."""
    return document({"status": "alive"})


def live() -> Response:
    """`GET /v2/health/live`: the process answers."""
    return document({"live": True})


def ready(repository: Repository) -> Response:
    """`GET /v2/health/ready`: it may be given requests."""
    if repository.ready:
        return document({"ready": True})
    return document({"ready": False, "error": repository.not_ready_because}, 503)


def server_metadata(repository_api: bool) -> Response:
    """`GET /v2`."""
    known = extensions(repository_api)
    return document({"name": "modelmoor", "version": version("modelmoor-server"), "extensions": known})


def model_list(repository: Repository) -> Response:
    """`GET /v2/models` and `GET /v1/models`."""
    return document({"models": list(repository.entries)})


def v2_ready(entry: Entry) -> Response:
    """`GET /v2/models/{model}/ready`."""
    if entry.inference is not None:
        return told_of(entry.inference, {"name": entry.name, "ready": True})
    return document({"name": entry.name, "ready": False, "error": str(entry.problem)}, 503)


def v2_metadata(entry: Entry) -> Response:
    """`GET /v2/models/{model}`."""
    return told_of(found, v2.metadata(found)) if (found := entry.inference) is not None else refusal(entry.problem)


def v1_status(entry: Entry) -> Response:
    """`GET /v1/models/{model}`."""
    if entry.inference is not None:
        return told_of(entry.inference, tfs.status(entry))
    return document({**tfs.status(entry), "error": str(entry.problem)}, 503)


def v1_metadata(entry: Entry) -> Response:
    """`GET /v1/models/{model}/metadata`, TensorFlow Serving's."""
    return told_of(found, tfs.metadata(found)) if (found := entry.inference) is not None else refusal(entry.problem)


def ping(repository: Repository) -> Response:
    """`GET /ping` and `GET /health`, as MLflow's scoring server and SageMaker have them: readiness, as a status."""
    return Response(200, b"\n", TEXT) if repository.ready else error(503, repository.not_ready_because)


def server_version() -> Response:
    """`GET /version`, where MLflow's scoring server tells its own: ours."""
    return Response(200, version("modelmoor-server").encode(), TEXT)


def openapi(repository: Repository) -> Response:
    """`GET /openapi.json`: what the models that are ready take and give."""
    if all(entry.inference is None for entry in repository.entries.values()):
        return error(503, repository.not_ready_because)
    from modelmoor_server.rest import openapi  # the signatures bring numpy, which has come with the first model

    return document(openapi.document(repository))
