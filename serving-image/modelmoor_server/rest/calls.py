"""One prediction on its way through a door: counted, timed, answered once."""

from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

from modelmoor_server.errors import (
    InvalidRequest,
    ModelNotReady,
    NotAllowed,
    NotLoaded,
    PredictFailed,
    RequestError,
    TooLarge,
    UnknownModel,
)
from modelmoor_server.http.message import Head, Respond, Response, error, retry_later
from modelmoor_server.metrics import Counters
from modelmoor_server.repository import Entry

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference, InferenceRequest, InferenceResponse, Job

HEADER_LENGTH = b"inference-header-content-length"
CLIENT_LEFT = 499  # nobody was there to be answered; nginx's number for it


class HttpCall:
    """A request of a door, as inference.py wants it. The doors add `decode` and `encode`."""

    __slots__ = ("_begun", "_body", "_inference", "_job", "_respond", "_route")

    door: ClassVar[str]
    takes_binary: ClassVar[bool] = False  # whether binary tensors may follow the JSON

    def __init__(self, route: "PredictRoute", inference: "Inference", body: bytes, respond: Respond) -> None:
        self._route = route
        self._inference = inference
        self._body = body
        self._respond = respond
        self._begun = perf_counter()
        self._job: Job | None = None

    @property
    def size(self) -> int:
        return len(self._body)

    def decode(self) -> "InferenceRequest":
        raise NotImplementedError

    def encode(self, response: "InferenceResponse") -> bytes:
        raise NotImplementedError

    def response(self, body: bytes) -> Response:
        """The answer around an encoded body."""
        return Response(200, body)

    def expect_binary(self, header_length: bytes, json_limit: int) -> None:
        """Binary tensors follow the JSON, whose length the head states; where `takes_binary`, before `decode`."""
        raise NotImplementedError

    def submit(self) -> bool:
        """Begin; tells whether the answer is still to come."""
        self._job = self._inference.submit(self)
        return self._job is not None

    def done(self, outcome: "bytes | RequestError") -> None:
        """Answer and count."""
        response = self.response(outcome) if isinstance(outcome, bytes) else refusal(outcome)
        self._route.count(response.status, perf_counter() - self._begun)
        self._respond(response)

    def cancel(self) -> bool:
        """The caller has left; tells whether nothing had begun."""
        if self._job is None or not self._job.cancel():
            return False
        self._route.count(CLIENT_LEFT, perf_counter() - self._begun)
        return True


class PredictRoute:
    """Where the predictions of one model at one door go.

    json_limit: bytes of a JSON body. binary: the same route for bodies with binary tensors, with their own limit.
    """

    vital = False

    def __init__(
        self, entry: Entry, call: type[HttpCall], counters: Counters, json_limit: int, binary_limit: int | None = None
    ) -> None:
        self.json_limit = json_limit
        self.body_limit = binary_limit or json_limit
        self.binary = self
        self._entry = entry
        self._call = call
        self._counters = counters
        self._key = (call.door, entry.name)

    @property
    def refusal(self) -> Response | None:
        return None if self._entry.inference is not None else refusal(self._entry.problem)

    def start(self, head: Head, body: bytes, respond: Respond) -> HttpCall | None:
        """Begin to answer a request."""
        self._counters.in_flight += 1
        inference = self._entry.inference
        coding = head.headers.get(b"content-encoding", b"identity")
        binary = HEADER_LENGTH in head.headers and not self._call.takes_binary
        if inference is None or coding.lower() != b"identity" or binary:
            response = self.refusal or _unsupported(coding)
            self.count(response.status, 0.0)
            respond(response)
            return None
        call = self._call(self, inference, body, respond)
        if HEADER_LENGTH in head.headers:
            call.expect_binary(head.headers[HEADER_LENGTH], self.json_limit)
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


def _unsupported(coding: bytes) -> Response:
    if coding.lower() != b"identity":
        return error(415, "Content-Encoding is not supported: send the body as it is.")
    return error(415, "Binary tensors are of the v2 protocol: send the data as JSON, or to /v2/models.")


_STATUS = {
    InvalidRequest.__name__: 400,
    NotLoaded.__name__: 400,
    NotAllowed.__name__: 403,
    UnknownModel.__name__: 404,
    TooLarge.__name__: 413,
    ModelNotReady.__name__: 503,
    "Overloaded": 503,  # by name: inference.py brings numpy, and doors must open before that
    "TimedOut": 504,
    PredictFailed.__name__: 500,
}
