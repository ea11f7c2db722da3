"""The worst allowed requests, and what others feel of them: the goals of `make neighbours`, on a few of its bodies."""

import asyncio
from pathlib import Path

import pytest

from perf.bodies import WORST, Worst
from perf.neighbours import NEIGHBOUR_GOAL, PROBE, PROBE_GOAL, high, measure, paced
from unit.serving.process import Started, command, started

pytestmark = pytest.mark.slow
SOME = ("v1, rows of short numbers", "v2, flat numbers", "v2, NaN", "v1, broken at the end")


@pytest.mark.parametrize("worst", [worst for worst in WORST if worst.name in SOME], ids=lambda worst: worst.name)
def test_health_and_a_small_model_do_not_wait(doors: Started, worst: Worst) -> None:
    """While eight mebibytes of JSON are read, answered or refused, health and another model answer at once.

    At once: within the goal, beside what this machine takes for the same questions when nothing else is asked.
    """
    times: list[float] = []
    asyncio.run(paced(doors.port, PROBE, times, asyncio.sleep(1.0)))
    felt = asyncio.run(measure(doors.port, worst, rounds=2))

    assert set(felt.statuses) <= {200, 400}
    assert len(felt.probes) > 5
    assert high(felt.probes) < PROBE_GOAL + 4 * max(times)
    assert max(felt.neighbours) < NEIGHBOUR_GOAL + 4 * max(times)


def test_the_decoding_process_ends_with_the_server(models: Path) -> None:
    """It comes with the first large body, and goes with its parent, even where that is killed."""
    with started(["serve", "--model", f"sum={models / 'sum.joblib'}", "--http-port", "0"]) as server:
        server.event("Ready")
        assert server.children() == []
        assert server.ask("POST", "/v1/models/sum:predict", {"instances": [[1, 2, 3]] * 50_000})[0] == 200
        (child,) = server.children()
        server.process.kill()
        server.process.wait()
        while b"child" in command(child):
            pass
