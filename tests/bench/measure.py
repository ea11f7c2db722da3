"""The measuring: each server alone for its start and memory, then all of them in turn, round by round."""

import contextlib
import json
import resource
import statistics
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from bench import load, processes
from bench.cases import Case
from bench.found import Alone, Cell, Found, InProcess
from bench.models import ROWS, Model
from bench.protocols import request
from bench.running import CORE, CannotServe, Running, environment, interpreter, running
from bench.servers import Server

Say = Callable[[str], None]
WARM_UP = 1  # seconds of load before memory is looked at


@dataclass
class Bench:
    """One run. seconds, rounds: of each cell. scratch: for bodies and models. logs: what the servers write."""

    seconds: int
    rounds: int
    scratch: Path
    logs: Path
    say: Say
    found: Found = field(default_factory=Found)

    def model(self, model: Model, cases: list[Case], servers: list[Server]) -> None:
        """Measure all cases of one model."""
        self._in_process(model)
        serving = [server for server in servers if model.name in server.models]
        right = [one for server in serving if (one := self._alone(server, model, cases))]
        together = [server for server in right if server.pausable]
        for group in (together, *([server] for server in right if not server.pausable)):
            if group:
                self._group(group, model, cases)

    def _problem(self, text: str) -> None:
        self.say(text)
        self.found.problems.append(text)

    def _alone(self, server: Server, model: Model, cases: list[Case]) -> Server | None:
        """Start to ready, every answer that will be asked for, memory. The server with the protocols that are right."""
        try:
            with running(server, model, self.logs) as one:
                right = [protocol for protocol in server.protocols if self._right(one, protocol, cases)]
                first = server.protocols[0]
                load.run(request(first, model, 1), one.port(first), 16, WARM_UP, self.scratch, 1)
                memory, engine = processes.memory(one.process.pid), one.engine()
        except (CannotServe, load.LoadFailed) as error:
            self._problem(f"{server.name}, {model.name}: not measured: {error}")
            return None
        self.found.alone.append(Alone(server.name, server.kind, model.name, one.started, memory, engine))
        by = ", ".join(right) + (f"; engine {engine}" if engine else "")
        self.say(f"{server.name}, {model.name}: right by {by}; ready in {one.started:.2f} s, {memory:.0f} MB")
        return replace(server, protocols=tuple(right))

    def _right(self, one: Running, protocol: str, cases: list[Case]) -> bool:
        """Whether every answer that will be asked for is right."""
        try:
            for rows in {case.rows for case in cases if protocol in case.protocols}:
                one.check(protocol, rows)
        except CannotServe as error:
            self._problem(f"{one.server.name}, {one.model.name}: not measured: {error}")
            return False
        return any(protocol in case.protocols for case in cases)

    def _group(self, servers: list[Server], model: Model, cases: list[Case]) -> None:
        """All cases of these servers, which stand still but for their turns."""
        with ExitStack() as stack:
            started: dict[Server, Running] = {}
            for server in servers:
                try:
                    started[server] = stack.enter_context(running(server, model, self.logs))
                except CannotServe as error:
                    self._problem(f"{server.name}, {model.name}: not measured: {error}")
                    continue
                if server.pausable:
                    processes.pause(started[server].process.pid)
            for case in cases:
                self._case(case, started)

    def _case(self, case: Case, started: dict[Server, Running]) -> None:
        series = case.series(list(started))
        cells: dict[tuple[Server, str], list[Cell]] = {one: [] for one in series}
        for _ in range(self.rounds):
            for server, protocol in list(cells):
                try:
                    cells[server, protocol].append(self._cell(started[server], protocol, case))
                except (CannotServe, load.LoadFailed) as error:
                    self._problem(f"{server.name}, {protocol}, {case}: does not count: {error}")
                    del cells[server, protocol]
        for (server, protocol), rounds in cells.items():
            self.found.cells += rounds
            rate = statistics.median(cell.requests / cell.seconds for cell in rounds)
            foreign = statistics.median(cell.foreign for cell in rounds)
            self.say(f"{case}: {server.name} {protocol}: {rate:,.0f} a second (foreign load {foreign:.2f} cores)")
            if errors := sum(cell.errors for cell in rounds):
                self._problem(f"{server.name}, {protocol}, {case}: does not count: {errors} requests without an answer")

    def _cell(self, one: Running, protocol: str, case: Case) -> Cell:
        """One turn: awake, checked, loaded, checked again. Raises CannotServe, LoadFailed."""
        root = one.process.pid
        with processes.awake(root) if one.server.pausable else contextlib.nullcontext():
            size = one.check(protocol, case.rows)
            asked = request(protocol, one.model, case.rows)
            machine, cpu, own = processes.Machine.now(), processes.cpu_seconds(root), _own()
            seen = load.run(asked, one.port(protocol), case.connections, self.seconds, self.scratch, size)
            cpu, own = processes.cpu_seconds(root) - cpu, _own() - own
            after = processes.Machine.now()
            one.check(protocol, case.rows)
        foreign = max(0.0, after.busy - machine.busy - cpu - own) / (after.at - machine.at)
        return Cell(
            one.server.name,
            one.server.kind,
            protocol,
            case.model,
            case.rows,
            case.connections,
            seen.requests,
            seen.seconds,
            seen.p50,
            seen.p99,
            seen.refused + seen.broken,
            cpu,
            foreign,
        )

    def _in_process(self, model: Model) -> None:
        rows: Any = pd.DataFrame(dict(model.inputs)) if model.table else next(iter(model.inputs.values()))
        inputs = self.scratch / f"{model.name}-inputs.joblib"
        joblib.dump(rows, inputs)
        script = Path(__file__).with_name("peers") / "in_process.py"
        command = ["taskset", "-c", str(CORE), interpreter(""), "-W", "ignore", str(script), str(model.file)]
        ended = subprocess.run(
            [*command, str(inputs), "1", str(ROWS)], env=environment(), capture_output=True, text=True, check=False
        )
        if ended.returncode:
            self._problem(f"in process, {model.name}: not measured: {ended.stderr.strip()[-200:]}")
            return
        told = json.loads(ended.stdout.splitlines()[-1])
        costs = {int(count): cost for count, cost in told["microseconds"].items()}
        self.found.in_process.append(InProcess(model.name, told["memory"], costs))
        self.say(f"in process, {model.name}: {costs[1]:.0f} µs a call of 1 row, {costs[ROWS]:.0f} µs of {ROWS}")


def _own() -> float:
    """Processor seconds of this process, and of the load tools that ended."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, whose))
