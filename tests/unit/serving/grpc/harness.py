"""The gRPC port within the test's own process and loop, with models that do what the test says."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import numpy as np

from modelmoor_server.control import Control
from modelmoor_server.cost import Cost
from modelmoor_server.grpc.door import made
from modelmoor_server.grpc.limits import Limits
from modelmoor_server.grpc.port import Transport
from modelmoor_server.grpc.services import methods
from modelmoor_server.inference import Identity, Inference
from modelmoor_server.metrics import Counters, ModelCounters
from modelmoor_server.model_thread import ModelThread
from modelmoor_server.repository import Repository
from unit.serving.grpc.client import Client
from unit.serving.inference.models import Scripted
from unit.serving.nobody import Nobody

LIMITS = Limits(request_seconds=20.0)
TRANSPORT = "Native"  # of the ports that `serving` opens; the fixture `transport` sets it


@dataclass
class Held:
    """A predict that tells how often it began, and ends when the gate opens."""

    gate: threading.Event = field(default_factory=threading.Event)
    seen: list[float] = field(default_factory=list)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.seen.append(float(x[0, 0]))
        self.gate.wait(20)
        return x * 2


@dataclass
class Port:
    """A running port. `m` is its model."""

    port: int
    server: Transport
    repository: Repository
    counters: Counters
    models: dict[str, ModelCounters]

    @property
    def codes(self) -> dict[tuple[str, str, int], int]:
        return dict(self.counters.requests)


@contextlib.asynccontextmanager
async def serving(
    act: Callable[[np.ndarray], np.ndarray] | None = None,
    *,
    row: float = 0.1,
    timeout: float = 20.0,
    queue_limit: int = 100,
    scripted: Scripted | None = None,
    loaded: bool = True,
    **limits: float,
) -> AsyncIterator[tuple[Port, Client]]:
    """A port with a model `m` of one column, whose rows take `row` seconds as far as the server knows."""
    model = scripted or (Scripted(act) if act is not None else Scripted())
    repository, counters, own = Repository(["m"]), Counters(), ModelCounters()
    cost = Cost()
    cost.measure(row, row * 2, 2)
    inference = Inference(
        Identity("m", "sha256:0123456789abcdef", "sklearn", "scikit-learn 1.9.1", None),
        model,
        cost,
        ModelThread("m"),
        own,
        timeout=timeout,
        queue_limit=queue_limit,
        loop=asyncio.get_running_loop(),
    )
    if loaded:
        repository.serve(inference)
    server = made(
        TRANSPORT,
        methods(repository, counters, Control(repository, Nobody(), allowed=False)),
        replace(LIMITS, **limits),  # type: ignore[arg-type]
    )
    port = await server.start(0)
    try:
        async with Client(port) as client:
            yield Port(port, server, repository, counters, {"m": own}), client
    finally:
        if isinstance(act, Held):
            act.gate.set()
        await server.stop()


@dataclass
class Relay:
    """What a Service is to a client: a port that leads to another. connections, and bytes on their way back."""

    target: int
    port: int = 0
    connections: int = 0
    bytes_back: int = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, both ways, until both sides have ended."""
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            await asyncio.gather(self._pass(reader, back, 0), self._pass(there, writer, 1))
        finally:
            for end in (writer, back):
                end.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, counted: int) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                self.bytes_back += counted * len(data)
                sink.write(data)
            sink.write_eof()


@contextlib.asynccontextmanager
async def relaying(target: int) -> AsyncIterator[Relay]:
    """A relay on a free port; its connections are cut at the end."""
    relay, tasks = Relay(target), set[asyncio.Task[None]]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(relay.carry(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next turn of the loop


async def until(condition: Callable[[], object]) -> None:
    """Wait for what must become true; the test's own timeout bounds it."""
    while not condition():
        await asyncio.sleep(0.005)
