"""What becomes of a call whose caller does not wait for ever: deadlines, cancelled calls, overload, limits."""

import asyncio

import grpc
import grpc.aio
import numpy as np
import pytest

from modelmoor_server.metrics import Abandoned
from unit.serving.grpc.client import Client, message, request, status
from unit.serving.grpc.harness import Held, relaying, serving, until

BOTH_TRANSPORTS = "transport"
pytestmark = pytest.mark.usefixtures("transport")
CODE = ("grpc", "m")


def one(value: float = 1.0) -> object:
    """A request of one row."""
    return request("m", [value], columns=1)


async def test_work_past_its_deadline_never_begins() -> None:
    """A call's own deadline is shorter than the server's timeout: what waits is dropped when it passes."""
    held = Held()
    async with serving(held) as (port, client):
        first = client.infer(one(1))
        await until(lambda: held.seen)
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.infer(one(2), timeout=0.2)
        await until(lambda: port.codes and port.models["m"].queued() == 0)
        held.gate.set()
        await first
        await client.infer(one(3))

        assert told.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert held.seen == [1, 3]
        assert port.codes == {(*CODE, 200): 2, (*CODE, 504): 1}
        assert port.models["m"].abandoned[Abandoned.TIMEOUT] == 1


async def test_a_cancelled_call_withdraws_its_work() -> None:
    """What waits for a caller who has left is dropped, and counted as 499."""
    held = Held()
    async with serving(held) as (port, client):
        first = client.infer(one(1))
        await until(lambda: held.seen)
        second = client.infer(one(2))
        await until(lambda: port.models["m"].queued() == 1)
        second.cancel()
        await until(lambda: port.models["m"].queued() == 0)
        held.gate.set()
        await first

        assert held.seen == [1]
        assert port.codes == {(*CODE, 200): 1, (*CODE, 499): 1}
        assert port.counters.in_flight == 0


async def test_the_servers_timeout_holds_for_callers_without_one() -> None:
    """DEADLINE_EXCEEDED with our sentence."""
    async with serving(Held(), timeout=0.2) as (_, client):
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.infer(one())

        assert status(told.value) == ("DEADLINE_EXCEEDED", "The model did not answer within 0.2 s.")


async def test_a_full_queue_is_unavailable() -> None:
    """Who comes too late may come back."""
    held = Held()
    async with serving(held, queue_limit=1) as (port, client):
        calls = [client.infer(one(1))]
        await until(lambda: held.seen)
        calls.append(client.infer(one(2)))
        await until(lambda: port.models["m"].queued() == 1)
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.infer(one(3))
        held.gate.set()
        await asyncio.gather(*calls)

        assert told.value.code() is grpc.StatusCode.UNAVAILABLE
        assert port.codes == {(*CODE, 200): 2, (*CODE, 503): 1}


async def test_a_model_that_is_loading_is_unavailable() -> None:
    """Known, and not there yet."""
    async with serving(loaded=False) as (port, client):
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.infer(one())

        assert status(told.value) == ("UNAVAILABLE", "Model m is not ready: Loading.")
        assert port.codes == {(*CODE, 503): 1}


def _raise(x: np.ndarray) -> np.ndarray:
    raise KeyError(f"secret-{x[0, 0]}")


async def test_the_models_own_failure_is_internal_and_quotes_nothing() -> None:
    """Its type is told, its text is not."""
    async with serving(_raise) as (port, client):
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.infer(one())

        assert status(told.value) == ("INTERNAL", "The model's code raised KeyError: the server's log tells where.")
        assert port.codes == {(*CODE, 500): 1}


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip], ids=["plain", "gzip"])
async def test_messages_have_a_bound(compression: grpc.Compression | None) -> None:
    """The bound holds for what the message is when decompressed; smaller ones pass."""
    async with serving(message_bytes=100_000) as (_, client):
        asked = request("m", np.zeros(12_000), columns=1)
        await client.infer(asked, compression=compression)
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.infer(request("m", np.zeros(13_000), columns=1), compression=compression)

        assert told.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_answers_are_compressed_for_who_asks() -> None:
    """`accept-encoding: gzip` in the metadata; counted in bytes on the wire."""
    sizes = []
    async with serving(row=1e-7) as (port, _), relaying(port.port) as relay:
        asked = request("m", np.zeros(10_000), columns=1)
        for metadata in ((), (("accept-encoding", "gzip"),)):
            before = relay.bytes_back
            async with Client(relay.port) as client:
                await client.infer(asked, metadata=metadata)
            sizes.append(relay.bytes_back - before)

    assert sizes[0] > 80_000
    assert sizes[1] < 8_000


async def test_a_message_made_to_be_expensive_is_refused() -> None:
    """Many fields in few bytes: refused before the library makes objects of them; health answers meanwhile."""
    async with serving() as (_, client):
        for body in (b"\x3a\x00" * 100_000, b"\x2a\x04\x2a\x02\x12\x00" * 50_000, b"\x22\x00" * 600_000):
            with pytest.raises(grpc.aio.AioRpcError) as told:
                await client.infer(body)
            assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "The message holds more than" in (told.value.details() or "")


async def test_numbers_in_typed_contents_are_taken_by_their_datatype() -> None:
    """An INT8 that is none is refused by name of the input; one that fits is converted."""
    async with serving() as (_, client):
        tensor = {"name": "x", "datatype": "INT8", "shape": [2, 1], "contents": {"int_contents": [-128, 127]}}
        answer = await client.infer(message("ModelInferRequest", model_name="m", inputs=[tensor]))
        tensor["contents"] = {"int_contents": [-128, 128]}
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.infer(message("ModelInferRequest", model_name="m", inputs=[tensor]))

        assert list(answer.outputs[0].contents.fp64_contents) == [-256, 254]
        assert status(told.value) == ("INVALID_ARGUMENT", "input 'x': a number does not fit the datatype.")


async def test_more_calls_than_the_port_takes_are_refused() -> None:
    """Beyond the bound on calls at a time: RESOURCE_EXHAUSTED, and room again afterwards."""
    held = Held()
    async with serving(held, calls=2) as (port, client):
        calls = [client.infer(one(value)) for value in (1, 2)]
        await until(lambda: port.counters.in_flight == 2)
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.infer(one(3))
        held.gate.set()
        await asyncio.gather(*calls)
        await client.infer(one(4))

        assert told.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
