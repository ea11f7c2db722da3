"""Request -> response around one model: types, timing, and the choice between event loop and model thread.

It knows no protocol: a door hands in a `Call`, which can decode its bytes, encode an answer and take it.
"""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import numpy as np

from modelmoor_server.cost import INLINE_BUDGET, Cost
from modelmoor_server.errors import InvalidRequest, PredictFailed, RequestError, ServerError, cause_name
from modelmoor_server.metrics import Abandoned, ModelCounters
from modelmoor_server.runtimes.base import Model
from modelmoor_server.signature import Datatype, Signature, from_columns, from_instances, from_tensors
from modelmoor_server.worker import Worker

log = logging.getLogger("modelmoor_server.inference")
INLINE_BYTES = 64 * 1024  # a larger body is parsed on the model's thread: JSON costs about 10 ns a byte


class Overloaded(RequestError):
    """The model's queue is full; the caller may come back in a moment (503)."""


class TimedOut(RequestError):
    """The answer was not there within the request timeout (504)."""


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A request that fits the signature. inputs: arrays by public name. outputs: public names, in the asked order."""

    inputs: Mapping[str, np.ndarray]
    outputs: tuple[str, ...]
    id: str | None = None


class OutputTensor(NamedTuple):
    """One output: a C-contiguous array in native byte order, or an object array of `str` for BYTES."""

    name: str
    datatype: str
    array: np.ndarray


@dataclass(frozen=True, slots=True)
class InferenceResponse:
    """What the model answered, output by output in the asked order."""

    outputs: tuple[OutputTensor, ...]
    id: str | None = None


class Call(Protocol):
    """One request, as a door hands it in. `decode` and `encode` may run on the model's thread, `done` on the loop."""

    @property
    def size(self) -> int:
        """Bytes of the request's body."""
        ...

    def decode(self) -> InferenceRequest:
        """Raises InvalidRequest."""
        ...

    def encode(self, response: InferenceResponse) -> bytes: ...

    def done(self, outcome: "bytes | RequestError") -> None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """What a model is called and what it is. version: the first digits of its digest, which pin the artifact."""

    name: str
    digest: str
    format: str
    framework: str
    warm_up: str | None  # why there was no warm-up predict; None where there was one

    @property
    def version(self) -> str:
        return self.digest.removeprefix("sha256:")[:12]


