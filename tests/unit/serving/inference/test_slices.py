"""Large requests run in slices: others are answered between two of them, and who no longer waits gets no more."""

import asyncio

import numpy as np
import pytest

from modelmoor_server.batching import most_rows, slice_rows
from modelmoor_server.cost import Cost
from modelmoor_server.errors import CallerLeft, InvalidRequest, RequestError, TimedOut
from modelmoor_server.metrics import Abandoned
from modelmoor_server.settings import Batching
from unit.serving.inference.models import SLOW, Asked, Held, close, served


async def test_slices() -> None:
    """A large request is answered in slices; a small one that comes meanwhile is answered between two of them."""
    it = Held()
    inference = served(it.model, row=SLOW, batching=Batching(max_size=4))
    large = Asked(inference, rows=10, value=5.0)
    inference.submit(large)
    await asyncio.to_thread(it.begun.wait, 20)
    small = Asked(inference, value=1.0)
    inference.submit(small)
    it.gate.set()

    assert await small.outcome == b"[1.0]"
    assert await large.outcome == b"[50.0]"
    assert it.model.calls == [[5] * 4, [1], [5] * 4, [5] * 2]
    assert sum(inference._counters.queue.counts) == 2
    assert not inference.busy


def test_slices_grow_while_they_stay_short() -> None:
    """A model with a dear call and cheap rows is not asked a thousand times; one with dear rows never gets more."""
    cheap, dear = Cost(), Cost()
    cheap.measure(0.005, 0.005 + 15e-6, 16)
    dear.measure(0.005, 0.080, 16)
    settings = Batching(max_size=64)

    assert [slice_rows(settings, cheap, answered, 10**6) for answered in (0, 64, 320, 1344)] == [64, 256, 1024, 4096]
    assert slice_rows(settings, cheap, 20_000, 10**6) == 8192
    assert slice_rows(settings, dear, 20_000, 10**6) == 8 <= most_rows(settings, dear) < 12


def test_few_different_slices() -> None:
    """Whatever the machine's speed and the request's rows: powers of two, and at the end any number up to `max_size`.

    TensorFlow keeps something for every number of rows that it has seen."""
    settings, seen = Batching(max_size=64), set()
    for seconds in (1e-6, 17e-6, 23e-6, 90e-6):
        cost = Cost()
        cost.measure(0.001, 0.001 + 15 * seconds, 16)
        for rows in range(65, 3000, 7):
            answered = 0
            while answered < rows:
                slice_ = slice_rows(settings, cost, answered, rows - answered)
                assert 0 < slice_ <= rows - answered
                seen.add(slice_)
                answered += slice_
    assert {rows for rows in seen if rows > 64} <= {128, 256, 512, 1024, 2048}


async def test_the_row_of_an_error_in_a_later_slice() -> None:
    """A refusal names the row of the request, not that of the slice."""

    calls = []

    def act(x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        if len(calls) == 2:
            raise InvalidRequest.of_row("input 'x'", 1, "no")
        return x

    inference = served(close(act), row=SLOW, batching=Batching(max_size=4))
    asked = Asked(inference, rows=10)
    inference.submit(asked)

    assert str(await asked.outcome) == "input 'x', row 5: no"


@pytest.mark.parametrize("how", ["timeout", "left"])
async def test_a_large_request_ends_between_slices(how: str) -> None:
    """Once its time ran out or its caller hung up, a large request gets no further slice."""
    it = Held()
    inference = served(it.model, row=SLOW, timeout=0.1 if how == "timeout" else 20, batching=Batching(max_size=2))
    large = Asked(inference, rows=10)
    job = inference.submit(large)
    await asyncio.to_thread(it.begun.wait, 20)
    if how == "left":
        assert job is not None
        assert not job.cancel()
    else:
        await large.outcome
        inference._timeout = 20  # the next one has all the time that a busy machine wants
    it.gate.set()
    after = Asked(inference)
    inference.submit(after)

    outcome: bytes | RequestError = await large.outcome
    assert isinstance(outcome, TimedOut if how == "timeout" else CallerLeft)
    assert await after.outcome == b"[1.0]"
    assert it.model.calls == [[1, 1], [1]]
    reason = Abandoned.TIMEOUT if how == "timeout" else Abandoned.DISCONNECTED
    assert inference._counters.abandoned[reason] == 1
    assert not inference.busy


async def test_a_closed_thread() -> None:
    """The model's thread ends behind what was posted, further slices included."""
    it = Held()
    inference = served(it.model, row=SLOW, batching=Batching(max_size=2))
    large = Asked(inference, rows=5)
    inference.submit(large)
    await asyncio.to_thread(it.begun.wait, 20)
    inference._model_thread.close()
    it.gate.set()

    assert await large.outcome == b"[5.0]"
    await asyncio.to_thread(inference._model_thread.join)
