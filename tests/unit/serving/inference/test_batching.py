"""Requests that share a call of a model: which may, in what order, and that none suffers from another."""

import asyncio
import threading
from itertools import chain
from typing import Any

import numpy as np
import pytest

from modelmoor_server import batching
from modelmoor_server.errors import InvalidRequest, Overloaded, PredictFailed, RequestError
from modelmoor_server.inference import InferenceRequest
from modelmoor_server.metrics import Abandoned
from modelmoor_server.runtimes.base import Independence
from modelmoor_server.settings import Batching
from modelmoor_server.signature import Datatype, Field, Signature
from unit.serving.inference.models import SLOW, Asked, Held, busy, close, served


async def test_what_came_during_a_call_is_the_next_call() -> None:
    """Requests that wait while a call runs share the next one, in their order, and each gets its own rows."""
    it = Held()
    inference = served(it.model, row=SLOW)
    first = await busy(inference, it.begun)
    waiting = [Asked(inference, rows=number, value=number) for number in (1, 2, 3)]
    for asked in waiting:
        inference.submit(asked)
    it.gate.set()

    assert [await asked.outcome for asked in (first, *waiting)] == [b"[-1.0]", b"[1.0]", b"[4.0]", b"[9.0]"]
    assert it.model.calls == [[-1.0], [1, 2, 2, 3, 3, 3]]
    counters = inference._counters
    assert (sum(counters.batch.counts), counters.batch.total, counters.rows) == (2, 7, 7)
    assert sum(counters.predict.counts) == 2
    assert sum(counters.queue.counts) == 4
    assert not inference.busy


async def test_one_turn_of_the_loop_is_one_call() -> None:
    """Cheap requests that arrive together are answered together on the loop, in the same turn."""
    model = close()
    inference = served(model)
    asks = [Asked(inference, value=number) for number in range(5)]
    for asked in asks:
        assert inference.submit(asked) is not None
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert [asked.outcome.result() for asked in asks] == [b"[0.0]", b"[1.0]", b"[2.0]", b"[3.0]", b"[4.0]"]
    assert model.calls == [[0, 1, 2, 3, 4]]
    assert model.threads == [threading.main_thread().name]


async def test_a_turn_takes_no_more_of_the_loop_than_its_budget() -> None:
    """What exceeds two milliseconds in one turn goes to the thread, in shared calls."""
    model = close()
    inference = served(model, row=0.0009, queue_limit=50)
    asks = [Asked(inference, value=number) for number in range(20)]
    for asked in asks:
        inference.submit(asked)
    await asyncio.gather(*(asked.outcome for asked in asks))

    assert model.threads[0] == threading.main_thread().name
    assert set(model.threads[1:]) == {"model-m"}
    assert list(chain.from_iterable(model.calls)) == list(range(20))
    assert len(model.calls) < 20


async def test_a_turn_keeps_to_the_hard_limit() -> None:
    """However many come in one turn, no more wait for the thread than may."""
    inference = served(close(), row=0.0019, queue_limit=3)
    asks = [Asked(inference, value=number) for number in range(20)]
    for asked in asks:
        inference.submit(asked)
    outcomes = [await asked.outcome for asked in asks]

    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) >= 10
    assert outcomes[0] == b"[0.0]"


async def test_left_in_the_same_turn() -> None:
    """A caller who leaves before the turn ends costs no call."""
    model = close()
    inference = served(model)
    asked = Asked(inference)
    job = inference.submit(asked)

    assert job is not None
    assert job.cancel()
    await asyncio.sleep(0.01)
    assert model.calls == []
    assert not asked.outcome.done()
    assert inference._counters.abandoned[Abandoned.DISCONNECTED] == 1


@pytest.mark.parametrize("other", [{"outputs": ("twice",)}, {"outputs": ("twice", "predict")}, {"dtype": "f4"}])
async def test_only_equal_requests_share(other: dict[str, Any]) -> None:
    """Other outputs, another order of them or another type: another call; the oldest goes first."""
    it = Held()
    inference = served(it.model, row=SLOW)
    first = await busy(inference, it.begun)
    odd, even = Asked(inference, value=1.0, **other), [Asked(inference, value=2.0) for _ in range(2)]
    for asked in (even[0], odd, even[1]):
        inference.submit(asked)
    it.gate.set()

    answers = [await asked.outcome for asked in (first, *even, odd)]
    assert answers == [b"[-1.0]", b"[2.0]", b"[2.0]", b"[1.0, 1.0]" if len(other.get("outputs", ())) > 1 else b"[1.0]"]
    assert it.model.calls == [[-1.0], [2.0, 2.0], [1.0]]


