"""The one thread on which a model does what would take too long for the event loop, and the queue before it."""

import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Generic, Protocol, TypeVar


class Work(Protocol):
    """What can be queued."""

    def run(self) -> None:
        """Called on the thread. Must not raise."""
        ...


W = TypeVar("W", bound=Work)


class ModelThread(Generic[W]):
    """Runs work, one after another, on a thread of its own.

    `gather` and `again` are for the thread, inside of `run`; all else is for the event loop. A daemon thread: a predict
    cannot be stopped from outside, and must not keep the process alive.
    """

    def __init__(self, name: str) -> None:
        self._waiting: deque[W] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._unfinished = 0
        self._closed = False
        self._os_thread = threading.Thread(target=self._run, name=f"model-{name}", daemon=True)
        self._os_thread.start()

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return self._unfinished == 0

    @property
    def depth(self) -> int:
        """How much work waits."""
        return len(self._waiting)

    def post(self, work: W) -> None:
        """Queue `work`."""
        self._unfinished += 1
        self.again(work)

    def finished(self, count: int = 1) -> None:
        """Posted work has come back to the event loop; told there, so that no lock is needed."""
        self._unfinished -= count

    def withdraw(self, work: W) -> bool:
        """Take back what is not running; tells whether it was not."""
        with self._changed:
            try:
                self._waiting.remove(work)
            except ValueError:
                return False
        self._unfinished -= 1
        return True

    def close(self) -> None:
        """End the thread once everything that was posted is done. Nothing may be posted afterwards."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._os_thread.join()

    def again(self, work: W) -> None:
        """Put work that was taken, and is not finished, behind all that waits."""
        with self._changed:
            self._waiting.append(work)
            self._changed.notify()

    def gather(self, wanted: Callable[[W], bool], full: Callable[[], bool], until: float) -> list[W]:
        """Take more work from the queue: all that is `wanted`, in order, waiting for more `until` it is `full`.

        until: a time of `perf_counter`; in the past, nothing is waited for.
        """
        found: list[W] = []
        with self._changed:
            while True:
                kept: deque[W] = deque()
                for work in self._waiting:
                    (found if not full() and wanted(work) else kept).append(work)
                self._waiting = kept
                left = until - perf_counter()
                if full() or left <= 0:
                    return found
                self._changed.wait(left)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                work = self._waiting.popleft()
            work.run()
            del work  # the last request's arrays must not live until the next one comes
