"""A model that leaves: what it was given is answered, and its thread ends."""

import asyncio
import threading

from unit.serving.inference.models import Asked, Held, busy, close, served


def threads() -> int:
    return sum(thread.name == "model-m" and thread.is_alive() for thread in threading.enumerate())


async def test_what_waits_is_answered() -> None:
    """A request that runs and two that wait are answered by a model that was retired meanwhile; its thread ends."""
    before = threads()
    held = Held()
    inference = served(held.model, row=1.0)
    first = await busy(inference, held.begun)
    rest = [Asked(inference, value=float(value)) for value in (2, 3)]
    for asked in rest:
        inference.submit(asked)
    inference.retire()
    held.gate.set()
    await asyncio.to_thread(inference.wait)

    assert [await asked.outcome for asked in (first, *rest)] == [b"[-1.0]", b"[2.0]", b"[3.0]"]
    assert threads() == before


async def test_a_request_of_the_same_turn_is_answered() -> None:
    """A request that came in the turn of the loop in which its model leaves is not lost."""
    inference = served(close(lambda x: x * 2))
    asked = Asked(inference, value=2.0)
    inference.submit(asked)
    inference.retire()

    assert await asked.outcome == b"[4.0]"
    await asyncio.to_thread(inference.wait)


async def test_a_request_that_was_still_being_read_is_answered() -> None:
    """A large body may be read by the other process while its model leaves: it is answered by a thread of its own."""
    before = threads()
    inference = served(close(lambda x: x * 2), row=1.0)
    inference.retire()
    await asyncio.to_thread(inference.wait)
    late = Asked(inference, value=4.0)
    inference.submit(late)

    assert await late.outcome == b"[8.0]"
    await asyncio.to_thread(inference.wait)
    assert threads() == before