async def test_no_more_rows_than_the_size_and_the_time_allow() -> None:
    """A call has at most `max_size` rows, and fewer where the measured time of a row says so."""
    for size, row, most in ((4, SLOW, 4), (64, 0.02, 2), (64, 0.2, 1)):
        it = Held()
        inference = served(it.model, row=row, queue_limit=50, batching=Batching(max_size=size))
        asks = [await busy(inference, it.begun), *(Asked(inference) for _ in range(9))]
        for asked in asks[1:]:
            inference.submit(asked)
        it.gate.set()
        await asyncio.gather(*(asked.outcome for asked in asks))

        assert max(map(len, it.model.calls[1:3])) == most


@pytest.mark.parametrize(
    ("settings", "independence", "allowed"),
    [
        (Batching(), Independence.UNKNOWN, False),
        (Batching(), Independence.CLOSE, True),
        (Batching(), Independence.EXACT, True),
        (Batching(exact=True), Independence.CLOSE, False),
        (Batching(exact=True), Independence.EXACT, True),
        (Batching(exact=True, rows_independent=True), Independence.UNKNOWN, False),
        (Batching(rows_independent=True), Independence.UNKNOWN, True),
        (Batching(max_size=1), Independence.EXACT, False),
    ],
)
async def test_what_may_be_batched(settings: Batching, independence: Independence, allowed: bool) -> None:
    """Only a listed model, or any where the user says so; with `exact` only what cannot change by a bit."""
    it = Held(independence=independence)
    inference = served(it.model, row=SLOW, batching=settings)
    asks = [await busy(inference, it.begun), Asked(inference), Asked(inference)]
    for asked in asks[1:]:
        inference.submit(asked)
    it.gate.set()
    await asyncio.gather(*(asked.outcome for asked in asks))

    assert inference.batches == allowed
    assert it.model.calls == ([[-1], [1, 1]] if allowed else [[-1], [1], [1]])


@pytest.mark.parametrize("shape", [None, (), (8, 1)])
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_rows_must_vary(shape: tuple[int, ...] | None, side: str) -> None:
    """A model is batched only where dimension 0 of every input and output is known to be variable."""
    fields = {"inputs": (Field("x", Datatype.FP64, (-1, 1)),), "outputs": (Field("y", Datatype.FP64, (-1,)),)}
    other = fields | {side: (*fields[side], Field("z", Datatype.FP64, shape))}

    assert batching.allows(Batching(), close(signature=Signature(**fields)))
    assert not batching.allows(Batching(rows_independent=True), close(signature=Signature(**other)))


async def test_a_bad_neighbour() -> None:
    """If a shared call fails, each request is asked for itself: only the one with the bad value is refused."""

    def act(x: np.ndarray) -> np.ndarray:
        if (x == 13).any():
            raise InvalidRequest("input 'x', row 0: this model takes no 13")
        if (x == 14).any():
            raise ZeroDivisionError
        return x

    it = Held(act)
    inference = served(it.model, row=SLOW)
    asks = [await busy(inference, it.begun), *(Asked(inference, value=value) for value in (1, 13, 14, 2))]
    for asked in asks[1:]:
        inference.submit(asked)
    it.gate.set()
    outcomes = [await asked.outcome for asked in asks]

    assert [outcome for outcome in outcomes if isinstance(outcome, bytes)] == [b"[-1.0]", b"[1.0]", b"[2.0]"]
    assert [type(outcome) for outcome in outcomes[2:4]] == [InvalidRequest, PredictFailed]
    assert inference._counters.batch_failures == 1
    assert inference._counters.rows == 3


async def test_a_model_that_does_not_answer_row_by_row() -> None:
    """If the number of rows does not come out as it went in, each is asked for itself, and batching ends."""
    it = Held(lambda x: x[:1])
    inference = served(it.model, row=SLOW, batching=Batching(max_size=4))
    asks = [await busy(inference, it.begun), *(Asked(inference, value=value) for value in (1, 2))]
    for asked in asks[1:]:
        inference.submit(asked)
    it.gate.set()

    assert [await asked.outcome for asked in asks] == [b"[-1.0]", b"[1.0]", b"[2.0]"]
    assert it.model.calls == [[-1], [1, 2], [1], [2]]
    assert not inference.batches
    large = Asked(inference, rows=9)
    inference.submit(large)
    assert await large.outcome == b"[1.0]"


