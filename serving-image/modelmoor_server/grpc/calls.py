"""One prediction on its way through the gRPC port: counted, timed, answered; and which error is which status."""

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum
from time import perf_counter
from typing import ClassVar

from modelmoor_server.errors import Overloaded, RequestError, TimedOut, UnknownModel
from modelmoor_server.inference import Inference, InferenceRequest, InferenceResponse
from modelmoor_server.metrics import Counters
from modelmoor_server.protocols.tfs import LABEL, VERSION, unknown_label
from modelmoor_server.repository import Entry, Repository
from modelmoor_server.rest.calls import CLIENT_LEFT, refusal

CLOCKS_DIFFER = 0.01  # seconds
HELD_BYTES = 256 * 1024 * 1024  # all requests of the port that are waiting for a model, as at the HTTP port


class Status(IntEnum):
    """The status codes of gRPC that this server gives, by their numbers on the wire."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class Refused(RequestError):
    """A call that ends with a status that none of the server's other errors stands for."""

    def __init__(self, status: Status, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(slots=True, eq=False)
class Caller:
    """Who waits for an answer. deadline: on the clock of `perf_counter`; None where there is none.

    closing: set when a stream is to take no further request.
    """

    deadline: float | None = None
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def seconds(self) -> float | None:
        """How long the caller still waits."""
        return None if self.deadline is None else self.deadline - perf_counter()

    @property
    def late(self) -> bool:
        """Whether the deadline has passed, or is about to: grpc's clock is not ours."""
        return self.deadline is not None and perf_counter() >= self.deadline - CLOCKS_DIFFER


_OF_HTTP = {
    400: Status.INVALID_ARGUMENT,
    403: Status.PERMISSION_DENIED,
    404: Status.NOT_FOUND,
    413: Status.RESOURCE_EXHAUSTED,
    415: Status.INVALID_ARGUMENT,
    503: Status.UNAVAILABLE,
    504: Status.DEADLINE_EXCEEDED,
}


def http_status(problem: RequestError) -> int:
    """The HTTP status of the same failure: it is counted under that at every door."""
    return 404 if isinstance(problem, UnknownModel) else refusal(problem).status


def status_of(problem: RequestError) -> Status:
    """The status that a failed call ends with."""
    if isinstance(problem, Refused):
        return problem.status
    return _OF_HTTP.get(http_status(problem), Status.INTERNAL)


class PredictCall:
    """A request of a door, as inference.py wants it. The doors add `decode` and `encode`."""

    door: ClassVar[str]

    def __init__(self, inference: Inference, size: int) -> None:
        self.inference = inference
        self.size = size
        self.outcome: asyncio.Future[bytes | RequestError] = asyncio.get_running_loop().create_future()

    def decode(self) -> InferenceRequest:
        raise NotImplementedError

    def encode(self, response: InferenceResponse) -> bytes:
        raise NotImplementedError

    def done(self, outcome: "bytes | RequestError") -> None:
        """Called on the loop, once."""
        if not self.outcome.done():  # the caller may have left while the model ran
            self.outcome.set_result(outcome)


class Models:
    """The models of the process as the doors of this port see them."""

    def __init__(self, repository: Repository, counters: Counters) -> None:
        self.repository = repository
        self._counters = counters
        self._held = 0

    def entry(self, name: str, version: str) -> Entry:
        """A model by name, and by version where the caller names one. Raises UnknownModel."""
        entry = self.repository.entries.get(name)
        if entry is None:
            self._counters.refuse(404)
            raise UnknownModel(f"No such model here; there is {', '.join(self.repository.entries)}.")
        known = entry.inference.identity.version if entry.inference is not None else VERSION
        if version not in ("", VERSION, known):
            self._counters.refuse(404)
            raise UnknownModel(f"Model {entry.name} has version {known} here, and no other.")
        return entry

    def check_label(self, name: str, label: str) -> None:
        """Raises UnknownModel where a model has no version of that label; an empty one is whatever is served."""
        if label in ("", LABEL):
            return
        entry = self.entry(name, "")
        self._counters.refuse(404)
        raise UnknownModel(unknown_label(entry.name))

    def inference(self, name: str, version: str, door: str | None = None) -> Inference:
        """A model that answers. door: of a prediction, which is counted. Raises UnknownModel, ModelNotReady."""
        entry = self.entry(name, version)
        if entry.inference is None:
            if door is not None:
                self._count(door, name, refusal(entry.problem).status, 0.0)
            raise entry.problem
        return entry.inference

    def refuse(self) -> None:
        """Count a request that is no message of its protocol."""
        self._counters.refuse(400)

    async def predict(self, call: PredictCall, caller: Caller) -> bytes:
        """The answer to a call, encoded. Raises RequestError. Cancelled, it withdraws what has not begun."""
        name, begun = call.inference.identity.name, perf_counter()
        self._counters.in_flight += 1
        self._held += call.size
        status = 500
        try:
            outcome = await self._outcome(call, caller)
            if isinstance(outcome, RequestError):
                status = http_status(outcome)
                raise outcome
            status = 200
            return outcome
        except asyncio.CancelledError:
            status = 504 if caller.late else CLIENT_LEFT
            raise
        finally:
            self._held -= call.size
            self._counters.in_flight -= 1
            self._count(call.door, name, status, perf_counter() - begun)

    async def _outcome(self, call: PredictCall, caller: Caller) -> bytes | RequestError:
        if self._held > HELD_BYTES:
            return Overloaded("The server holds too many requests: come back in a moment.")
        if caller.late:
            return TimedOut("The deadline of the call had passed before it began.")
        job = call.inference.submit(call, caller.seconds)
        try:
            return await call.outcome
        except asyncio.CancelledError:
            if job is not None and not caller.late:  # what is late is dropped by its own timer, and counted as such
                job.cancel()
            raise

    def _count(self, door: str, name: str, status: int, seconds: float) -> None:
        self._counters.requests[door, name, status] += 1
        self._counters.durations[door, name].observe(seconds)
