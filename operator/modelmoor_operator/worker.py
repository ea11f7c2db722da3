"""Workers take keys from the queue and run passes over them, while this replica leads."""

import asyncio
import logging
import time
import uuid
from typing import Protocol

from modelmoor_operator import logs
from modelmoor_operator.errors import Fenced, Refused, Unreachable
from modelmoor_operator.metrics import (
    ACTIVE_WORKERS,
    CONTROLLER,
    LONGEST_SECONDS,
    MAX_CONCURRENT,
    QUEUE_DEPTH,
    QUEUE_RETRIES,
    QUEUE_SECONDS,
    RECONCILE_ERRORS,
    RECONCILE_SECONDS,
    RECONCILE_TOTAL,
    UNFINISHED_SECONDS,
    WORK_SECONDS,
)
from modelmoor_operator.queue import Key, WorkQueue

PASS_SECONDS = 60.0
DRAIN_SECONDS = 2.0

log = logging.getLogger(__name__)


class Reconciles(Protocol):
    """One pass over a key; see `reconcile.Reconciler`."""

    async def reconcile(self, key: Key) -> float | None: ...


class Workers:
    """`count` workers on one queue. A pass that fails comes back with back-off and disturbs no other key."""

    def __init__(self, queue: WorkQueue, reconciler: Reconciles, *, count: int) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._count = count
        self._begun: dict[Key, float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        QUEUE_DEPTH.labels(name=CONTROLLER).set_function(lambda: len(queue))
        MAX_CONCURRENT.labels(controller=CONTROLLER).set(count)
        UNFINISHED_SECONDS.labels(name=CONTROLLER).set_function(lambda: sum(self._under_way()))
        LONGEST_SECONDS.labels(name=CONTROLLER).set_function(lambda: max(self._under_way(), default=0.0))

    def start(self) -> None:
        """Begin to take keys."""
        self._tasks = [asyncio.create_task(self._work(), name=f"worker-{number}") for number in range(self._count)]

    async def stop(self) -> None:
        """Take no more keys, and give the passes that run a moment to end."""
        deadline = time.monotonic() + DRAIN_SECONDS
        self._count = 0
        while self._begun and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while self._count:
            key, waited = await self._queue.get()
            QUEUE_SECONDS.labels(name=CONTROLLER).observe(waited)
            self._begun[key] = time.monotonic()
            try:
                with RECONCILE_SECONDS.labels(controller=CONTROLLER).time():
                    with ACTIVE_WORKERS.labels(controller=CONTROLLER).track_inprogress():
                        with logs.carrying({"key": f"{key[0]}/{key[1]}", "pass": uuid.uuid4().hex[:8]}):
                            await self._pass(key)
            finally:
                WORK_SECONDS.labels(name=CONTROLLER).observe(time.monotonic() - self._begun.pop(key))
                self._queue.done(key)

    def _under_way(self) -> list[float]:
        """Seconds that each pass has run so far."""
        now = time.monotonic()
        return [now - begun for begun in list(self._begun.values())]  # printed in another thread

    async def _pass(self, key: Key) -> None:
        try:
            async with asyncio.timeout(PASS_SECONDS):
                again = await self._reconciler.reconcile(key)
        except Fenced:
            log.warning("not the leader any more; nothing was written")
            return
        except (Refused, Unreachable, TimeoutError) as error:
            delay = self._queue.retry(key, at_least=getattr(error, "retry_after", None) or 0.0)
            log.warning("a pass will be tried again", extra={"error": str(error), "seconds": round(delay, 1)})
            QUEUE_RETRIES.labels(name=CONTROLLER).inc()
            RECONCILE_TOTAL.labels(controller=CONTROLLER, result="requeue").inc()
            return
        except Exception:  # a mistake of ours must not end the worker: it is logged whole, counted and tried again
            delay = self._queue.retry(key)
            log.exception("a pass failed", extra={"seconds": round(delay, 1)})
            RECONCILE_ERRORS.labels(controller=CONTROLLER).inc()
            RECONCILE_TOTAL.labels(controller=CONTROLLER, result="error").inc()
            return
        self._queue.succeeded(key)
        if again is not None:
            self._queue.add_after(key, again)
        RECONCILE_TOTAL.labels(controller=CONTROLLER, result="success" if again is None else "requeue_after").inc()
