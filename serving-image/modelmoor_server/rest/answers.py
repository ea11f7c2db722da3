"""Everything that is answered at once: health, metadata, lists, errors, metrics."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import orjson

from modelmoor_server.http.message import Head, Respond, Response
from modelmoor_server.metrics import Counters
from modelmoor_server.repository import Entry, Repository
from modelmoor_server.rest import v1, v2
from modelmoor_server.rest.calls import refusal

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
        respond(self._make())


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


def document(members: dict[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status, orjson.dumps(members))


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
    """`GET /v2`. The extensions bear Triton's names."""
    extensions = ["binary_tensor_data", "classification", *(["model_repository"] if repository_api else [])]
    return document({"name": "modelmoor", "version": version("modelmoor-server"), "extensions": extensions})


def model_list(repository: Repository) -> Response:
    """`GET /v2/models` and `GET /v1/models`."""
    return document({"models": list(repository.entries)})


def v2_ready(entry: Entry) -> Response:
    """`GET /v2/models/{model}/ready`."""
    if entry.inference is not None:
        return document({"name": entry.name, "ready": True})
    return document({"name": entry.name, "ready": False, "error": str(entry.problem)}, 503)


def v2_metadata(entry: Entry) -> Response:
    """`GET /v2/models/{model}`."""
    return document(v2.metadata(entry.inference)) if entry.inference is not None else refusal(entry.problem)


def v1_status(entry: Entry) -> Response:
    """`GET /v1/models/{model}`."""
    if entry.inference is not None:
        return document(v1.status(entry))
    return document({**v1.status(entry), "error": str(entry.problem)}, 503)


def metrics(counters: Counters, repository: Repository, connections: Callable[[], int]) -> Response:
    """`GET /metrics`."""
    # Imported with the first scrape: prometheus_client must not stand before the first liveness probe.
    from modelmoor_server import exposition

    return Response(200, exposition.render(counters, repository, connections()), exposition.CONTENT_TYPE)
