"""One prediction on its way through a door: counted, timed, answered once."""

from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from modelmoor_server.apart.reader import APART_BYTES, Decoded, Portable, Reader, Reading
from modelmoor_server.errors import (
    CallerLeft,
    InvalidRequest,
    ModelNotReady,
    NotAllowed,
    NotLoaded,
    Overloaded,
    PredictFailed,
    RequestError,
    TimedOut,
    TooLarge,
    UnknownModel,
)
from modelmoor_server.http.message import Head, Respond, Response, error, retry_later
from modelmoor_server.metrics import Counters
from modelmoor_server.repository import Entry
from modelmoor_server.rest import coding
from modelmoor_server.rest.packed import Packed

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference, InferenceRequest, InferenceResponse, Job
    from modelmoor_server.intake import Intake

HEADER_LENGTH = b"inference-header-content-length"
_SPECIAL = frozenset((HEADER_LENGTH, *coding.HEADERS))  # what makes a body anything but plain JSON
CLIENT_LEFT = 499  # nobody was there to be answered; nginx's number for it


class HttpCall:
    """A request of a door, as inference.py wants it. The doors add `_decode` and `_encode`.

    noted: attributes by which `_decode` tells the rest what it saw; they travel with a body that is decoded apart.
    takes_binary: whether binary tensors may follow the JSON.
    """

    __slots__ = ("_begun", "_body", "_inference", "_intake", "_job", "_packed", "_respond", "_route")

    door: ClassVar[str]
    noted: ClassVar[tuple[str, ...]] = ()
    takes_binary: ClassVar[bool] = False

    def __init__(self, intake: "Intake", body: bytes) -> None:
        self._intake = intake
        self._body = body
        self._packed: Packed | None = None  # where bodies may be compressed
        self._begun = perf_counter()
        self._job: Job | Reading | None = None
        # the rest is there from `submit` on
        self._route: PredictRoute
        self._inference: Inference
        self._respond: Respond

    @property
    def size(self) -> int:
        """Bytes of the body, of one that is still packed as many as it may become."""
        return len(self._body) if self._packed is None else self._packed.size(self._body)

    def decode(self) -> "InferenceRequest":
        """Raises InvalidRequest, TooLarge."""
        if self._packed is not None:
            self._body = self._packed.unpacked(self._body)
        return self._decode()

    def encode(self, response: "InferenceResponse") -> bytes:
        """The answer's body."""
        body = self._encode(response)
        return body if self._packed is None else self._packed.packed(body)

    def _decode(self) -> "InferenceRequest":
        raise NotImplementedError

    def _encode(self, response: "InferenceResponse") -> bytes:
        raise NotImplementedError

    @property
    def apart(self) -> bool:
        """Whether decoding would hold the interpreter for so long that it is left to another process."""
        return self.size > APART_BYTES

    def response(self, body: bytes) -> Response:
        """The answer around an encoded body."""
        return Response(200, body)

    def expect_packed(self, packed: Packed) -> None:
        """The bodies may be compressed; before `submit`."""
        self._packed = packed
        self._body = packed.begun(self._body)

    def expect_binary(self, header_length: bytes, json_limit: int) -> None:
        """Binary tensors follow the JSON, whose length the head states; where `takes_binary`, before `submit`."""
        raise NotImplementedError

    def submit(self, route: "PredictRoute", inference: "Inference", respond: Respond) -> bool:
        """Begin; tells whether the answer is still to come."""
        self._route, self._inference, self._respond = route, inference, respond
        if self.apart and route.reader is not None:
            portable = Portable(type(self), self.state(), inference.intake())
            self._job = route.reader.read(portable, self._body, self._read)
        else:
            self._job = inference.submit(self)
        return self._job is not None

    def state(self) -> dict[str, Any]:
        """What is known of the call beside its body: it travels to the decoding process and back."""
        return {name: getattr(self, name) for name in ("_packed", *self.noted)}

    @staticmethod
    def rebuilt(portable: Portable, body: bytes) -> "HttpCall":
        """The call in the decoding process."""
        call: HttpCall = portable.kind(portable.intake, body)
        call._note(portable.state)
        return call

    def _note(self, state: dict[str, Any]) -> None:
        for name, noted in state.items():
            setattr(self, name, noted)

    def _read(self, outcome: "Decoded | RequestError") -> None:
        self._job = None
        if isinstance(outcome, RequestError):
            self.done(outcome)
            return
        self._note(outcome.state)
        left = self._route.reader.timeout - (perf_counter() - self._begun) if self._route.reader is not None else None
        self._job = self._inference.submit(_Read(self, outcome.request), left)

    def done(self, outcome: "bytes | RequestError") -> None:
        """Answer and count."""
        self._job = None  # the two would keep each other, and the body, alive until the next collection
        response = self.response(outcome) if isinstance(outcome, bytes) else refusal(outcome)
        left = isinstance(outcome, CallerLeft)
        self._route.count(CLIENT_LEFT if left else response.status, perf_counter() - self._begun)
        self._respond(response if self._packed is None else self._packed.told(response))

    def cancel(self) -> bool:
        """The caller has left; tells whether nothing had begun."""
        if self._job is None or not self._job.cancel():
            return False
        self._route.count(CLIENT_LEFT, perf_counter() - self._begun)
        return True


