"""More requests than a model can answer: what the rest get, and how soon it is over.

    make overload                       # half a minute; build/overload.json
    make overload OVERLOAD=--help

An open-loop load: requests come at their times, whether or not earlier ones were answered, on many kept connections.
The model burns a fixed time of a core and is answered one request at a time.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from perf.figures import Figures
from unit.serving.process import by_hand, save_odd_models, started

REQUEST = b'POST /v1/models/burning:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 22\r\n\r\n{"instances": [[0.5]]}'
CONNECTIONS = 400
CALM = 0.4  # of the capacity


@dataclass(slots=True)
class Asked:
    """One request. due: when it should have been sent, from which its latency counts. status 0: no answer."""

    due: float
    latency: float = 0.0
    status: int = 0


class Caller(asyncio.Protocol):
    """A kept connection with at most one request on its way."""

    def __init__(self, free: "deque[Caller]") -> None:
        self._free = free
        self._asked: Asked | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._asked = None

    def ask(self, asked: Asked) -> None:
        self._asked = asked
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        """Answers are small: each comes in one piece."""
        if self._asked is not None:
            self._asked.status = int(data[9:12])
            self._asked.latency = perf_counter() - self._asked.due
            self._asked = None
            self._free.append(self)


async def load(port: int, phases: list[tuple[float, float]]) -> list[list[Asked]]:
    """Ask at random times, phase by phase, each (seconds, requests a second)."""
    loop = asyncio.get_running_loop()
    free: deque[Caller] = deque()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Caller(free), "127.0.0.1", port)
    chance, found = random.Random(7), []
    end = perf_counter()
    for seconds, rate in phases:
        at, end = end, end + seconds
        asked: list[Asked] = []
        while (at := at + chance.expovariate(rate)) < end:
            while (left := at - perf_counter()) > 0:
                await asyncio.sleep(left)
            asked.append(Asked(at))
            if free:
                free.popleft().ask(asked[-1])
            if len(asked) % 16 == 0:
                await asyncio.sleep(0)
        found.append(asked)
    await asyncio.sleep(2.0)
    return found


async def capacity(port: int, seconds: float) -> float:
    """Answers a second to four callers who ask again as soon as they are answered."""
    loop = asyncio.get_running_loop()
    free: deque[Caller] = deque()
    for _ in range(4):
        await loop.create_connection(lambda: Caller(free), "127.0.0.1", port)
    asked: list[Asked] = []
    begun = perf_counter()
    while (now := perf_counter()) < begun + seconds:
        while free:
            asked.append(Asked(now))
            free.popleft().ask(asked[-1])
        await asyncio.sleep(0.0002)
    return sum(one.status == 200 for one in asked) / seconds


def p99(asked: list[Asked]) -> float:
    """Milliseconds within which 99 of 100 answers came."""
    times = sorted(one.latency for one in asked if one.status == 200)
    return 1000 * times[len(times) * 99 // 100] if times else float("inf")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--milliseconds", type=float, default=3.0, help="of a core that a call of the model burns (3)")
    parser.add_argument("--load", type=float, default=5.0, help="times the capacity that comes (5)")
    parser.add_argument("--seconds", type=float, default=8.0, help="that it comes for (8)")
    parser.add_argument("--deadline", type=float, default=0.0, help="of the clients, in ms (twenty calls, at least 50)")
    parser.add_argument("--output", type=Path, default=Path("build/overload.json"), help="figures as JSON")
    options = parser.parse_args()
    figures = Figures({"command": " ".join(sys.argv[1:])})
    with tempfile.TemporaryDirectory() as folder:
        save_odd_models(Path(folder))
        with started(by_hand(Path(folder), "burning"), {"BURN": str(options.milliseconds)}) as server:
            server.event("Ready")
            most = asyncio.run(capacity(server.port, 4.0))
            figures.say(f"the model answers {most:.0f} a second on this machine as it is now")
            phases = [(4.0, CALM * most), (options.seconds, options.load * most), (5.0, CALM * most)]
            before, during, after = asyncio.run(load(server.port, phases))
    deadline = options.deadline or max(50.0, 20 * 1000 / most)
    answered = [one for one in during if one.status == 200]
    in_time = sum(1000 * one.latency < deadline for one in answered)
    normal = 1.5 * p99(before)
    later = [one for one in after if one.due > after[0].due + 2.0]
    figures.add("answers in time, of what the model could give", in_time / (most * options.seconds), "")
    figures.add("latency of the answered, 99th percentile", p99(during), "ms", goal=deadline)
    figures.add("refused", sum(one.status == 503 for one in during) / len(during), "")
    figures.add("answered neither 200 nor 503", sum(one.status not in (200, 503) for one in during), "", goal=0)
    figures.add(f"latency at {CALM} of the capacity, before, 99th percentile", p99(before), "ms")
    figures.add("the same, from two seconds after it on", p99(later), "ms", goal=normal)
    figures.add("refused from two seconds after it on", sum(one.status != 200 for one in later), "", goal=0)
    return figures.conclude(options.output)


if __name__ == "__main__":
    sys.exit(main())