async def test_max_delay() -> None:
    """With a delay a request waits for company, but not when the call is full, and not longer than that."""
    model = close()
    inference = served(model, batching=Batching(max_size=2, max_delay=1))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    asks = [Asked(inference, value=1), Asked(inference, value=2)]
    for asked in asks:
        inference.submit(asked)
    await asyncio.gather(*(asked.outcome for asked in asks))
    full = loop.time() - begun
    alone = Asked(inference, value=3)
    begun = loop.time()
    inference.submit(alone)
    await alone.outcome

    assert model.calls == [[1, 2], [3]]
    assert full < 1
    assert 0.99 < loop.time() - begun < 5


async def test_a_callers_own_deadline() -> None:
    """Where a caller waits less long than the server would, its time counts; what waits past it never runs."""
    it = Held()
    inference = served(it.model, row=SLOW)
    first = await busy(inference, it.begun)
    hasty = Asked(inference, value=7.0)
    inference.submit(hasty, timeout=0.05)
    outcome = await hasty.outcome
    it.gate.set()

    assert str(outcome) == "The model did not answer within 0.05 s."
    assert await first.outcome == b"[-1.0]"
    assert it.model.calls == [[-1]]


async def test_admission_is_asked_and_told() -> None:
    """A policy is asked before a request is parsed and queued, told each one's wait, and may give it up then."""

    class Policy:
        def __init__(self) -> None:
            self.waited: list[float] = []

        def admit(self, waiting: int) -> RequestError | None:
            return Overloaded("full") if waiting == 2 else None

        def taken(self, waited: float) -> RequestError | None:
            self.waited.append(waited)
            return Overloaded("too late") if len(self.waited) == 2 else None

    it, policy = Held(), Policy()
    inference = served(it.model, row=SLOW, admission=policy)
    asks = [await busy(inference, it.begun), *(Asked(inference, value=value) for value in (1, 2, 3))]
    for asked in asks[1:]:
        inference.submit(asked)
    await asyncio.sleep(0.05)
    it.gate.set()
    outcomes = [await asked.outcome for asked in asks]

    assert list(map(str, outcomes)) == ["b'[-1.0]'", "too late", "b'[2.0]'", "full"]
    assert asks[3].decoded == []
    assert len(policy.waited) == 3
    assert min(policy.waited[1:]) >= 0.05
    assert it.model.calls == [[-1], [2]]


async def test_an_answer_that_cannot_be_written() -> None:
    """If one caller's door fails as it is answered, the others of its call still are."""
    it = Held()
    inference = served(it.model, row=SLOW)
    first = await busy(inference, it.begun)
    broken, whole = Asked(inference), Asked(inference)
    broken.outcome.set_result(b"")  # a second result raises InvalidStateError
    inference.submit(broken)
    inference.submit(whole)
    it.gate.set()

    assert await first.outcome == b"[-1.0]"
    assert await whole.outcome == b"[1.0]"


def test_keys() -> None:
    """What must be equal: outputs, names, types and shapes of a row, and the kinds of things in a column of objects."""

    def key(outputs: tuple[str, ...] = ("y",), **arrays: Any) -> Any:
        return batching.key_of(InferenceRequest({name: np.asarray(a) for name, a in arrays.items()}, outputs))

    texts = np.array(["a", "b"], dtype=object)
    holes = np.array(["a", float("nan")], dtype=object)
    assert key(x=np.zeros((1, 3))) == key(x=np.ones((7, 3)))
    for other in (key(("z",), x=np.zeros((1, 3))), key(x=np.zeros((1, 4))), key(x=np.zeros((1, 3), "f4"))):
        assert other is not None
        assert other != key(x=np.zeros((1, 3)))
    assert key(x=texts) == key(x=texts[:1]) != key(x=holes)
    assert key(x=np.zeros(3), y=np.zeros(2)) is None
    assert key(x=np.zeros(())) is None
    assert key(x=np.zeros((0, 3))) is None
