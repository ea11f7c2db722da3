"""A real server, many callers at once, every answer compared; then a long load and its memory."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import uvloop

from perf.figures import Figures, cpu_seconds, resident
from soak import models
from soak.binary import BinaryV2, Grpc
from soak.doors import DOORS
from soak.load import Load, watched
from support.machine import end_cleanly_when_told
from unit.serving.process import Started, started

SETTLED = 300.0  # seconds of load after which memory must not grow
# On a machine that is starved for a moment somebody would be told 503, and this run asks what is answered.
PATIENCE = {"MODELMOOR_QUEUE_LIMIT": "1000", "MODELMOOR_QUEUE_WAIT": "10s"}
JUDGED = 600.0  # seconds of memory after that, below which a slope says nothing


def main() -> int:
    arguments = _parser().parse_args()
    end_cleanly_when_told()
    chosen = {name: getattr(arguments, name) for name in ("answers", "minutes", "connections", "load", "seed")}
    figures = Figures(chosen)
    with tempfile.TemporaryDirectory(prefix="modelmoor-soak-") as scratch:
        folder = Path(scratch)
        figures.say("training the models, and asking each for every row in this process")
        served = models.made(folder)
        given = [word for model in served for word in ("--model", f"{model.name}={folder / model.file}")]
        with started(["serve", *given, "--http-port", "0", "--grpc-port", "0"], PATIENCE) as server:
            _wait_until_ready(server)
            doors = (*DOORS, BinaryV2(), Grpc(server.grpc_port))
            load = Load(served, doors, server.port, arguments.seed)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_measure(load, server, figures, arguments))
            alive = server.process.poll() is None
            figures.add("the server ended before it was told", int(not alive), "", goal=0)
            figures.add("exit code on SIGTERM", server.stop(), "", goal=0)
    for problem in [*load.wrong, *load.failed][:20]:
        print(problem, file=sys.stderr)
    return figures.conclude(arguments.output)


def _wait_until_ready(server: Started) -> None:
    """For up to ten minutes: TensorFlow is imported on a machine that may be busy."""
    for _ in range(9):
        with contextlib.suppress(AssertionError):
            server.event("Ready")
            return
    server.event("Ready")


async def _measure(load: Load, server: Started, figures: Figures, arguments: argparse.Namespace) -> None:
    process = server.process.pid
    begun, used, said = time.perf_counter(), cpu_seconds(process), 0

    def progress() -> None:
        seconds = time.perf_counter() - begun
        figures.say(
            f"{load.count} answers, {load.count / seconds:.0f} a second, {len(load.wrong)} wrong, "
            f"{len(load.failed)} failed, {resident(process)[0]:.0f} MiB"
        )

    figures.say(f"{arguments.answers} answers over {arguments.connections} connections")
    await watched(asyncio.ensure_future(load.closed(arguments.connections, arguments.answers)), 10, progress)
    seconds, said = time.perf_counter() - begun, load.count
    capacity = load.count / seconds
    figures.add("answers compared", load.count, "")
    for door, count in sorted(load.answers.items()):
        figures.add(f"of them by {door}", count, "")
    figures.add("wrong answers", len(load.wrong), "", goal=0)
    figures.add("requests without an answer", len(load.failed), "", goal=0)
    figures.add("answers a second, callers on the same machine", capacity, "")
    figures.add("processor time of the server an answer", (cpu_seconds(process) - used) / load.count * 1e6, "us")
    figures.add("rows of one call of a model, mean", _mean_batch(server.port), "")
    if arguments.minutes and not load.hopeless:
        await _hold(load, server, figures, arguments, capacity)
        figures.add("answers compared under that load", load.count - said, "")
        figures.add("wrong answers, in all", len(load.wrong), "", goal=0)
        figures.add("requests without an answer, in all", len(load.failed), "", goal=0)


async def _hold(load: Load, server: Started, figures: Figures, arguments: argparse.Namespace, capacity: float) -> None:
    rate, seconds = capacity * arguments.load, arguments.minutes * 60
    figures.say(f"{arguments.minutes:g} minutes at {rate:.0f} a second")
    begun, first = time.perf_counter(), load.count
    memory: list[tuple[float, float]] = []
    told = 0.0

    def look() -> None:
        nonlocal told
        now = time.perf_counter() - begun
        memory.append((now, resident(server.process.pid)[0]))
        if now - told >= 30 or not told:
            told = now
            figures.say(f"{now / 60:.1f} minutes, {load.count - first} answers, {memory[-1][1]:.1f} MiB")

    await watched(asyncio.ensure_future(load.open(arguments.connections, rate, seconds)), 2, look)
    figures.add("load held", (load.count - first) / (time.perf_counter() - begun) / capacity * 100, "%")
    latencies = np.asarray(load.latencies) * 1000
    figures.add("latency under that load: median", float(np.median(latencies)), "ms")
    figures.add("latency under that load: 99th percentile", float(np.percentile(latencies, 99)), "ms")
    figures.add("resident memory at the start of it", memory[0][1], "MiB")
    figures.add("resident memory at its end", memory[-1][1], "MiB")
    since = SETTLED if seconds - SETTLED >= JUDGED else seconds / 2
    span = [(now, size) for now, size in memory if now >= since]
    judged = seconds - since >= JUDGED
    name = f"slope of memory after the first {since / 60:.1f} minutes"
    figures.add(name, _slope(span), "MB/h", goal=1.0 if judged else None)
    if not judged:
        figures.say("the slope is told, not judged: that needs 15 minutes")


def _slope(samples: list[tuple[float, float]]) -> float:
    """MB an hour, by least squares over (seconds, MiB)."""
    if len(samples) < 3:
        return 0.0
    times, sizes = np.array(samples).T
    return float(np.polyfit(times / 3600, sizes * 1.048576, 1)[0])


def _mean_batch(port: int) -> float:
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    sums = [sum(float(line.split()[-1]) for line in lines if line.startswith(f"modelmoor_batch_size_{part}{{"))
            for part in ("sum", "count")]  # fmt: skip
    return sums[0] / max(sums[1], 1.0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--answers", type=int, default=1_000_000, help="answers to compare at full speed")
    parser.add_argument("--minutes", type=float, default=30, help="minutes of the long load; 0: none")
    parser.add_argument("--load", type=float, default=0.7, help="share of that speed in the long load")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("build/soak.json"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
