"""ModelStreamInfer, health and reflection: what lasts longer than one answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from modelmoor_server.grpc.v2 import WINDOW
from modelmoor_server.repository import State
from unit.serving.grpc.client import HEALTH, Client, message, request, status
from unit.serving.grpc.harness import Held, relaying, serving, until

BOTH_TRANSPORTS = "transport"
pytestmark = pytest.mark.usefixtures("transport")
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def one(value: float, **members: Any) -> Any:
    return request("m", [value], columns=1, id=str(value), **members)


async def test_answers_come_in_the_order_of_requests() -> None:
    """Some run at once and some wait for the model's thread; an error is a message, and the stream goes on."""

    async def asked() -> AsyncIterator[Any]:
        for value in range(50):
            # a large request leaves the loop, a small one would overtake it
            yield request("m", [float(value)] * (20_000 if value % 7 == 0 else 1), columns=1, id=str(value))
            if value == 20:
                yield request("nope", [1.0], columns=1, id="lost")

    async with serving(row=1e-7) as (port, client):
        answers = [answer async for answer in client.stream(asked())]

    wanted = [str(value) for value in range(50)]
    assert [answer.infer_response.id for answer in answers] == [*wanted[:21], "lost", *wanted[21:]]
    assert answers[21].error_message == "No such model here; there is m."
    assert not any(answer.error_message for answer in answers[:21] + answers[22:])
    assert all(answer.infer_response.parameters["triton_final_response"].bool_param for answer in answers)
    assert answers[-1].infer_response.outputs[0].contents.fp64_contents[0] == 98
    assert port.codes == {("grpc", "m", 200): 50}


async def test_a_stream_holds_a_bounded_number_of_requests() -> None:
    """Beyond the window nothing is read: the client is stopped by flow control, not by an error."""
    held = Held()
    async with serving(held) as (port, client):
        sent = 0

        async def asked() -> AsyncIterator[Any]:
            nonlocal sent
            for value in range(200):
                yield request("m", [float(value)] * 20_000, columns=1)
                sent += 1

        stream = client.stream(asked())
        answers = asyncio.ensure_future(_all(stream))
        await until(lambda: port.counters.in_flight >= WINDOW)
        await asyncio.sleep(0.2)  # time in which an unbounded server would have read on

        assert port.counters.in_flight == WINDOW
        assert sent < 100
        held.gate.set()
        assert len(await answers) == 200


async def test_a_cancelled_stream_withdraws_its_work() -> None:
    """Nothing of it is left behind."""
    held = Held()
    async with serving(held) as (port, client):
        stream = client.stream()
        for value in range(5):
            await stream.write(one(value))
        await until(lambda: (port.counters.in_flight, port.models["m"].queued()) == (5, 4))  # the first is running
        stream.cancel()
        await until(lambda: port.models["m"].queued() == 0)
        held.gate.set()
        await until(lambda: port.counters.in_flight == 0)

        assert held.seen == [0]


async def test_a_stream_ends_by_age_after_its_answers() -> None:
    """What was read is answered; then UNAVAILABLE asks the client to open another stream."""
    held = Held()
    async with serving(held, age_seconds=1.0) as (port, client):
        stream = client.stream()
        for value in range(3):
            await stream.write(one(value))
        await until(lambda: port.counters.in_flight == 3)
        await asyncio.sleep(1.5)  # beyond the age
        held.gate.set()
        answers = [(await stream.read()).infer_response.id for _ in range(3)]
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await stream.read()

        assert answers == ["0", "1", "2"]
        assert status(told.value) == ("UNAVAILABLE", "The server ends this stream: open a new one.")


async def test_connections_end_by_age_and_lose_nothing() -> None:
    """A client that goes on calling gets new connections, and an answer to every call."""
    calls = 0
    async with serving(row=1e-7, age_seconds=0.4) as (port, _), relaying(port.port) as relay:
        async with Client(relay.port) as client:
            while relay.connections < 4:
                await client.infer(one(1))
                calls += 1

    assert calls > 10
    assert port.codes == {("grpc", "m", 200): calls}


async def test_health_follows_readiness() -> None:
    """The process under the empty name and its services' names, the model by its own; unknown ones are told so."""
    async with serving(loaded=False) as (port, client):

        async def check(service: str) -> int:
            asked = message("grpc.health.v1.HealthCheckRequest", service=service)
            answer = await client.call("Check", asked, "grpc.health.v1.HealthCheckResponse", service=HEALTH)
            return int(answer.status)

        watch = client.channel.unary_stream(
            f"/{HEALTH}/Watch",
            lambda m: m.SerializeToString(),
            type(message("grpc.health.v1.HealthCheckResponse")).FromString,
        )
        seen = watch(message("grpc.health.v1.HealthCheckRequest", service=""))
        unknown = watch(message("grpc.health.v1.HealthCheckRequest", service="nope"))
        early = [await check(""), await check("inference.GRPCInferenceService"), await check("m")]
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await check("nope")
        first = (await seen.read()).status, (await unknown.read()).status

        port.repository._awaited.clear()
        port.repository.entries["m"].state = State.READY
        ready = (await seen.read()).status, await check("")
        port.repository.drain()
        gone = (await seen.read()).status, await check("")

    assert early == [NOT_SERVING] * 3
    assert told.value.code() is grpc.StatusCode.NOT_FOUND
    assert first == (NOT_SERVING, SERVICE_UNKNOWN)
    assert ready == (SERVING, SERVING)
    assert gone == (NOT_SERVING, NOT_SERVING)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_tells_all_that_is_served(version: str) -> None:
    """From the answers alone a client can build every service; names that are not here are told so."""
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    package = f"grpc.reflection.{version}"

    async def ask(client: Any, **asked: Any) -> Any:
        async def requests() -> AsyncIterator[Any]:
            yield message(f"{package}.ServerReflectionRequest", **asked)

        (answer,) = await _all(client.streaming(path, f"{package}.ServerReflectionResponse")(requests()))
        return answer

    async with serving() as (_, client):
        listed = await ask(client, list_services="")
        names = [service.name for service in listed.list_services_response.service]
        pool = descriptor_pool.DescriptorPool()
        for name in names:
            answer = await ask(client, file_containing_symbol=name)
            files = [
                descriptor_pb2.FileDescriptorProto.FromString(data)
                for data in answer.file_descriptor_response.file_descriptor_proto
            ]
            for file in reversed(files):
                pool.Add(file)
        method = await ask(client, file_containing_symbol="inference.GRPCInferenceService.ModelInfer")
        file = await ask(client, file_by_filename="tensorflow/tensor.proto")
        extensions = await ask(client, all_extension_numbers_of_type="inference.ModelInferRequest")
        lost = [
            (await ask(client, **asked)).error_response.error_code
            for asked in (
                {"file_containing_symbol": "no.Such"},
                {"file_by_filename": "no.proto"},
                {"all_extension_numbers_of_type": "no.Such"},
                {"file_containing_extension": {"containing_type": "inference.ModelInferRequest"}},
            )
        ]

    assert set(names) == {
        "inference.GRPCInferenceService",
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert len(pool.FindServiceByName("inference.GRPCInferenceService").methods) == 10
    assert pool.FindServiceByName("tensorflow.serving.PredictionService").methods_by_name["Predict"]
    assert method.file_descriptor_response.file_descriptor_proto
    assert len(file.file_descriptor_response.file_descriptor_proto) == 1
    assert extensions.all_extension_numbers_response.base_type_name == "inference.ModelInferRequest"
    assert lost == [5, 5, 5, 5]


async def _all(stream: Any) -> list[Any]:
    return [answer async for answer in stream]
