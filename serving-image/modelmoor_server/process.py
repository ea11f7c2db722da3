"""A serving process: answer liveness, load, serve, drain.

The socket is bound and `/v2/health/live` answers before numpy or any framework is imported: those come in with the
models, on a thread of their own.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import uvloop

from modelmoor_server import facts
from modelmoor_server.apart.reader import Reader
from modelmoor_server.control import Control, Loads
from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.http.limits import Limits
from modelmoor_server.http.server import Server, listen
from modelmoor_server.libraries import keep_quiet
from modelmoor_server.loader import Loader
from modelmoor_server.metrics import Counters, ModelCounters
from modelmoor_server.repository import Repository
from modelmoor_server.rest.cors import Cors
from modelmoor_server.rest.routes import Routes
from modelmoor_server.settings import Settings

if TYPE_CHECKING:
    from prometheus_client import Metric

    from modelmoor_server.grpc.port import Transport

log = logging.getLogger("modelmoor_server.serve")
# Seconds after which a model's thread lets the event loop in. A request takes the interpreter several times, and with
# Python's 5 ms each, health answered after 0.28 s while a large request ran in slices; with 1 ms after 0.12 s.
SWITCH_INTERVAL = 0.001
DRAIN_SLACK = 1.0  # seconds beyond the request timeout, for the answers that say that it passed


class Lead(Protocol):
    """Who says when the doors open and what is loaded: alone.py, or a worker's parent (workers/member.py).

    reuse_port: other processes share the ports. metrics: those of all processes; None where this one is alone.
    """

    @property
    def reuse_port(self) -> bool: ...
    @property
    def metrics(self) -> Callable[[], Awaitable[bytes]] | None: ...

    def loads(self, loader: Loader) -> Loads:
        """Who loads and unloads when a caller asks for it."""
        ...

    async def start(self, process: "Process") -> None:
        """Open the doors and load. Raises ModelError where the process cannot be what it was started for."""
        ...


def run(settings: Settings, make_lead: Callable[[], Lead]) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code. A second signal ends it at once."""
    keep_quiet()
    sys.setswitchinterval(SWITCH_INTERVAL)
    _raise_open_files()
    code = 0
    with tempfile.TemporaryDirectory(prefix="modelmoor-") as scratch:
        process = Process(settings, Path(scratch))
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(process.run(make_lead()))
        except ModelError as error:
            facts.tell(error, settings.termination_log)
            code = 1
    if process.busy:
        # A load or a predict cannot be stopped, and an interpreter that is taken down around native code may crash.
        logging.shutdown()
        os._exit(code)
    return code


@contextlib.contextmanager
def asking_for(port: int, name: str) -> Iterator[None]:
    """A port that cannot be had becomes a ModelError. name: `http` or `grpc`."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            Phase.LOAD,
            Reason.INVALID_SETTINGS,
            f"Port {port} cannot be listened on ({os.strerror(error.errno or 0)}).",
            f"Choose another one with --{name}-port or MODELMOOR_{name.upper()}_PORT.",
        ) from None


def _raise_open_files() -> None:
    """A connection is an open file, and by hand the soft limit is often 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Process:
    """One serving process. `listen`, `listen_grpc`, `collect` and what it has are for its lead."""

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self.settings = settings
        self.scratch = scratch
        self.repository = Repository(source.name for source in settings.models)
        self.counters = Counters(models={source.name: ModelCounters() for source in settings.models})
        self.signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self.loader: Loader | None = None
        self.grpc: Transport | None = None
        self._control: Control
        self._server: Server
        self._reuse_port = False

    @property
    def busy(self) -> bool:
        """Whether a thread of ours is at work."""
        served = [entry.inference for entry in self.repository.entries.values() if entry.inference is not None]
        return any(inference.busy for inference in served) or (self.loader is not None and self.loader.busy)

    async def run(self, lead: Lead) -> None:
        """Serve to the end. Raises ModelError where a model given at start cannot be served."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.signals.put_nowait, number)
        reader = Reader(loop, self.settings.timeout)
        self._build(lead, reader)
        starting = asyncio.ensure_future(lead.start(self))
        starting.add_done_callback(lambda task: task.cancelled() or task.exception())  # a failure during the drain
        stopping = asyncio.ensure_future(self.signals.get())
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            received = await stopping
            self.repository.drain()
            self._control.stop()
            await self._drain(received)
        finally:
            starting.cancel()
            await self._server.stop()
            if self.grpc is not None:
                await self.grpc.stop()
            reader.close()

    async def listen(self) -> None:
        """Open the HTTP port. Raises ModelError."""
        with asking_for(self.settings.http_port, "http"):
            sockets = listen(self.settings.http_port, shared=self._reuse_port)
        await self._server.start(sockets)
        log.info("Listening", extra={"fields": {"port": sockets[0].getsockname()[1]}})

    async def listen_grpc(self) -> None:
        """Open the gRPC port, where there is to be one. Its libraries are imported on a thread, while liveness answers.

        Raises ModelError.
        """
        port = self.settings.grpc_port
        if port is None:
            return
        door = await asyncio.to_thread(importlib.import_module, "modelmoor_server.grpc.door")
        self.grpc, port = await door.open_door(
            port, self.settings, self.repository, self.counters, self._control, reuse_port=self._reuse_port
        )
        log.info("ListeningGrpc", extra={"fields": {"port": port}})

    def collect(self) -> "list[Metric]":
        """The metrics of this process."""
        from modelmoor_server import exposition  # it brings prometheus_client, which liveness does not wait for

        return exposition.collect(self.counters, self.repository, len(self._server.connections))

    def _build(self, lead: Lead, reader: Reader) -> None:
        settings = self.settings
        self._reuse_port = lead.reuse_port
        self.loader = Loader(settings, self.repository, self.counters, self.scratch)
        self._control = Control(self.repository, lead.loads(self.loader), allowed=settings.repository_api)
        routes = Routes(
            self.repository,
            self._control,
            self.counters,
            lead.metrics or self._metrics,
            settings.json_limit,
            settings.binary_limit,
            reader,
        )
        self._server = Server(
            Cors(routes, settings.cors_origins) if settings.cors_origins else routes,
            Limits(age_seconds=settings.connection_age),
            self.counters.refuse,
        )

    async def _metrics(self) -> bytes:
        from modelmoor_server import exposition  # as above

        return exposition.text(self.collect())

    async def _drain(self, received: signal.Signals) -> None:
        """Finish what is in flight and end within a bound. Whoever pressed Ctrl-C does not wait for idle clients."""
        server, bound = self._server, self.settings.timeout + DRAIN_SLACK
        log.info("Draining", extra={"fields": {"signal": received.name, "connections": len(server.connections)}})
        idle = 0.0 if received is signal.SIGINT else None
        draining = asyncio.gather(server.drain(bound, idle), self._drain_grpc(idle))
        again = asyncio.ensure_future(self.signals.get())
        await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
        drained = draining.done() and all(draining.result())
        for task in (draining, again):
            task.cancel()
        log.info("Stopped", extra={"fields": {"drained": drained, "connections": len(server.connections)}})

    async def _drain_grpc(self, quiet: float | None) -> bool:
        return self.grpc is None or await self.grpc.drain(quiet)
