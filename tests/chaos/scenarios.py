"""The faults, told as scenarios: each ends in the same state as the same story without faults."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from chaos.bench import Bench, Different
from chaos.faults import Fault, Moment
from chaos.proxy import Execution
from chaos.state import Snapshot
from chaos.stories import CREATE, DELETE, SEVERAL, UPDATE, Story

ANSWERS = {
    Fault.CONFLICT: 0.04,
    Fault.TOO_MANY: 0.04,
    Fault.ERROR: 0.04,
    Fault.UNAVAILABLE: 0.04,
    Fault.LOST: 0.06,
    Fault.SLOW: 0.01,
}


@dataclass
class Outcome:
    """What a scenario came to."""

    runs: int = 0
    faults: int = 0
    seconds: float = 0.0
    verdict: str = "same"
    hits: dict[str, int] = field(default_factory=dict)


Reference = list[Snapshot]
"""A story without faults: the state after each step."""


@contextmanager
def outcome(bench: Bench) -> Iterator[Outcome]:
    """Count faults and time; whatever happens inside, nothing goes wrong on purpose afterwards."""
    made = Outcome()
    bench.faults.hits.clear()
    begun = time.monotonic()
    try:
        yield made
    finally:
        bench.proxy.pardon()
        bench.faults.stop()
        made.seconds = time.monotonic() - begun
        made.hits = dict(bench.faults.hits)
        made.faults = sum(made.hits.values())


def reference(bench: Bench, story: Story) -> Reference:
    """Play a story with no fault at all."""
    namespace = bench.namespace(f"{story.name}-plain")
    states: Reference = []
    for step in story.steps:
        step.act(bench.api, namespace)
        states.append(bench.settled(namespace))
    return states


def play(bench: Bench, story: Story, known: Reference, word: str, arm: Callable[[str], None]) -> None:
    """Play a story with faults, which `arm` sets going before step `story.begin`."""
    namespace = bench.namespace(word)
    bench.audit.mark()
    for number, step in enumerate(story.steps):
        if number == story.begin:
            arm(namespace)
        step.act(bench.api, namespace)
        bench.reaches(namespace, known[number])
    bench.proxy.pardon()
    bench.faults.stop()
    bench.stays(namespace, known[-1])
    bench.strangers_untouched(namespace)
    bench.clear()


def kill_at_every_write(
    bench: Bench, story: Story, known: Reference, *, moments: tuple[Moment, ...] = tuple(Moment), every: int = 1
) -> Outcome:
    """For each n a run of its own, in which the operator dies at its n-th write and is started again.

    It ends with the first n that is beyond the last write of the story.
    """
    with outcome(bench) as told:
        for moment in moments:
            for write in itertools.count(1, every):
                if not _dies(bench, story, known, write, moment):
                    break
                told.runs += 1
    return told


def _dies(bench: Bench, story: Story, known: Reference, write: int, moment: Moment) -> bool:
    """Play a story once; whether there was a write at which the operator could die."""
    orders: list[Execution] = []
    try:
        play(
            bench,
            story,
            known,
            f"{story.name}-kill",
            lambda namespace: orders.append(bench.proxy.execute(write, moment, namespace)),
        )
    except Different as error:
        raise Different(f"killed {moment.value} of write {write} of {story.name}: {error}") from error
    return orders[0].kills > 0


def _faulty(bench: Bench, story: Story, known: Reference, runs: int, word: str, arm: Callable[[str], None]) -> Outcome:
    """Play a story `runs` times; `arm` sets the faults of each run going, `word` names its namespace."""
    with outcome(bench) as told:
        for _ in range(runs):
            play(bench, story, known, f"{story.name}-{word}", arm)
            told.runs += 1
    return told


def one_write_a_life(bench: Bench, story: Story, known: Reference, moment: Moment) -> Outcome:
    """The operator dies at each of its writes, again and again, until nothing is left to write."""

    def arm(namespace: str) -> None:
        bench.proxy.execute(1, moment, namespace, again=True)

    return _faulty(bench, story, known, 1, "lives", arm)


def random_answers(bench: Bench, story: Story, known: Reference, runs: int = 1) -> Outcome:
    """Every sixth request is refused, or committed without an answer."""

    def arm(_: str) -> None:
        bench.faults.rates = ANSWERS

    return _faulty(bench, story, known, runs, "answers", arm)


def lost_events(bench: Bench, story: Story, known: Reference, runs: int = 1) -> Outcome:
    """A third of all watch events never arrives: the resync mends it."""

    def arm(_: str) -> None:
        bench.faults.drop = {"*": 0.33}

    return _faulty(bench, story, known, runs, "lost", arm)


def late_events(bench: Bench, story: Story, known: Reference, runs: int = 1) -> Outcome:
    """Events of one kind overtake those of another by seconds, and watches end in the middle."""
    delays = itertools.cycle(({"deployments": 2.0, "*": 0.1}, {"modeldeployments": 2.0, "*": 0.2}, {"*": 1.0}))

    def arm(_: str) -> None:
        bench.faults.delay = next(delays)
        bench.faults.cut = 0.05
        bench.proxy.cut_connections()

    return _faulty(bench, story, known, runs, "late", arm)


def stale_reads(bench: Bench, story: Story, known: Reference, runs: int = 1) -> Outcome:
    """A third of all lists and gets is answered as it was some time before, and connections are cut."""

    def arm(_: str) -> None:
        bench.faults.stale = 0.33
        bench.faults.cut = 0.1

    return _faulty(bench, story, known, runs, "stale", arm)


def everything(bench: Bench, story: Story, known: Reference, runs: int = 1) -> Outcome:
    """All of it at once, a kill at every tenth write included."""

    def arm(namespace: str) -> None:
        bench.faults.rates = {fault: rate / 2 for fault, rate in ANSWERS.items()}
        bench.faults.drop, bench.faults.cut, bench.faults.stale = {"*": 0.1}, 0.05, 0.1
        bench.faults.delay = {"*": 0.3}
        bench.proxy.execute(10, Moment.UNANSWERED, namespace, again=True)

    return _faulty(bench, story, known, runs, "all", arm)


STORIES = (CREATE, UPDATE, DELETE, SEVERAL)
