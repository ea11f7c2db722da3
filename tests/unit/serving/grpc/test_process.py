"""The gRPC port of a serving process: there where it is wanted, gone without a lost call."""

import asyncio
import contextlib
import signal
import socket
from collections import Counter
from pathlib import Path
from time import perf_counter

import grpc
import grpc.aio
import pytest

from unit.serving.grpc.client import HEALTH, Client, message, request
from unit.serving.grpc.harness import relaying, until
from unit.serving.process import GRPC, Started, by_hand, started

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("transport")]
BOTH_TRANSPORTS = "transport"


def _libraries(server: Started) -> str:
    return Path(f"/proc/{server.process.pid}/maps").read_text()


def test_without_the_port_nothing_of_it_is_loaded(models: Path, transport: str) -> None:
    """Who asks for no gRPC pays no memory for it; who does, gets one transport, after liveness."""
    with started(by_hand(models, "sum")) as without, started([*by_hand(models, "sum"), *GRPC]) as with_it:
        without.event("Ready")
        with_it.event("Ready")

        own = {"Native": "libnghttp2", "Grpcio": "cygrpc"}
        assert not any(library in _libraries(without) for library in own.values())
        assert [choice for choice, library in own.items() if library in _libraries(with_it)] == [transport]
        assert "ListeningGrpc" not in [line["event"] for line in without.log]
        events = [line["event"] for line in with_it.log]
        assert events.index("Listening") < events.index("ListeningGrpc") < events.index("Ready")


def test_a_port_that_is_taken_is_named(models: Path) -> None:
    """One line, exit code 1, and no line of a library."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with started([*by_hand(models, "sum"), "--grpc-port", port]) as server:
            told = server.event("StartFailed")
            assert server.process.wait(60) == 1

    assert (told["reason"], told["message"]) == ("InvalidSettings", f"Port {port} cannot be listened on for gRPC.")
    assert not [line for line in server.log if line["event"] == "Text"]


async def test_both_families_are_listened_to(models: Path) -> None:
    """IPv4 and, where the machine has it, IPv6 on one port, which the environment may name."""
    with socket.socket() as free:
        free.bind(("0.0.0.0", 0))
        port = free.getsockname()[1]
    with started(by_hand(models, "sum"), {"MODELMOOR_GRPC_PORT": str(port)}) as server:
        server.event("Ready")
        assert server.grpc_port == port
        for host in ("127.0.0.1", "[::1]") if _has_ipv6() else ("127.0.0.1",):
            async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
                live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
                assert await live(b"") == b"\x08\x01"


async def test_a_machine_without_ipv6(models: Path) -> None:
    """Where the kernel has no IPv6, both ports are there for IPv4, and nothing is logged about it."""
    arguments = [*by_hand(models, "sum"), *GRPC]
    with started(arguments, module="unit.serving.serve.one_family") as server:
        server.event("Ready")
        six = Path(f"/proc/{server.process.pid}/net/tcp6")
        listening = six.read_text() if six.exists() else ""
        async with Client(server.grpc_port) as client:
            answer = await client.infer(request("sum", [1.0, 2.0, 3.0], columns=3))

        assert answer.outputs[0].name == "predict"
        assert server.ask("GET", "/v2/health/ready") == (200, {"ready": True})
        assert not [port for port in (server.port, server.grpc_port) if f":{port:04X} " in listening]
        assert {line["level"] for line in server.log} == {"info"}


async def test_work_in_flight_is_answered(models: Path) -> None:
    """SIGTERM: health says so at once, a running predict is answered, the process ends with 0 within the bound."""
    with started([*by_hand(models, "slow"), *GRPC]) as server:
        await asyncio.to_thread(server.event, "Ready")
        async with Client(server.grpc_port) as client:
            running = client.infer(request("slow", [1.5], columns=1))
            await until(lambda: b"modelmoor_requests_in_flight 1.0" in server.ask("GET", "/metrics")[1])
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(server.event, "Draining")
            health = await client.call(
                "Check",
                message("grpc.health.v1.HealthCheckRequest"),
                "grpc.health.v1.HealthCheckResponse",
                service=HEALTH,
            )
            answer = await running
        assert await asyncio.to_thread(server.process.wait, 60) == 0

    assert health.status == 2
    assert answer.outputs[0].name == "predict"
    assert server.event("Stopped")["drained"] is True


async def test_rolling_update_loses_nothing(models: Path) -> None:
    """Busy clients on kept connections go from one process to the next: no call fails, whatever a request may take.

    The Service knows a second late. Connections of all ages have gone after 3.3 s, quiet is another second.
    """
    arguments = [*by_hand(models, "iris"), *GRPC]
    with started(arguments) as old, started(arguments) as new:
        for server in (old, new):
            await asyncio.to_thread(server.event, "Ready")
        failures: Counter[str] = Counter()
        answered, over = 0, False

        async def work(client: Client) -> None:
            nonlocal answered
            while not over:
                try:
                    await client.infer(request())
                    answered += 1
                except grpc.aio.AioRpcError as error:
                    failures[f"{error.code()} {error.details()}"] += 1

        async with contextlib.AsyncExitStack() as opened:
            relay = await opened.enter_async_context(relaying(old.grpc_port))
            own = {"grpc.use_local_subchannel_pool": 1}  # channels share a connection otherwise
            clients = [await opened.enter_async_context(Client(relay.port, **own)) for _ in range(4)]
            workers = [asyncio.ensure_future(work(client)) for client in clients * 2]
            await until(lambda: answered > 100)
            begun = perf_counter()
            old.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(old.event, "Draining")
            await asyncio.sleep(1.0)
            relay.target = new.grpc_port  # as a Service does for new connections
            ended = await asyncio.to_thread(old.process.wait, 60)
            took = perf_counter() - begun
            reached = answered
            await until(lambda: answered > reached + 100)
            over = True
            await asyncio.gather(*workers)

    assert not failures
    assert ended == 0
    assert took < 1.0 + 3.3 + 1.0 + 5.0, "with room for a busy machine; the bound on the drain is 31 s"
    assert old.event("Stopped")["drained"] is True


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
