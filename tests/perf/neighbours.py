"""What a neighbour feels while the worst allowed request is in work: health, and a small model on the same server.

    make neighbours                     # a minute; build/neighbours.json
    make neighbours NEIGHBOURS=--help

Both are asked on kept connections at a fixed pace, whether or not answers come (open loop), from a process that does
nothing else but send the worst bodies. Only what was asked while such a body was in work counts.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from perf.bodies import WORST, Worst
from perf.figures import Figures, resident
from unit.serving.process import by_hand, save_models, started

PROBE_GOAL, NEIGHBOUR_GOAL = 0.200, 0.250  # seconds: 99th percentile of a probe; slowest answer of a small model
PACE = 0.01  # seconds between two questions of one kind
PROBE = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
SMALL = b'{"instances": [[1, 2, 3]]}'


def post(path: str, body: bytes) -> bytes:
    """A request as bytes."""
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)


async def ask(port: int, request: bytes) -> tuple[int, float]:
    """One request on a connection of its own: status, and seconds from its first byte to the answer's last one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        begun = perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
        return int(head.split(b" ", 2)[1]), perf_counter() - begun
    finally:
        writer.close()


async def paced(port: int, request: bytes, times: list[float], until: Awaitable[object]) -> None:
    """Ask at a fixed pace until `until` is done; every question is awaited. Raises where an answer is not 200."""
    done = asyncio.ensure_future(until)
    asked: list[asyncio.Task[tuple[int, float]]] = []
    while not done.done():
        asked.append(asyncio.create_task(ask(port, request)))
        await asyncio.wait((done,), timeout=PACE)
    for status, seconds in await asyncio.gather(*asked):
        if status != 200:
            raise AssertionError(f"a neighbour was answered {status}")
        times.append(seconds)


@dataclass
class Felt:
    """What was felt during one kind of worst request. Times in seconds."""

    name: str
    statuses: list[int] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    neighbours: list[float] = field(default_factory=list)


async def measure(port: int, worst: Worst, rounds: int) -> Felt:
    """Send one worst body `rounds` times while both neighbours are asked."""
    felt = Felt(worst.name)
    request = post(worst.path, worst.make())
    small = post("/v1/models/sum:predict", SMALL)
    for _ in range(rounds):
        work = asyncio.create_task(ask(port, request))
        await asyncio.gather(paced(port, PROBE, felt.probes, work), paced(port, small, felt.neighbours, work))
        status, seconds = work.result()
        felt.statuses.append(status)
        felt.work.append(seconds)
    return felt


def high(times: list[float]) -> float:
    """The 99th percentile."""
    return sorted(times)[len(times) * 99 // 100]


def row(felt: Felt) -> str:
    """A line of the table, times in milliseconds."""
    statuses = "/".join(map(str, sorted(set(felt.statuses))))
    times = (
        statistics.median(felt.work),
        high(felt.probes),
        max(felt.probes),
        high(felt.neighbours),
        max(felt.neighbours),
    )
    return f"| {felt.name:40} | {statuses:>6} |" + "".join(f" {1000 * value:5.0f} |" for value in times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each worst body is sent (5)")
    parser.add_argument("--only", default="", metavar="WORDS", help="only bodies whose name holds these words")
    parser.add_argument("--output", type=Path, default=Path("build/neighbours.json"), help="figures as JSON")
    options = parser.parse_args()
    figures = Figures({"rounds": options.rounds, "only": options.only})
    probes: list[float] = []
    neighbours: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        save_models(Path(folder))
        with started(by_hand(Path(folder), "iris", "people", "text", "sum")) as server:
            server.event("Ready")
            print("| worst request | status | takes | probe p99 | slowest | small model p99 | slowest |  (ms)")
            for worst in WORST:
                if options.only in worst.name:
                    felt = asyncio.run(measure(server.port, worst, options.rounds))
                    print(row(felt), flush=True)
                    probes += felt.probes
                    neighbours += felt.neighbours
            readers = [resident(pid)[0] for pid in server.children()]
    figures.add("probe, 99th percentile", 1000 * high(probes), "ms", goal=1000 * PROBE_GOAL)
    figures.add("probe, slowest", 1000 * max(probes), "ms")
    figures.add("small model, 99th percentile", 1000 * high(neighbours), "ms")
    figures.add("small model, slowest", 1000 * max(neighbours), "ms", goal=1000 * NEIGHBOUR_GOAL)
    figures.add("resident memory of the process that decodes, after all", sum(readers), "MiB")
    return figures.conclude(options.output)


if __name__ == "__main__":
    sys.exit(main())
