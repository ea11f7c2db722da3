"""A server's whole process tree: processor time, memory, and stopping it in its tracks between its cells."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 30.0  # seconds for a polite end


def tree(root: int) -> list[int]:
    """The process and all that descend from it or are in its session, the root first."""
    children: dict[int, list[int]] = {}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            if int(fields[3]) == root:
                found.append(int(entry.name))
    known = dict.fromkeys([root, *found])
    waiting = list(known)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in known:
                known[child] = None
                waiting.append(child)
    return [process for process in known if _stat(process)]


def cpu_seconds(root: int) -> float:
    """Processor time of the tree so far, that of children that ended and were waited for included."""
    return sum(sum(map(int, fields[11:15])) for process in tree(root) if (fields := _stat(process))) / _TICKS


def memory(root: int) -> float:
    """Proportional set size of the tree, in MB of 10^6 bytes."""
    total = 0
    for process in tree(root):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


def pause(root: int) -> None:
    """Stop the tree in its tracks, so that it takes nothing from the core."""
    send(tree(root), signal.SIGSTOP)


@contextlib.contextmanager
def awake(root: int) -> Iterator[None]:
    """Let a paused tree run inside the `with` block only."""
    send(tree(root), signal.SIGCONT)
    try:
        yield
    finally:
        pause(root)


def end(root: int) -> None:
    """Tell the root to end, and end whatever of the tree is left a while later."""
    known = tree(root)
    send(known, signal.SIGCONT)
    send([root], signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    while _alive(known) and time.monotonic() < deadline:
        time.sleep(0.1)
    send(_alive(known), signal.SIGKILL)


def send(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


@dataclass(frozen=True)
class Machine:
    """Processor time of the whole machine, in seconds, since it started; and the wall clock."""

    busy: float
    at: float

    @classmethod
    def now(cls) -> "Machine":
        return cls(busy(Path("/proc/stat").read_text()), time.monotonic())


def busy(text: str) -> float:
    """Seconds that all cores were at work, from the first line of /proc/stat."""
    user, nice, system, _, _, interrupts, soft, stolen, *_ = map(int, text.splitlines()[0].split()[1:])
    return (user + nice + system + interrupts + soft + stolen) / _TICKS


def _stat(process: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; None for one that is gone or waits to be reaped."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields


def _alive(processes: list[int]) -> list[int]:
    return [process for process in processes if _stat(process)]