class Inference:
    """One model in service. `submit` is called on the event loop alone.

    timeout: seconds a request may take. queue_limit: requests that may wait for the model's thread.
    """

    def __init__(
        self,
        identity: Identity,
        model: Model,
        cost: Cost,
        worker: Worker,
        counters: ModelCounters,
        *,
        timeout: float,
        queue_limit: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.identity = identity
        self.signature: Signature = model.signature
        self._model = model
        self._outputs = frozenset(field.name for field in model.signature.outputs)
        self._cost = cost
        self._worker = worker
        self._counters = counters
        self._timeout = timeout
        self._queue_limit = queue_limit
        self._loop = loop
        self._queued = counters.queued = lambda: worker.depth

    @property
    def busy(self) -> bool:
        """Whether the model's thread has work."""
        return not self._worker.idle

    def retire(self) -> None:
        """Out of service: what was submitted is still answered, and then the model's thread ends."""
        self._loop.call_soon(self._worker.close)  # behind what this turn of the loop still brings
        if self._counters.queued is self._queued:
            self._counters.queued = lambda: 0

    def wait(self) -> None:
        """Block until the last answer of a retired model has been made."""
        self._worker.join()

    # What doors need to make a request that fits the signature.

    def from_tensors(
        self, tensors: Iterable[tuple[str, str, Sequence[int], Any]], *, frame: bool = False
    ) -> dict[str, np.ndarray]:
        """The tensors of a v2 request, each (name, datatype, shape, data), as arrays. Raises InvalidRequest.

        data: JSON lists, an array, or a memoryview of the tensor's bytes. frame: they are the columns of one table.
        """
        return from_tensors(self.signature, tensors, frame=frame)

    def from_instances(self, instances: Any) -> dict[str, np.ndarray]:
        """The rows of a v1 request as arrays. Raises InvalidRequest."""
        return from_instances(self.signature, instances)

    def from_columns(self, columns: Any) -> dict[str, np.ndarray]:
        """The column form of a v1 request as arrays. Raises InvalidRequest."""
        return from_columns(self.signature, columns)

    def request(
        self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = (), id: str | None = None
    ) -> InferenceRequest:
        """A request for `outputs`, or for the default ones where it names none. Raises InvalidRequest."""
        for position, name in enumerate(outputs):
            if name not in self._outputs:
                known = ", ".join(field.name for field in self.signature.outputs)
                raise InvalidRequest(f"outputs[{position}]: the model has no such output; it has {known}")
        return InferenceRequest(inputs, tuple(dict.fromkeys(outputs)) or self._model.default_outputs, id)

    # The way of a request.

    def submit(self, call: Call) -> "Job | None":
        """Answer `call` through its `done`, at once or later. Returns what can be cancelled while it is unanswered."""
        job = Job(self, call)
        if self._worker.idle and call.size <= INLINE_BYTES:
            try:
                job.request = call.decode()
                rows = rows_of(job.request.inputs)
            except Exception as error:  # noqa: BLE001 - the edge where any failure becomes an answer
                call.done(self._failure(error))
                return None
            if self._cost.expected(rows) <= INLINE_BUDGET:
                outcome = self._answer(job)
                self._count(job)
                call.done(outcome)
                return None
        if self._worker.depth >= self._queue_limit:
            call.done(Overloaded(f"{self._queue_limit} requests wait for this model already: come back in a moment."))
            return None
        job.timer = self._loop.call_later(self._timeout, self._time_out, job)
        self._worker.post(job.run)
        return job

    def run(self, job: "Job") -> None:
        """Answer a job on the model's thread, and bring the outcome to the loop."""
        job.queue_seconds = perf_counter() - job.created
        outcome = None if job.abandoned else self._answer(job)
        with contextlib.suppress(RuntimeError):  # the loop may have ended in the meantime
            self._loop.call_soon_threadsafe(self._finish, job, outcome)

    def cancel(self, job: "Job") -> bool:
        """The caller has left: drop the job where it has not begun, and tell whether it had not."""
        if job.timer is None or not self._worker.withdraw(job.run):
            return False  # what runs cannot be stopped
        job.timer.cancel()
        self._counters.abandoned[Abandoned.DISCONNECTED] += 1
        return True

    def _answer(self, job: "Job") -> bytes | RequestError:
        """Decode where that is not done yet, predict, encode. On the loop or on the model's thread; never raises."""
        try:
            request = job.request or job.call.decode()
            job.rows = rows_of(request.inputs)
            begun = perf_counter()
            arrays = self._model.predict(request.inputs, request.outputs)
            job.predict_seconds = perf_counter() - begun
            outputs = tuple(output_tensor(name, arrays[name]) for name in request.outputs)
            body = job.call.encode(InferenceResponse(outputs, request.id))
            job.work_seconds = perf_counter() - begun
            return body
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, and no thread may die of it
            return self._failure(error)

    def _failure(self, error: BaseException) -> RequestError:
        if isinstance(error, RequestError) and not isinstance(error, PredictFailed):
            return error
        log.error("PredictFailed", extra={"fields": {"model": self.identity.name, **traced(error)}})
        if isinstance(error, PredictFailed):
            return error
        return PredictFailed(f"The model's code raised {cause_name(error)}: the server's log tells where.")

    def _finish(self, job: "Job", outcome: bytes | RequestError | None) -> None:
        self._worker.finished()
        self._counters.queue.observe(job.queue_seconds)
        self._count(job)
        if not job.abandoned and job.timer is not None and outcome is not None:
            job.timer.cancel()
            job.timer = None
            job.call.done(outcome)

    def _time_out(self, job: "Job") -> None:
        job.abandoned = True
        self._worker.withdraw(job.run)
        self._counters.abandoned[Abandoned.TIMEOUT] += 1
        job.call.done(TimedOut(f"The model did not answer within {self._timeout:g} s."))

    def _count(self, job: "Job") -> None:
        if job.predict_seconds is not None:
            self._counters.predict.observe(job.predict_seconds)
            self._counters.rows += job.rows
        if job.work_seconds is not None:
            self._cost.observe(job.rows, job.work_seconds)


class Job:
    """One request on its way through a model."""

    __slots__ = (
        "abandoned", "call", "created", "inference", "predict_seconds", "queue_seconds", "request", "rows", "timer",
        "work_seconds",
    )  # fmt: skip

    def __init__(self, inference: Inference, call: Call) -> None:
        self.inference = inference
        self.call = call
        self.created = perf_counter()
        self.request: InferenceRequest | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.rows = 0
        self.queue_seconds = 0.0
        self.predict_seconds: float | None = None
        self.work_seconds: float | None = None
        self.abandoned = False

    def run(self) -> None:
        """Called on the model's thread."""
        self.inference.run(self)

    def cancel(self) -> bool:
        """The caller has left; tells whether the job had not begun."""
        return self.inference.cancel(self)


def rows_of(inputs: Mapping[str, np.ndarray]) -> int:
    """Rows of a request: dimension 0 of its inputs."""
    return max((len(array) for array in inputs.values() if array.ndim), default=1)


def output_tensor(name: str, array: np.ndarray) -> OutputTensor:
    """An output as the doors write it. Raises TypeError for a dtype that the protocol does not know."""
    datatype = Datatype.of(array)
    if array.dtype.kind in "US":
        array = array.astype(object)
    elif not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return OutputTensor(name, datatype, array if array.flags.c_contiguous else np.ascontiguousarray(array))


def traced(error: BaseException) -> dict[str, str]:
    """What the log says of an unexpected exception: its type and where it was raised, never its text."""
    while isinstance(error, ServerError) and (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else "unknown"
    return {"exception": cause_name(error), "at": place}