class _Read:
    """A call whose body has been decoded in the other process."""

    __slots__ = ("_call", "_request", "size")

    def __init__(self, call: HttpCall, request: "InferenceRequest") -> None:
        self._call = call
        self._request = request
        self.size = call.size

    def decode(self) -> "InferenceRequest":
        return self._request

    def encode(self, response: "InferenceResponse") -> bytes:
        return self._call.encode(response)

    def done(self, outcome: "bytes | RequestError") -> None:
        self._call.done(outcome)


class PredictRoute:
    """Where the predictions of one model at one door go.

    json_limit: bytes of a JSON body. reader: decodes large bodies; None: they are decoded here.
    binary: the same route for bodies with binary tensors, with their own limit.
    """

    vital = False

    def __init__(
        self,
        entry: Entry,
        call: type[HttpCall],
        counters: Counters,
        json_limit: int,
        reader: Reader | None = None,
        binary_limit: int | None = None,
    ) -> None:
        self.json_limit = json_limit
        self.body_limit = binary_limit or json_limit
        self.binary = self
        self.reader = reader
        self._entry = entry
        self._call = call
        self._counters = counters
        self._key = (call.door, entry.name)
        self._answered = (*self._key, 200)

    @property
    def refusal(self) -> Response | None:
        return None if self._entry.inference is not None else refusal(self._entry.problem)

    def start(self, head: Head, body: bytes, respond: Respond) -> HttpCall | None:
        """Begin to answer a request."""
        self._counters.in_flight += 1
        inference = self._entry.inference
        if inference is not None and _SPECIAL.isdisjoint(head.headers):  # the frequent case
            plain = self._call(inference, body)
            return plain if plain.submit(self, inference, respond) else None
        packing = coding.packing_of(head)
        stated = head.headers.get(HEADER_LENGTH)
        unfit = stated is not None and not self._call.takes_binary
        if inference is None or isinstance(packing, Response) or unfit:
            response = self.refusal or (packing if isinstance(packing, Response) else _binary())
            self.count(response.status, 0.0)
            respond(response)
            return None
        call = self._call(inference, body)
        if packing is not None:
            call.expect_packed(Packed(packing, self.body_limit))
        if stated is not None:
            call.expect_binary(stated, self.json_limit)
        return call if call.submit(self, inference, respond) else None

    def count(self, status: int, seconds: float) -> None:
        """One request has been answered."""
        self._counters.in_flight -= 1
        self._counters.requests[self._answered if status == 200 else (*self._key, status)] += 1
        self._counters.durations[self._key].observe(seconds)


def refusal(problem: RequestError) -> Response:
    """The answer for a request that could not be fulfilled."""
    status = _STATUS.get(type(problem), 500)
    return error(status, str(problem), retry_later() if status == 503 else ())


def _binary() -> Response:
    return error(415, "Binary tensors are of the v2 protocol: send the data as JSON, or to /v2/models.")


_STATUS: dict[type[RequestError], int] = {
    InvalidRequest: 400,
    NotLoaded: 400,
    NotAllowed: 403,
    UnknownModel: 404,
    TooLarge: 413,
    ModelNotReady: 503,
    CallerLeft: 503,
    Overloaded: 503,
    TimedOut: 504,
    PredictFailed: 500,
}
