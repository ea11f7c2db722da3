"""One prediction on its way through the gRPC port: counted, timed, answered; and which error is which status."""

import asyncio
from collections.abc import Callable
from enum import IntEnum
from time import perf_counter
from typing import ClassVar, Protocol

from modelmoor_server.errors import Overloaded, RequestError, TimedOut, UnknownModel
from modelmoor_server.inference import Inference, InferenceRequest, InferenceResponse
from modelmoor_server.job import Job
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


class Caller:
    """Who waits for an answer. deadline: on the clock of `perf_counter`; None where there is none."""

    __slots__ = ("_closing", "deadline")

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._closing: asyncio.Event | None = None

    @property
    def closing(self) -> asyncio.Event:
        """Set when a stream is to take no further request."""
        if self._closing is None:
            self._closing = asyncio.Event()
        return self._closing

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


class Withdrawable(Protocol):
    """What was begun for a caller."""

    def withdraw(self) -> None:
        """The caller has left, or his time is over: drop what has not begun."""
        ...


Respond = Callable[[bytes | RequestError], None]


class PredictCall:
    """A request of a door, as inference.py wants it. The doors add `decode` and `encode`."""

    door: ClassVar[str]

    def __init__(self, inference: Inference, size: int) -> None:
        self.inference = inference
        self.size = size
        self.respond: Respond | None = None

    def decode(self) -> InferenceRequest:
        raise NotImplementedError

    def encode(self, response: InferenceResponse) -> bytes:
        raise NotImplementedError

    def done(self, outcome: "bytes | RequestError") -> None:
        """Called on the loop, once."""
        if (respond := self.respond) is not None:  # else the caller left while the model ran
            self.respond = None
            respond(outcome)


class Begun:
    """A prediction on its way: counted when it ends, by its answer or by `withdraw`."""

    __slots__ = ("_begun", "_call", "_caller", "_job", "_models", "_respond")

    def __init__(self, models: "Models", call: PredictCall, caller: Caller, respond: Respond) -> None:
        self._models = models
        self._call = call
        self._caller = caller
        self._respond = respond
        self._begun = perf_counter()
        self._job: Job | None = None

    def start(self) -> None:
        """Begin; the answer may be there before this returns."""
        call, models, deadline = self._call, self._models, self._caller.deadline
        models.enter(call)
        call.respond = self._done
        if models.full:
            call.done(Overloaded("The server holds too many requests: come back in a moment."))
        elif deadline is not None and self._caller.late:
            call.done(TimedOut("The deadline of the call had passed before it began."))
        else:
            job = call.inference.submit(call, self._caller.seconds)
            if call.respond is not None:
                self._job = job

    def withdraw(self) -> None:
        """See Withdrawable."""
        job, self._job = self._job, None
        if self._call.respond is None:
            return
        self._call.respond = None
        late = self._caller.late
        if job is not None and not late:  # what is late is dropped by its own timer, and counted as such
            job.cancel()
        self._models.leave(self._call, 504 if late else CLIENT_LEFT, self._begun)

    def _done(self, outcome: bytes | RequestError) -> None:
        self._job = None  # the two would keep each other, and the request, alive until the next collection
        self._models.leave(self._call, 200 if isinstance(outcome, bytes) else http_status(outcome), self._begun)
        self._respond(outcome)


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

    @property
    def full(self) -> bool:
        """Whether the requests that wait hold as much as they may."""
        return self._held > HELD_BYTES

    def enter(self, call: PredictCall) -> None:
        """A prediction is on its way."""
        self._counters.in_flight += 1
        self._held += call.size

    def leave(self, call: PredictCall, status: int, begun: float) -> None:
        """It has ended, with the HTTP status of the same outcome."""
        self._held -= call.size
        self._counters.in_flight -= 1
        self._count(call.door, call.inference.name, status, perf_counter() - begun)

    def begin(self, call: PredictCall, caller: Caller, respond: Respond) -> Begun:
        """Answer a call through `respond`, at once or later."""
        begun = Begun(self, call, caller, respond)
        begun.start()
        return begun

    async def predict(self, call: PredictCall, caller: Caller) -> bytes:
        """The answer to a call, encoded. Raises RequestError. Cancelled, it withdraws what has not begun."""
        answered: asyncio.Future[bytes | RequestError] = asyncio.get_running_loop().create_future()

        def respond(outcome: bytes | RequestError) -> None:
            if not answered.done():  # cancelled in this very turn
                answered.set_result(outcome)

        begun = self.begin(call, caller, respond)
        try:
            outcome = await answered
        except asyncio.CancelledError:
            begun.withdraw()
            raise
        if isinstance(outcome, RequestError):
            raise outcome
        return outcome

    def _count(self, door: str, name: str, status: int, seconds: float) -> None:
        self._counters.requests[door, name, status] += 1
        self._counters.durations[door, name].observe(seconds)
