"""The models of this process, and whether it may be given requests."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from modelmoor_server.errors import ModelError, ModelNotReady, RequestError, UnknownModel

if TYPE_CHECKING:
    # numpy comes with it, and a process must answer its liveness probe before that is imported.
    from modelmoor_server.inference import Inference


OTHERS = "the other workers"


class State(StrEnum):
    """Where a model is."""

    LOADING = "Loading"
    READY = "Ready"
    FAILED = "Failed"
    UNLOADED = "Unloaded"


@dataclass(slots=True)
class Entry:
    """One model by its public name. inference: there while the state is Ready.

    failure: why the last load failed; a model that was in service before it stays there.
    """

    name: str
    state: State = State.LOADING
    inference: "Inference | None" = None
    failure: ModelError | None = None

    @property
    def problem(self) -> RequestError:
        """Why the model does not answer, for a caller: 404 where only a load can help, else 503."""
        if self.state is State.UNLOADED:
            return UnknownModel(f"Model {self.name} is not loaded: POST /v2/repository/models/{self.name}/load.")
        return ModelNotReady(f"Model {self.name} is not ready: {self.state}.")


class Repository:
    """Name -> model. Changed on the event loop alone.

    Readiness of the process is a latch: true once every model given at start has been ready, cleared by `drain` alone,
    so that no later event can empty a Service.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.entries = {name: Entry(name) for name in names}
        self._awaited = set(self.entries)  # and whatever else `awaits` adds
        self._draining = False

    @property
    def ready(self) -> bool:
        """Whether the process may be given requests."""
        return not self._awaited and not self._draining

    @property
    def draining(self) -> bool:
        """Whether the process has been told to end."""
        return self._draining

    @property
    def not_ready_because(self) -> str:
        """One sentence for whoever asks why it is not ready."""
        if self._draining:
            return "The server is shutting down."
        return f"Still loading: {', '.join(name for name in (*self.entries, OTHERS) if name in self._awaited)}."

    def awaits(self, what: str) -> None:
        """The process is not ready before `what` has arrived, either."""
        self._awaited.add(what)

    def arrived(self, what: str) -> None:
        """What was awaited is there."""
        self._awaited.discard(what)

    def load(self, name: str) -> None:
        """A model is being loaded. One that is in service stays there meanwhile."""
        entry = self.entries[name]
        if entry.inference is None:
            entry.state = State.LOADING

    def serve(self, inference: "Inference") -> "Inference | None":
        """A model has been loaded and has made its first predict. Returns the one that it replaces."""
        name = inference.identity.name
        entry = self.entries[name]
        replaced, entry.inference = entry.inference, inference
        entry.state, entry.failure = State.READY, None
        self._awaited.discard(name)
        return replaced

    def fail(self, name: str, failure: ModelError) -> None:
        """A model could not be loaded; one that is in service stays there."""
        entry = self.entries[name]
        entry.failure = failure
        if entry.inference is None:
            entry.state = State.FAILED

    def unload(self, name: str) -> "Inference | None":
        """A model is taken out of service. Returns it, for what it still has in work."""
        entry = self.entries[name]
        inference, entry.inference = entry.inference, None
        entry.state, entry.failure = State.UNLOADED, None
        self._awaited.discard(name)
        return inference

    def drain(self) -> None:
        """The process has been told to end."""
        self._draining = True
