"""Request -> response around one model: types, timing, and the choice between event loop and model thread.

It knows no protocol: a door hands in a `Call`, which can decode its bytes, encode an answer and take it.

A request's way: `submit` -> at once where it is cheap and nobody waits, at the end of this turn of the loop where it
may share a call with others of the same turn, else `_enqueue` (admission is asked) -> `run` on the model's thread
(admission is told how long it waited) -> `_finish` on the loop.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from threading import Thread
from time import perf_counter

import numpy as np

from modelmoor_server.admission import Admission, QueueLimit
from modelmoor_server.batching import allows, most_rows, slice_rows
from modelmoor_server.calling import Caller, Done, traced
from modelmoor_server.cost import CHEAP, INLINE_BUDGET, Cost
from modelmoor_server.errors import CallerLeft, TimedOut
from modelmoor_server.exchange import (
    Call,
    InferenceRequest,
    InferenceResponse,
    OutputTensor,
    output_tensor,
    rows_of,
)
from modelmoor_server.intake import Identity, Intake
from modelmoor_server.job import Job
from modelmoor_server.metrics import Abandoned, ModelCounters
from modelmoor_server.model_thread import ModelThread
from modelmoor_server.runtimes.base import Model, NotYet
from modelmoor_server.settings import Batching

__all__ = [
    "INLINE_BYTES", "Call", "Identity", "Inference", "InferenceRequest", "InferenceResponse", "Job", "OutputTensor",
    "output_tensor", "rows_of", "traced",
]  # fmt: skip

log = logging.getLogger("modelmoor_server.inference")
INLINE_BYTES = 64 * 1024  # a larger body is parsed on the model's thread: JSON costs about 10 ns a byte


class Inference(Intake):
    """One model in service. `submit` is called on the event loop alone.

    timeout: seconds a request may take. queue_limit: requests that may wait for the model's thread, where no other
    `admission` decides.
    """

    def __init__(
        self,
        identity: Identity,
        model: Model,
        cost: Cost,
        thread: ModelThread[Job],
        counters: ModelCounters,
        *,
        timeout: float,
        queue_limit: int,
        loop: asyncio.AbstractEventLoop,
        batching: Batching = Batching(),
        admission: Admission | None = None,
    ) -> None:
        super().__init__(identity, model.signature, model.default_outputs, model.alternatives)
        self.batching = batching
        self._example = model.example
        self._caller = Caller(identity.name, model, batches=allows(batching, model))
        self._cost = cost
        self._model_thread = thread
        self._counters = counters
        self._timeout = timeout
        self._admission = admission or QueueLimit(queue_limit)
        self._loop = loop
        self._turn_left = INLINE_BUDGET  # seconds that single calls may still take in this turn of the loop
        self._turn: list[Job] = []  # of this turn of the loop, and not answered yet
        self._queued = counters.queued = lambda: thread.depth
        self._retired = False
        self._parked: list[Job] = []  # until the model has prepared itself

    @property
    def busy(self) -> bool:
        """Whether the model's thread has work."""
        return not self._model_thread.idle

    @property
    def batches(self) -> bool:
        """Whether rows of several requests may share a call."""
        return self._caller.batches

    def example(self) -> dict[str, np.ndarray]:
        """A synthetic input of one row. Raises InvalidRequest where none can be made."""
        return self._example()

    def retire(self) -> None:
        """Out of service: what was submitted is still answered, and then the model's thread ends."""
        self._retired = True
        self._model_thread.close()
        if self._counters.queued is self._queued:
            self._counters.queued = lambda: 0

    def wait(self) -> None:
        """Block until the last answer that a retired model had in its queue has been made."""
        self._model_thread.join()

    def intake(self) -> Intake:
        """What a process without the model needs to decode a call."""
        return Intake(self.identity, self.signature, self.default_outputs, self.alternatives)

    # The way of a request, on the loop.

    def submit(self, call: Call, timeout: float | None = None) -> Job | None:
        """Answer `call` through its `done`, at once or later. Returns what can be cancelled while it is unanswered.

        timeout: seconds that the caller will wait, where that is less than the server's own timeout.
        """
        if not self._model_thread.idle and (refusal := self._admission.admit(self._model_thread.depth)) is not None:
            call.done(refusal)  # before a byte of it is parsed
            return None
        job = Job(self, call, self._timeout if timeout is None else min(timeout, self._timeout))
        if call.size <= INLINE_BYTES:
            self._caller.decode(job)
            if job.outcome is not None:
                call.done(job.outcome)
                return None
            if self._model_thread.idle and self._cost.expected(job.rows) <= INLINE_BUDGET:
                return self._at_once(job)
        self._enqueue(job)
        return job

    def cancel(self, job: Job) -> bool:
        """The caller has left: drop the job where it is not running, and tell whether it was not."""
        if job in self._turn:
            self._turn.remove(job)
        elif job.timer is not None and self._model_thread.withdraw(job):
            job.timer.cancel()
            job.timer = None
        else:
            job.left = True  # what runs cannot be stopped, but it gets no further slice
            return False
        self._counters.abandoned[Abandoned.DISCONNECTED] += 1
        return True

    def _at_once(self, job: Job) -> Job | None:
        if job.key is None:
            if not self._fits_into_turn(job):
                self._enqueue(job)
                return job
            done = Done()
            self._caller.answer([job], done)
            self._deliver(done)
            return job if done.waiting else None
        if self.batching.max_delay > 0:
            self._enqueue(job)
            return job
        self._turn.append(job)
        if len(self._turn) == 1:
            self._loop.call_soon(self._end_turn)
        return job

    def _fits_into_turn(self, job: Job) -> bool:
        """Whether this turn of the loop has time for one more call. Cheap ones always fit: the way to the thread and
        a refusal would cost as much as the answer, so what slows their callers is that we read no faster."""
        expected = self._cost.expected(job.rows)
        if expected < CHEAP:
            return True
        if self._turn_left < expected < INLINE_BUDGET:
            return False
        if self._turn_left == INLINE_BUDGET:
            self._loop.call_soon(self._new_turn)
        self._turn_left -= expected
        return True

    def _new_turn(self) -> None:
        self._turn_left = INLINE_BUDGET

    def _end_turn(self) -> None:
        """Answer what came in one turn of the loop, in shared calls; what would take long goes to the thread."""
        jobs, self._turn = self._turn, []
        budget = INLINE_BUDGET
        while jobs and self._model_thread.idle:
            group, jobs = self._group(jobs)
            expected = self._cost.expected(sum(job.rows for job in group))
            if expected > budget and budget < INLINE_BUDGET:
                jobs = group + jobs
                break
            budget -= expected
            done = Done()
            self._caller.answer(group, done)
            self._deliver(done)
        for job in jobs:
            if (refusal := self._admission.admit(self._model_thread.depth)) is None:
                self._enqueue(job)
            else:
                job.call.done(refusal)

    def _group(self, jobs: list[Job]) -> tuple[list[Job], list[Job]]:
        """The first job with those that may share its call within the loop's budget, and the rest."""
        group, rest = [jobs[0]], []
        rows, most = jobs[0].rows, most_rows(self.batching, self._cost)
        for job in jobs[1:]:
            fits = job.key == group[0].key and rows + job.rows <= most
            if fits and self._cost.expected(rows + job.rows) <= INLINE_BUDGET:
                group.append(job)
                rows += job.rows
            else:
                rest.append(job)
        return group, rest

    def _enqueue(self, job: Job) -> None:
        """Give a job that was admitted to the model's thread."""
        if job.timer is None:
            job.timer = self._loop.call_later(max(job.deadline - perf_counter(), 0.0), self._time_out, job)
        if self._retired:  # of this very turn, or read apart meanwhile: a thread of its own answers what was accepted
            self._model_thread = ModelThread(self.identity.name)
        self._model_thread.post(job)
        if self._retired:
            self._model_thread.close()

    def _finish(self, done: Done) -> None:
        self._model_thread.finished(len(done.jobs) + len(done.waiting))
        for job in done.jobs:
            self._counters.queue.observe(job.taken or 0.0)
        self._deliver(done)

    def _deliver(self, done: Done) -> None:
        counters = self._counters
        for seconds, rows in done.predicts:
            counters.predict.observe(seconds)
            counters.batch.observe(rows)
        for seconds, rows in done.works:
            self._cost.observe(rows, seconds)
        counters.batch_failures += done.batch_failures
        for job in done.jobs:
            if job.timer is not None:
                job.timer.cancel()
                job.timer = None
            if job.abandoned or job.outcome is None:
                continue
            if isinstance(job.outcome, bytes):
                counters.rows += job.rows
            elif isinstance(job.outcome, (CallerLeft, TimedOut)):
                left = isinstance(job.outcome, CallerLeft)
                counters.abandoned[Abandoned.DISCONNECTED if left else Abandoned.TIMEOUT] += 1
            try:
                job.call.done(job.outcome)
            except Exception as error:  # noqa: BLE001 - an answer that cannot be written must not cost the next one
                log.error("AnswerLost", extra={"fields": {"model": self.identity.name, **traced(error)}})
        for job, reason in done.waiting:
            self._park(job, reason)

    def _park(self, job: Job, reason: NotYet) -> None:
        """Ask again once the model has prepared itself, on another thread: others are answered meanwhile."""
        if job.abandoned:
            return
        job.taken = job.taken or 0.0  # it had its turn: the time from here on is not the queue's
        if job.timer is None:
            job.timer = self._loop.call_later(max(job.deadline - perf_counter(), 0.0), self._time_out, job)
        self._parked.append(job)
        if len(self._parked) == 1:
            # a daemon, as those that load: what hangs must not keep the process from ending
            name = f"prepare-{self.identity.name}"
            Thread(target=self._prepare, args=(reason.prepare,), name=name, daemon=True).start()

    def _prepare(self, prepare: Callable[[], None]) -> None:
        prepare()
        with contextlib.suppress(RuntimeError):  # the loop may have ended in the meantime
            self._loop.call_soon_threadsafe(self._resume)

    def _resume(self) -> None:
        jobs, self._parked = self._parked, []
        for job in jobs:
            if not job.abandoned:
                self._enqueue(job)

    def _time_out(self, job: Job) -> None:
        job.abandoned = True
        job.timer = None
        self._model_thread.withdraw(job)
        self._counters.abandoned[Abandoned.TIMEOUT] += 1
        job.call.done(timed_out(job))

    # On the model's thread.

    def run(self, job: Job) -> None:
        """Answer a job that left the queue, with those behind it that may share its call; or its next slice."""
        done = Done()
        self._take(job)
        self._caller.decode(job)
        most = most_rows(self.batching, self._cost) if job.key is not None and self._caller.batches else None
        if not job.open or most is None:
            self._caller.answer([job], done)
        elif job.at == 0 and job.rows <= most:
            self._caller.answer([job, *self._company(job, most)], done)
        elif not self._caller.slice(job, slice_rows(self.batching, self._cost, job.at, job.rows - job.at), done):
            if job.left:
                job.outcome = CallerLeft("The connection was closed before the answer was complete.")
            if job.open:
                self._model_thread.again(job)  # behind those who came in the meantime
            else:
                done.jobs.append(job)
        with contextlib.suppress(RuntimeError):  # the loop may have ended in the meantime
            self._loop.call_soon_threadsafe(self._finish, done)

    def _take(self, job: Job) -> None:
        now = perf_counter()
        if job.taken is None:
            job.taken = now - job.created
            job.outcome = self._admission.taken(job.taken)
        if now >= job.deadline:
            job.outcome = timed_out(job)

    def _company(self, first: Job, most: int) -> list[Job]:
        """More jobs from the queue for the call of `first`, at most `most` rows together."""
        rows = first.rows

        def wanted(job: Job) -> bool:
            nonlocal rows
            if job.key != first.key or job.at > 0 or rows + job.rows > most:
                return False
            rows += job.rows
            return True

        found = self._model_thread.gather(wanted, lambda: rows >= most, first.created + self.batching.max_delay)
        for job in found:
            self._take(job)
        return found


def timed_out(job: Job) -> TimedOut:
    """What the caller is told whose time ran out."""
    return TimedOut(f"The model did not answer within {job.timeout:g} s.")
