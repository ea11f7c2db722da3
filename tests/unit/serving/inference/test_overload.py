"""The policy of a model's queue, on a clock that the test turns: callers come whether or not the server keeps up."""

import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from modelmoor_server.overload import CoDel

REFUSAL = 16e-6  # seconds (trust.md, section 4.2)


@dataclass
class Clock:
    """Seconds, set by the simulation."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Outcome:
    """latencies: of who was answered, by time of arrival. refused: times of arrival of who was not."""

    latencies: list[tuple[float, float]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def p99(self, begin: float = 0.0) -> float:
        found = sorted(latency for arrived, latency in self.latencies if arrived >= begin)
        return found[len(found) * 99 // 100]


def simulate(phases: list[tuple[float, float]], call: float, *, batch: int = 1, limit: int = 128) -> Outcome:
    """Random arrivals before a model whose call takes `call` seconds and answers up to `batch` requests.

    phases: (seconds, load), where a load of 1 is all that the model can answer.
    """
    chance, clock, outcome = random.Random(7), Clock(), Outcome()
    policy = CoDel(0.005, limit, clock)
    arrivals: deque[float] = deque()
    end = 0.0
    for seconds, load in phases:
        at, end = end, end + seconds
        while (at := at + chance.expovariate(load * batch / call)) < end:
            arrivals.append(at)
    queue: deque[float] = deque()
    free = 0.0
    while arrivals or queue:
        if not queue or (arrivals and arrivals[0] < max(free, queue[0])):
            clock.now = arrivals.popleft()
            if policy.admit(len(queue)) is None:
                queue.append(clock.now)
            else:
                outcome.refused.append(clock.now)
                free = max(free, clock.now) + REFUSAL
            continue
        clock.now = free = max(free, queue[0])
        taken = []
        while queue and queue[0] <= free and len(taken) < batch:
            arrived = queue.popleft()
            if policy.taken(free - arrived) is None:
                taken.append(arrived)
            else:
                outcome.refused.append(arrived)
        if taken:
            free += call
            outcome.latencies += [(arrived, free - arrived) for arrived in taken]
    return outcome


@pytest.mark.parametrize(("load", "goodput"), [(5, 0.9), (10, 0.8)])
def test_overload_is_refused_and_the_rest_answered_in_time(load: float, goodput: float) -> None:
    """Several times what a model of 1 ms can bear: nearly all of its time still goes into answers that come in time."""
    outcome = simulate([(5.0, load)], 0.001)
    in_time = sum(latency < 0.05 for _, latency in outcome.latencies)

    assert in_time * 0.001 / 5.0 > goodput
    assert outcome.p99() < 0.05
    assert len(outcome.refused) > 0.7 * 5000 * load


@pytest.mark.parametrize(("call", "batch"), [(0.001, 1), (0.02, 64), (2.0, 1)], ids=["quick", "batched", "slow"])
def test_nobody_is_refused_below_capacity(call: float, batch: int) -> None:
    """At half load hardly anybody is refused, however long a call takes: bursts may wait."""
    outcome = simulate([(max(10, 300 * call), 0.5)], call, batch=batch)

    assert len(outcome.refused) < 0.01 * len(outcome.latencies)


@pytest.mark.parametrize("call", [0.001, 0.003, 0.02])
def test_it_is_over_when_it_is_over(call: float) -> None:
    """Two seconds after an overload nobody is refused any more, and latency is that of before."""
    outcome = simulate([(3.0, 0.3), (5.0, 8.0), (4.0, 0.3)], call)

    assert any(3.0 < arrived < 8.0 for arrived in outcome.refused)
    assert not any(arrived > 10.0 for arrived in outcome.refused)
    assert outcome.p99(10.0) <= 1.5 * Outcome([one for one in outcome.latencies if one[0] < 3.0]).p99()


def test_a_burst_within_the_cap_is_answered() -> None:
    """So many at once as may wait all get their answer, where the queue was empty before and is after."""
    clock = Clock()
    policy = CoDel(0.005, 20, clock)
    refusals = [policy.admit(waiting) for waiting in range(21)]
    for number in range(20):
        clock.now = number * 0.0005
        refusals.append(policy.taken(clock.now))

    assert [str(refusal) for refusal in refusals if refusal] == [
        "20 requests wait for this model already: come back in a moment."
    ]


def test_a_slower_model_may_be_waited_for_longer() -> None:
    """The target follows the model: a throttled pod does not refuse what it would have answered."""
    clock = Clock()
    policy = CoDel(0.005, 1000, clock)
    for _ in range(200):
        clock.now += 0.1
        policy.admit(3)
        policy.taken(0.3)

    assert policy.target == pytest.approx(0.5, rel=0.1)
    assert policy.admit(10) is None


def test_a_starved_server_refuses_no_one_who_is_alone() -> None:
    """Where a busy node wakes the model's thread late, a queue of one is no queue; nor is the last of an older one."""
    clock = Clock()
    policy = CoDel(0.005, 128, clock)
    for waiting in range(60):
        policy.admit(waiting)
    refusals = []
    for _ in range(100):
        clock.now += 0.1
        refusals.append(policy.taken(10.0))

    assert any(refusals[:59])
    assert not any(refusals[59:])


@pytest.mark.parametrize("call", [0.0005, 0.003, 0.05])
def test_sixteen_callers_who_wait_for_their_answers_are_no_overload(call: float) -> None:
    """Who asks again only once answered cannot flood a model, however slow it is."""
    clock = Clock()
    policy = CoDel(0.005, 128, clock)
    queue: deque[float] = deque()
    for _ in range(16):
        assert policy.admit(len(queue)) is None
        queue.append(clock.now)
    for _ in range(2000):
        assert policy.taken(clock.now - queue.popleft()) is None
        clock.now += call
        assert policy.admit(len(queue)) is None
        queue.append(clock.now)
