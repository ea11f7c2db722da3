"""The one thread on which a model does what would take too long for the event loop."""

import threading
from collections import deque
from collections.abc import Callable


class Worker:
    """Runs callables one after another on a thread of its own. `post` and `depth` are for the event loop.

    A daemon thread: a predict cannot be stopped from outside, and must not keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._signal = threading.Semaphore(0)
        self._unfinished = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"model-{name}", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return self._unfinished == 0

    @property
    def depth(self) -> int:
        """How many callables wait."""
        return len(self._waiting)

    def post(self, work: Callable[[], None]) -> None:
        """Queue `work`. It must not raise."""
        self._unfinished += 1
        self._waiting.append(work)
        self._signal.release()

    def finished(self) -> None:
        """One posted callable has come back to the event loop; told there, so that no lock is needed."""
        self._unfinished -= 1

    def withdraw(self, work: Callable[[], None]) -> bool:
        """Take back what has not begun; tells whether it had not."""
        try:
            self._waiting.remove(work)
        except ValueError:
            return False
        self._unfinished -= 1
        return True

    def close(self) -> None:
        """End the thread once everything that was posted is done. Nothing may be posted afterwards."""
        self._closed = True
        self._signal.release()

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._signal.acquire()
            try:
                work = self._waiting.popleft()
            except IndexError:
                if self._closed:
                    return
                continue  # withdrawn in the meantime
            work()
            del work  # the last request's arrays must not live until the next one comes
