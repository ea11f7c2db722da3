"""What the demo says: steps with the time since the start, details below them, and commands that are run."""

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INFRA = ROOT / "tests" / "cluster" / "infra"


class DemoError(Exception):
    """The demo ends here; the sentence names cause and next step."""


@dataclass
class Console:
    """Lines on stdout, whole ones even when several threads speak."""

    started: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def seconds(self) -> int:
        """Seconds since the demo began."""
        return round(time.monotonic() - self.started)

    def step(self, text: str) -> None:
        self._print(f"[{self.seconds:4d} s] {text}")

    def detail(self, text: str) -> None:
        self._print("\n".join(f"         {line}" for line in text.splitlines()))

    def plain(self, text: str = "") -> None:
        self._print(text)

    def _print(self, text: str) -> None:
        with self._lock:
            print(text, flush=True)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it said."""

    code: int
    lines: tuple[str, ...]


def stream(console: Console, command: Sequence[str | Path]) -> Ended:
    """Runs a command and shows each of its lines as it comes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as child:
        lines = []
        for line in child.stdout or ():
            if line.strip():
                lines.append(line.strip())
                console.detail(line.rstrip())
        return Ended(child.wait(), tuple(lines))


def output(command: Sequence[str | Path], stdin: str | None = None) -> str:
    """Runs a command and returns what it printed; raises DemoError with the command and its own last words."""
    ended = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=ROOT, check=False)
    if ended.returncode:
        words = [str(part) for part in command[1:] if not isinstance(part, Path)]
        shown = " ".join((Path(command[0]).name, *words))
        raise DemoError(f"`{shown[:200]}` ended with exit code {ended.returncode}:\n{ended.stderr.strip()[-2000:]}")
    return ended.stdout
