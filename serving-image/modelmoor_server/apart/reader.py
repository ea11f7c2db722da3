"""The server's side: large bodies go to the child one after another, and come back as decoded requests."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from modelmoor_server.errors import Overloaded, RequestError, TimedOut

APART_BYTES = 256 * 1024  # smaller ones take less than about 10 ms: not worth the way
WAITING = 16  # bodies that may wait for the child


@dataclass(frozen=True, slots=True)
class Portable:
    """What the child needs of a call. kind: its class (rest/calls.py). state: its attributes but the body.

    intake: what the class uses as its inference. All of it is pickled.
    """

    kind: Any
    state: dict[str, Any]
    intake: Any


@dataclass(frozen=True, slots=True)
class Decoded:
    """What comes back. state: the attributes that `decode` left on the call."""

    request: Any
    state: dict[str, Any]


@dataclass(eq=False, slots=True)
class Reading:
    """One large body on its way. done: called once on the loop, unless it was cancelled."""

    portable: Portable
    body: bytes
    done: Callable[[Decoded | RequestError], None]
    reader: "Reader"
    timer: asyncio.TimerHandle | None = field(default=None)

    def cancel(self) -> bool:
        """The caller has left; tells whether nothing had begun."""
        return self.reader.withdraw(self)


class Reader:
    """Hands large bodies to the child, one after another. Its methods are for the event loop.

    timeout: seconds that a body may take, its wait included.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self._loop = loop
        self.timeout = timeout
        self._waiting: deque[Reading] = deque()
        self._signal = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._child: _Child | None = None

    def read(self, portable: Portable, body: bytes, done: Callable[[Decoded | RequestError], None]) -> Reading | None:
        """Decode a body; `done` gets the outcome. None where it has been called already."""
        if len(self._waiting) >= WAITING:
            done(Overloaded(f"{WAITING} large requests wait to be read already: come back in a moment."))
            return None
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
            self._thread.start()
        reading = Reading(portable, body, done, self)
        reading.timer = self._loop.call_later(self.timeout, self._time_out, reading)
        self._waiting.append(reading)
        self._signal.release()
        return reading

    def withdraw(self, reading: Reading) -> bool:
        """Take back what has not begun; tells whether it had not."""
        try:
            self._waiting.remove(reading)
        except ValueError:
            return False
        self._settle(reading)
        return True

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.close()

    def _run(self) -> None:
        while True:
            self._signal.acquire()
            try:
                reading = self._waiting.popleft()
            except IndexError:  # withdrawn in the meantime
                continue
            outcome = self._exchange(reading)
            with contextlib.suppress(RuntimeError):  # the loop may have ended in the meantime
                self._loop.call_soon_threadsafe(self._finish, reading, outcome)
            del reading, outcome

    def _exchange(self, reading: Reading) -> Decoded | RequestError:
        from modelmoor_server.apart import frames  # numpy comes with it

        if self._child is None:
            self._child = _Child()
        try:
            frames.send(self._child.socket, reading.portable, reading.body)
            return frames.receive(self._child.socket)
        except Exception:  # noqa: BLE001 - whatever happened to the child, the next body gets a new one
            self._child.close()
            self._child = None
            return Overloaded("The process that reads large requests has ended: send fewer rows a request, or retry.")

    def _time_out(self, reading: Reading) -> None:
        done = reading.done
        if not self.withdraw(reading) and self._child is not None:
            self._child.kill()  # what it works on is of use to nobody, and others wait
            reading.done = _nobody
        done(TimedOut(f"The request was not read within {self.timeout:g} s."))

    def _finish(self, reading: Reading, outcome: Decoded | RequestError) -> None:
        done = reading.done
        self._settle(reading)
        done(outcome)

    def _settle(self, reading: Reading) -> None:
        reading.done = _nobody
        if reading.timer is not None:
            reading.timer.cancel()


class _Child:
    """The process. It sees the end of its parent as the end of the socket."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "modelmoor_server.apart.child", str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """From the loop: the thread that waits for an answer sees the end of the socket."""
        self._process.kill()

    def close(self) -> None:
        self.socket.close()
        self._process.kill()
        self._process.wait()


def _nobody(outcome: Decoded | RequestError) -> None:
    """Nobody waits any more."""
