"""The repository API without a protocol: which models there are, and loading and unloading them by request.

"They" are those that the process was started with: no caller names a place to load from.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, Protocol

from modelmoor_server.errors import (
    InvalidRequest,
    ModelError,
    ModelNotReady,
    NotAllowed,
    NotLoaded,
    Reason,
    RequestError,
    UnknownModel,
)
from modelmoor_server.repository import Entry, Repository, State
from modelmoor_server.tasks import Tasks

SHUTTING_DOWN = "The server is shutting down."
_WORDS = {  # Triton's
    State.LOADING: "LOADING",
    State.READY: "READY",
    State.FAILED: "UNAVAILABLE",
    State.UNLOADED: "UNAVAILABLE",
}


class Loads(Protocol):
    """What brings models into service and out of it, by name: the loader. Raises ModelError."""

    async def load(self, name: str) -> None: ...
    async def unload(self, name: str) -> None: ...


class Listed(NamedTuple):
    """One model of the index. version: empty where none is loaded. state: Triton's word. reason: empty when ready."""

    name: str
    version: str
    state: str
    reason: str


class Control:
    """What a caller may do to the models. Used on the event loop alone. allowed: whether they may change them."""

    def __init__(self, repository: Repository, loader: Loads, *, allowed: bool) -> None:
        self.allowed = allowed
        self._repository = repository
        self._loader = loader
        self._tasks = Tasks()

    def index(self, *, ready: bool = False) -> list[Listed]:
        """Every model, or those that answer."""
        entries = self._repository.entries.values()
        return [_listed(entry) for entry in entries if entry.inference is not None or not ready]

    def load(self, name: str, parameters: Mapping[str, Any], done: Callable[[RequestError | None], None]) -> None:
        """Load a model from its own source, or load it anew; `done` is told how that ended.

        Raises RequestError where it cannot be begun.
        """
        self._check(name)
        odd = next((key for key in parameters if key == "config" or key.startswith("file:")), None)
        if odd is not None:
            raise InvalidRequest("A model is loaded from the source that the server was started with, as it is there.")
        self._begin(self._loader.load(name), name, done)

    def unload(self, name: str, done: Callable[[RequestError | None], None]) -> None:
        """Take a model out of service; `done` is told once no new request reaches it. Raises RequestError."""
        self._check(name)
        self._begin(self._loader.unload(name), name, done)

    def stop(self) -> None:
        """The process ends: whoever waits for a load is told so."""
        self._tasks.cancel()

    def _check(self, name: str) -> None:
        if not self.allowed:
            raise NotAllowed(
                "Loading and unloading by request is off: "
                "start the server with --repository-api or MODELMOOR_REPOSITORY_API=Allow."
            )
        if name not in self._repository.entries:
            raise UnknownModel(f"No such model here; there is {', '.join(self._repository.entries)}.")
        if self._repository.draining:
            raise ModelNotReady(SHUTTING_DOWN)

    def _begin(self, work: Coroutine[Any, Any, None], name: str, done: Callable[[RequestError | None], None]) -> None:
        async def run() -> None:
            try:
                await work
            except ModelError as failure:
                done(self._told(name, failure))
            except asyncio.CancelledError:
                done(ModelNotReady(SHUTTING_DOWN))
            else:
                done(None)

        self._tasks.start(run())

    def _told(self, name: str, failure: ModelError) -> RequestError:
        stays = " The one that was in service stays." if self._repository.entries[name].inference is not None else ""
        sentence = f"Model {name} was not loaded ({failure.reason}): {failure.message} {failure.hint}{stays}"
        return ModelNotReady(sentence) if failure.reason is Reason.STORE_UNAVAILABLE else NotLoaded(sentence)


def _listed(entry: Entry) -> Listed:
    version = entry.inference.identity.version if entry.inference is not None else ""
    reason = "" if entry.state is State.READY else str(entry.state).lower()
    if entry.failure is not None:  # of a model in service, too: its last load failed
        reason = f"{entry.failure.reason}: {entry.failure.message}"
    return Listed(entry.name, version, _WORDS[entry.state], reason)
