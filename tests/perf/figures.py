"""What a run promises, and what it measured: one table for people, one JSON file for scripts."""

import json
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
TOLERANCE = 1.2
"""A goal counts as missed where the figure is worse by more than a fifth."""


@dataclass(frozen=True)
class Figure:
    """One measured number beside its goal, both in `unit`. No goal: told, not judged. more: the more the better."""

    name: str
    measured: float
    goal: float | None
    unit: str
    more: bool = False

    @property
    def missed(self) -> bool:
        return self.worse_by(TOLERANCE)

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "MISSED" if self.missed else "within a fifth" if self.worse_by(1.0) else "met"

    def worse_by(self, factor: float) -> bool:
        """Whether the goal, made easier by this factor, is missed."""
        if self.goal is None:
            return False
        return self.measured * factor < self.goal if self.more else self.measured > self.goal * factor


@dataclass
class Figures:
    """Figures in the order in which they were measured, with what else is worth knowing of the run.

    details: for the file alone, what the figures come from.
    """

    setting: dict[str, Any]
    found: list[Figure] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, measured: float, unit: str, *, goal: float | None = None, more: bool = False) -> None:
        figure = Figure(name, round(measured, 3), goal, unit, more)
        self.found.append(figure)
        self.say(f"{name}: {measured:.4g} {unit} {figure.verdict}".rstrip())

    def say(self, text: str) -> None:
        """A line of progress."""
        print(f"[{time.monotonic() - self.begun:6.0f} s] {text}", flush=True)

    @property
    def missed(self) -> list[Figure]:
        return [figure for figure in self.found if figure.missed]

    def table(self) -> str:
        """Aligned Markdown, so that it can go into docs/performance.md as it is."""
        rows = [("figure", "goal", "measured", "")]
        for item in self.found:
            goal = "" if item.goal is None else f"{item.goal:g} {item.unit}"
            rows.append((item.name, goal, f"{item.measured:.4g} {item.unit}", item.verdict))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
        ]
        return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])

    def conclude(self, path: Path) -> int:
        """Write the file, print the table and what was missed; the exit code."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write(path)
        print(f"\n{self.table()}\n\n{path}")
        for figure in self.missed:
            print(f"missed by more than a fifth: {figure.name}", file=sys.stderr)
        return 1 if self.missed else 0

    def _write(self, path: Path) -> None:
        told = {
            "finishedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "setting": self.setting,
            "machine": {
                "cpus": os.cpu_count(),
                "memoryMiB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB,
                "python": platform.python_version(),
                "loadAverage": os.getloadavg()[0],
            },
            "figures": [vars(item) | {"verdict": item.verdict} for item in self.found],
            **({"details": self.details} if self.details else {}),
        }
        path.write_text(json.dumps(told, indent=2) + "\n")


def resident(pid: int) -> tuple[float, float]:
    """Resident memory of a process now and at its highest, in MiB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return tuple(int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
