"""The story of a serving process: bind, answer liveness, load, serve, drain.

The socket is bound and `/v2/health/live` answers before numpy or any framework is imported: those come in with the
models, on a thread of their own.
"""

import asyncio
import importlib
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from modelmoor_server import facts
from modelmoor_server.apart.reader import Reader
from modelmoor_server.control import Control
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
    from modelmoor_server.grpc.transport import Server as GrpcServer

log = logging.getLogger("modelmoor_server.serve")
# Seconds after which a model's thread lets the event loop in. A request takes the interpreter several times, and with
# Python's 5 ms each, health answered after 0.28 s while a large request ran in slices; with 1 ms after 0.12 s.
SWITCH_INTERVAL = 0.001
DRAIN_SLACK = 1.0  # seconds beyond the request timeout, for the answers that say that it passed


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code. A second signal ends it at once."""
    keep_quiet()
    sys.setswitchinterval(SWITCH_INTERVAL)
    _raise_open_files()
    code = 0
    with tempfile.TemporaryDirectory(prefix="modelmoor-") as scratch:
        process = _Process(settings, Path(scratch))
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(process.run())
        except ModelError as error:
            tell(error, settings.termination_log)
            code = 1
    if process.busy:
        # A load or a predict cannot be stopped, and an interpreter that is taken down around native code may crash.
        logging.shutdown()
        os._exit(code)
    return code


def _raise_open_files() -> None:
    """A connection is an open file, and by hand the soft limit is often 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tell(error: ModelError, termination_log: Path | None) -> None:
    """Say why the process ends: in the termination log of a pod, and in one log line."""
    if termination_log is not None:
        facts.write(termination_log, facts.failure(error))
    fields = {"phase": error.phase, "reason": error.reason, "message": error.message, "hint": error.hint}
    log.error("StartFailed", extra={"fields": fields})


class _Process:
    """One serving process."""

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self.settings = settings
        self.scratch = scratch
        self.repository = Repository(source.name for source in settings.models)
        self.counters = Counters(models={source.name: ModelCounters() for source in settings.models})
        self.signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self.loader: Loader | None = None
        self.grpc: GrpcServer | None = None

    @property
    def busy(self) -> bool:
        """Whether a thread of ours is at work."""
        served = [entry.inference for entry in self.repository.entries.values() if entry.inference is not None]
        return any(inference.busy for inference in served) or (self.loader is not None and self.loader.busy)

    async def run(self) -> None:
        """Serve to the end. Raises ModelError where a model given at start cannot be served."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.signals.put_nowait, number)
        sockets = self._listen()
        loader = self.loader = Loader(self.settings, self.repository, self.counters, self.scratch)
        control = Control(self.repository, loader, allowed=self.settings.repository_api)
        reader = Reader(loop, self.settings.timeout)
        limits = self.settings.json_limit, self.settings.binary_limit
        routes = Routes(self.repository, self.counters, control, *limits, lambda: len(server.connections), reader)
        origins = self.settings.cors_origins
        server: Server = Server(
            Cors(routes, origins) if origins else routes,
            Limits(age_seconds=self.settings.connection_age),
            self.counters.refuse,
        )
        await server.start(sockets)
        log.info("Listening", extra={"fields": {"port": sockets[0].getsockname()[1]}})
        loading = asyncio.ensure_future(self._load(loader, control))
        loading.add_done_callback(lambda task: task.cancelled() or task.exception())  # a failure during the drain
        stopping = asyncio.ensure_future(self.signals.get())
        try:
            await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
            if loading.done():
                loading.result()
                log.info("Ready", extra={"fields": {"models": list(self.repository.entries)}})
            received = await stopping
            self.repository.drain()
            control.stop()
            await self._drain(server, received)
        finally:
            loading.cancel()
            await server.stop()
            if self.grpc is not None:
                await self.grpc.stop()
            reader.close()

    def _listen(self) -> list[socket.socket]:
        try:
            return listen(self.settings.http_port)
        except OSError as error:
            raise ModelError(
                Phase.LOAD,
                Reason.INVALID_SETTINGS,
                f"Port {self.settings.http_port} cannot be listened on ({os.strerror(error.errno or 0)}).",
                "Choose another one with --http-port or MODELMOOR_HTTP_PORT.",
            ) from None

    async def _open_grpc(self, port: int, control: Control) -> None:
        """Open the gRPC port. Its libraries are imported on a thread, while liveness answers."""
        door = await asyncio.to_thread(importlib.import_module, "modelmoor_server.grpc.door")
        self.grpc, port = await door.open_door(port, self.settings, self.repository, self.counters, control)
        log.info("ListeningGrpc", extra={"fields": {"port": port}})

    async def _load(self, loader: Loader, control: Control) -> None:
        """Load the models one after another, so that health, metrics and the first models answer."""
        if self.settings.grpc_port is not None:
            await self._open_grpc(self.settings.grpc_port, control)
        for source in self.settings.models:
            await loader.load(source.name)

    async def _drain(self, server: Server, received: signal.Signals) -> None:
        """Finish what is in flight and end within a bound. Whoever pressed Ctrl-C does not wait for idle clients."""
        bound = self.settings.timeout + DRAIN_SLACK
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
