"""The models of this process, and whether it may be given requests."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from modelmoor_server.errors import ModelError

if TYPE_CHECKING:
    # numpy comes with it, and a process must answer its liveness probe before that is imported.
    from modelmoor_server.inference import Inference


class State(StrEnum):
    """Where a model is."""

    LOADING = "Loading"
    READY = "Ready"
    FAILED = "Failed"


@dataclass(slots=True)
class Entry:
    """One model by its public name. inference: there once the state is Ready."""

    name: str
    state: State = State.LOADING
    inference: "Inference | None" = None
    failure: ModelError | None = None


class Repository:
    """Name -> model. Changed on the event loop alone.

    Readiness of the process is a latch: true once every model given at start is ready, cleared by `drain` alone, so
    that no later event can empty a Service.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.entries = {name: Entry(name) for name in names}
        self._loaded = False
        self._draining = False

    @property
    def ready(self) -> bool:
        """Whether the process may be given requests."""
        return self._loaded and not self._draining

    @property
    def not_ready_because(self) -> str:
        """One sentence for whoever asks why it is not ready."""
        if self._draining:
            return "The server is shutting down."
        loading = ", ".join(entry.name for entry in self.entries.values() if entry.state is not State.READY)
        return f"Still loading: {loading}."

    def serve(self, inference: "Inference") -> None:
        """A model has been loaded and has made its first predict."""
        entry = self.entries[inference.identity.name]
        entry.inference, entry.state = inference, State.READY
        self._loaded = self._loaded or all(entry.state is State.READY for entry in self.entries.values())

    def fail(self, name: str, failure: ModelError) -> None:
        """A model cannot be served."""
        entry = self.entries[name]
        entry.failure, entry.state = failure, State.FAILED

    def drain(self) -> None:
        """The process has been told to end."""
        self._draining = True
