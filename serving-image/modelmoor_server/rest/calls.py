"""One prediction on its way through a door: counted, timed, answered once."""

from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

from modelmoor_server.errors import InvalidRequest, ModelNotReady, PredictFailed, RequestError, TooLarge
from modelmoor_server.http.message import Head, Respond, Response, error, retry_later
from modelmoor_server.metrics import Counters
from modelmoor_server.repository import Entry
from modelmoor_server.rest import coding

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference, InferenceRequest, InferenceResponse, Job

CLIENT_LEFT = 499  # nobody was there to be answered; nginx's number for it


class HttpCall:
    """A request of a door, as inference.py wants it. The doors add `decode` and `encode`."""

    __slots__ = (
        "_begun", "_body", "_coding", "_inference", "_job", "_limit", "_packed", "_packing", "_respond", "_route",
    )  # fmt: skip

    door: ClassVar[str]
    packed: ClassVar["type[HttpCall] | None"] = None  # the subclass for compressed bodies (packed.py)

    def __init__(self, route: "PredictRoute", inference: "Inference", body: bytes, respond: Respond) -> None:
        self._route = route
        self._inference = inference
        self._body = body
        self._respond = respond
        self._begun = perf_counter()
        self._job: Job | None = None
        # Of packed.py, and here because Python cannot join two bases that both have slots.
        self._packing: coding.Packing
        self._limit: int  # bytes of the body, once it is unpacked
        self._packed: bool  # whether the body still is
        self._coding: str | None  # of the answer, once it is packed

    @property
    def size(self) -> int:
        return len(self._body)

    def decode(self) -> "InferenceRequest":
        raise NotImplementedError

    def encode(self, response: "InferenceResponse") -> bytes:
        raise NotImplementedError

    def expect(self, packing: coding.Packing, limit: int) -> None:
        """Say how the bodies are compressed; see packed.py."""
        raise NotImplementedError

    def submit(self) -> bool:
        """Begin; tells whether the answer is still to come."""
        self._job = self._inference.submit(self)
        return self._job is not None

    def done(self, outcome: "bytes | RequestError") -> None:
        """Answer and count."""
        self._job = None  # the two would keep each other, and the body, alive until the next collection
        response = Response(200, outcome) if isinstance(outcome, bytes) else refusal(outcome)
        left = type(outcome).__name__ == "CallerLeft"
        self._route.count(CLIENT_LEFT if left else response.status, perf_counter() - self._begun)
        self.answer(response)

    def answer(self, response: Response) -> None:
        """Give the answer."""
        self._respond(response)

    def cancel(self) -> bool:
        """The caller has left; tells whether nothing had begun."""
        if self._job is None or not self._job.cancel():
            return False
        self._route.count(CLIENT_LEFT, perf_counter() - self._begun)
        return True


class PredictRoute:
    """Where the predictions of one model at one door go."""

    vital = False

    def __init__(self, entry: Entry, call: type[HttpCall], counters: Counters, body_limit: int) -> None:
        self.body_limit = body_limit
        self._entry = entry
        self._call = call
        self._counters = counters
        self._key = (call.door, entry.name)

    @property
    def refusal(self) -> Response | None:
        return None if self._entry.inference is not None else refusal(not_ready(self._entry))

    def start(self, head: Head, body: bytes, respond: Respond) -> HttpCall | None:
        """Begin to answer a request."""
        self._counters.in_flight += 1
        inference = self._entry.inference
        packing = coding.packing_of(head)
        binary = b"inference-header-content-length" in head.headers
        if inference is None or isinstance(packing, Response) or binary:
            response = self.refusal or (packing if isinstance(packing, Response) else _binary())
            self.count(response.status, 0.0)
            respond(response)
            return None
        if packing is None or self._call.packed is None:
            call = self._call(self, inference, body, respond)
        else:
            call = self._call.packed(self, inference, body, respond)
            call.expect(packing, self.body_limit)
        return call if call.submit() else None

    def count(self, status: int, seconds: float) -> None:
        """One request has been answered."""
        self._counters.in_flight -= 1
        self._counters.requests[self._key[0], self._key[1], status] += 1
        self._counters.durations[self._key].observe(seconds)


def refusal(problem: RequestError) -> Response:
    """The answer for a request that could not be fulfilled."""
    status = _STATUS.get(type(problem).__name__, 500)
    return error(status, str(problem), retry_later() if status == 503 else ())


def not_ready(entry: Entry) -> ModelNotReady:
    """Why a model that is known here does not answer."""
    return ModelNotReady(f"Model {entry.name} is not ready: {entry.state}.")


def _binary() -> Response:
    return error(415, "Binary tensors are not supported: send the data as JSON.")


_STATUS = {
    InvalidRequest.__name__: 400,
    TooLarge.__name__: 413,
    ModelNotReady.__name__: 503,
    "CallerLeft": 503,
    "Overloaded": 503,  # by name: inference.py brings numpy, and doors must open before that
    "TimedOut": 504,
    PredictFailed.__name__: 500,
}
