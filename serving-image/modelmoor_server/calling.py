"""Jobs become calls of a model: alone, several in one call, or one in slices. On the loop or on the model's thread."""

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np

from modelmoor_server import batching
from modelmoor_server.errors import InvalidRequest, PredictFailed, RequestError, ServerError, bare, cause_name
from modelmoor_server.exchange import InferenceRequest, InferenceResponse, OutputTensor, output_tensor, rows_of
from modelmoor_server.job import Job
from modelmoor_server.runtimes.base import Model, NotYet

log = logging.getLogger("modelmoor_server.inference")


@dataclass(slots=True)
class Done:
    """What came of some jobs. The event loop counts it, and brings the outcomes to the callers.

    jobs: those that are finished. waiting: those that can go on once something was prepared. predicts: seconds and
    rows of each call of the model. works: seconds and rows of each call with all encoding. batch_failures: calls that
    were made again request by request.
    """

    jobs: list[Job] = field(default_factory=list)
    waiting: list[tuple[Job, NotYet]] = field(default_factory=list)
    predicts: list[tuple[float, int]] = field(default_factory=list)
    works: list[tuple[float, int]] = field(default_factory=list)
    batch_failures: int = 0


class Caller:
    """Calls one model. No method raises: whatever a model or a codec raises becomes a job's outcome."""

    def __init__(self, name: str, model: Model, *, batches: bool) -> None:
        self._name = name
        self._model = model
        self.batches = batches

    def decode(self, job: Job) -> None:
        """A job's request from its bytes, where that is not done yet."""
        if job.request is not None or not job.open:
            return
        try:
            job.request = request = job.call.decode()
            job.rows = rows_of(request.inputs)
            job.key = batching.key_of(request) if self.batches else None
        except BaseException as error:  # noqa: BLE001 - the edge where any failure becomes an answer
            job.outcome = self._failure(error)

    def answer(self, jobs: Sequence[Job], done: Done) -> None:
        """Answer decoded jobs: one alone, or several of one key in one call."""
        waiting = [job for job in jobs if job.open]
        done.jobs += [job for job in jobs if not job.open]
        if len(waiting) > 1 and self.batches and self._together(waiting, done):
            return
        for job in waiting:
            self._alone(job, done)

    def slice(self, job: Job, rows: int, done: Done) -> bool:
        """Answer the next `rows` rows of a decoded job; tells whether it is finished."""
        request, begin = _request(job), job.at
        part = {name: array[begin : begin + rows] for name, array in request.inputs.items()}
        job.at = min(begin + rows, job.rows)
        try:
            answers = self._predict(part, request.outputs, job.at - begin, done)
            done.works.append(done.predicts[-1])
            batching.check_rows(answers, request.outputs, job.at - begin)
            job.parts.append(answers)
            if job.at < job.rows:
                return False
            answers, job.parts = batching.join_answers(job.parts, request.outputs), []
            job.outcome = self._encoded(job, answers)
        except batching.RowsDiffer:
            self._distrust()
            self._alone(job, done)
            return True
        except NotYet as reason:
            job.at = begin
            done.waiting.append((job, reason))
            return True
        except InvalidRequest as error:
            job.outcome = error.moved(begin)
        except BaseException as error:  # noqa: BLE001 - a model may raise anything
            job.outcome = self._failure(error)
        done.jobs.append(job)
        return True

    def _alone(self, job: Job, done: Done) -> None:
        try:
            request = _request(job)
            begun = perf_counter()
            job.outcome = self._encoded(job, self._predict(request.inputs, request.outputs, job.rows, done))
            done.works.append((perf_counter() - begun, job.rows))
        except NotYet as reason:
            done.waiting.append((job, reason))
            return
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, and no thread may die of it
            job.outcome = self._failure(error)
        done.jobs.append(job)

    def _together(self, jobs: Sequence[Job], done: Done) -> bool:
        """One call for several jobs; tells whether it was a success. If not, no job has an outcome."""
        requests = [_request(job) for job in jobs]
        names, counts = requests[0].outputs, [job.rows for job in jobs]
        begun = perf_counter()
        try:
            answers = self._predict(batching.join(requests), names, sum(counts), done)
            batching.check_rows(answers, names, sum(counts))
            parts = batching.split(_tensors(answers, names), counts)
        except batching.RowsDiffer:
            self._distrust()
        except BaseException:  # noqa: BLE001 - one request's values fail a call for all: each is then asked for itself
            log.debug("BatchFailed", extra={"fields": {"model": self._name, "requests": len(jobs)}})
        else:
            for job, part in zip(jobs, parts, strict=True):
                try:
                    job.outcome = job.call.encode(InferenceResponse(part, _request(job).id))
                except BaseException as error:  # noqa: BLE001 - a codec's failure is one job's
                    job.outcome = self._failure(error)
            done.works.append((perf_counter() - begun, sum(counts)))
            done.jobs += jobs
            return True
        done.batch_failures += 1
        return False

    def _predict(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str], rows: int, done: Done
    ) -> dict[str, np.ndarray]:
        begun = perf_counter()
        answers = self._model.predict(inputs, names)
        done.predicts.append((perf_counter() - begun, rows))
        return answers

    def _encoded(self, job: Job, answers: Mapping[str, np.ndarray]) -> bytes:
        request = _request(job)
        return job.call.encode(InferenceResponse(_tensors(answers, request.outputs), request.id))

    def _distrust(self) -> None:
        self.batches = False
        log.error("RowsDiffer", extra={"fields": {"model": self._name, "consequence": "batching is off"}})

    def _failure(self, error: BaseException) -> RequestError:
        if isinstance(error, RequestError) and not isinstance(error, PredictFailed):
            return bare(error)
        log.error("PredictFailed", extra={"fields": {"model": self._name, **traced(error)}})
        if isinstance(error, PredictFailed):
            return bare(error)
        return PredictFailed(f"The model's code raised {cause_name(error)}: the server's log tells where.")


def _tensors(answers: Mapping[str, np.ndarray], names: Sequence[str]) -> tuple[OutputTensor, ...]:
    return tuple([output_tensor(name, answers[name]) for name in names])


def traced(error: BaseException) -> dict[str, str]:
    """What the log says of an unexpected exception: its type and where it was raised, never its text."""
    while isinstance(error, ServerError) and (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else "unknown"
    return {"exception": cause_name(error), "at": place}


def _request(job: Job) -> InferenceRequest:
    if job.request is None:
        raise AssertionError("a job is decoded before it is answered")
    return job.request
