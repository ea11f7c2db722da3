"""The process that was started with `--workers N`: it holds no model and answers nobody."""

import asyncio
import contextlib
import logging
import pickle
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelmoor_server import is_compiled
from modelmoor_server.errors import ModelError, Phase, Reason, cause_name
from modelmoor_server.http.server import reserve
from modelmoor_server.process import asking_for
from modelmoor_server.settings import Settings
from modelmoor_server.workers.channel import Channel, Gone
from modelmoor_server.workers.together import Together
from modelmoor_server.workers.totals import Totals

log = logging.getLogger("modelmoor_server.workers")
DRAIN_SLACK = 3.0  # seconds beyond the request timeout, after which workers are killed: they have bounds of their own
LOOK = 10.0  # seconds between two looks at a worker's event loop
HUNG = 30.0  # seconds without an answer, after which a worker counts as hung; a large request takes fewer
SCRAPE = 1.0  # seconds that a scrape waits for a worker; then what it said last stands for it
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds before a worker that died soon is replaced
STEADY = 60.0  # seconds after which a worker did not die soon


def lead(settings: Settings, scratch: Path) -> int:
    """Serve with several workers until SIGTERM or SIGINT; the process's exit code. Raises ModelError."""
    with contextlib.ExitStack() as held:
        ports = _reserved(settings, held)
        return asyncio.run(_Parent(ports, scratch).run())


def _reserved(settings: Settings, held: contextlib.ExitStack) -> Settings:
    """Ports that the workers can share and nobody else has; a free one for 0. Raises ModelError."""
    http, grpc = settings.http_port, settings.grpc_port
    with asking_for(http, "http"):
        http = held.enter_context(reserve(http)).getsockname()[1]
    if grpc is not None:
        with asking_for(grpc, "grpc"):
            grpc = held.enter_context(reserve(grpc)).getsockname()[1]
    return replace(settings, http_port=http, grpc_port=grpc, termination_log=None)


class _Worker:
    """One worker process. Made by `start`."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.number = number
        self.process = process
        self.channel = channel
        self.begun = asyncio.get_running_loop().time()
        self._serving = asyncio.ensure_future(channel.run())

    @classmethod
    async def start(cls, number: int, settings: Settings, handlers: dict[str, Any]) -> "_Worker":
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "modelmoor_server.workers.member", str(theirs.fileno())),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # Ctrl-C at a terminal comes to the parent alone, and from there to the workers
            )
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it has ended, and that is seen elsewhere
            process.stdin.write(pickle.dumps((settings, number)))
            await process.stdin.drain()
        process.stdin.close()
        channel = Channel(handlers)
        await channel.open(ours)
        return cls(number, process, channel)

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def ended(self) -> int:
        """The exit code, below zero for a signal's number; waited for."""
        code = await self.process.wait()
        await asyncio.wait({self._serving})
        return code

    async def answers(self) -> bool:
        """Whether the event loop turns."""
        try:
            await asyncio.wait_for(self.channel.call("ping"), HUNG)
        except TimeoutError:
            return False
        except (Gone, ModelError):
            return True  # it has ended, or is about to: no case for a kill
        return True


class _Parent:
    def __init__(self, settings: Settings, scratch: Path) -> None:
        self._settings = settings
        self._together = Together((source.name for source in settings.models), scratch)
        self._totals = Totals(settings.workers)
        self._workers: dict[int, _Worker] = {}
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._handlers = {
            "load": self._together.load,
            "unload": self._together.unload,
            "metrics": self._metrics,
        }

    async def run(self) -> int:
        """Serve to the end. Raises ModelError where a model given at start cannot be served."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signals.put_nowait, number)
        keepers: list[asyncio.Task[None]] = []
        starting = asyncio.ensure_future(self._start())
        stopping = asyncio.ensure_future(self._signals.get())
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                log.info("Ready", extra={"fields": self._told()})
                keepers = [asyncio.ensure_future(self._keep(number)) for number in self._workers]
            received = await stopping
            for task in (starting, *keepers):
                task.cancel()
            return await self._drain(received)
        finally:
            for task in (starting, *keepers):
                task.cancel()
            for worker in self._workers.values():
                worker.signal(signal.SIGKILL)
            await asyncio.gather(*(worker.ended() for worker in self._workers.values()))

    async def _start(self) -> None:
        for number in range(1, self._settings.workers + 1):
            self._workers[number] = await _Worker.start(number, self._settings, self._handlers)
        try:
            await self._together.start([worker.channel for worker in self._workers.values()])
        except Gone:
            raise ModelError(
                Phase.LOAD,
                Reason.LOAD_FAILED,
                "A worker process ended before it could load a model.",
                "Its log tells why; without one, look whether the memory limit was reached.",
            ) from None

    async def _keep(self, number: int) -> None:
        """Look after one worker, and after those that take its place."""
        tries = 0
        while True:
            worker = self._workers[number]
            code = await self._watch(worker)
            self._together.leave(worker.channel)
            self._totals.leave(number)
            steady = asyncio.get_running_loop().time() - worker.begun > STEADY
            tries = 0 if steady else min(tries + 1, len(PAUSES) - 1)
            log.error("WorkerEnded", extra={"fields": {"worker": number, "code": code, "pause": PAUSES[tries]}})
            await asyncio.sleep(PAUSES[tries])
            await self._replace(number)

    async def _replace(self, number: int) -> None:
        """Start a worker and let it join; one that cannot is ended, and its keeper sees that."""
        try:
            worker = self._workers[number] = await _Worker.start(number, self._settings, self._handlers)
        except OSError as error:  # no process, no memory, no file to be had at this moment
            log.error("WorkerNotReady", extra={"fields": {"worker": number, "reason": cause_name(error)}})
            return  # the keeper finds the old one ended, and tries again after a longer pause
        try:
            await self._together.join(worker.channel)
        except (Gone, ModelError) as error:
            told = {"reason": error.reason, "message": error.message} if isinstance(error, ModelError) else {}
            log.error("WorkerNotReady", extra={"fields": {"worker": number, **told}})
            worker.signal(signal.SIGKILL)
        else:
            log.info("WorkerReady", extra={"fields": {"worker": number}})

    async def _watch(self, worker: _Worker) -> int:
        """The worker's exit code, once it has ended; one whose event loop stands still is ended."""
        ended = asyncio.ensure_future(worker.ended())
        try:
            while not (await asyncio.wait({ended}, timeout=LOOK))[0]:
                if not await worker.answers():
                    log.error("WorkerHung", extra={"fields": {"worker": worker.number, "seconds": HUNG}})
                    worker.signal(signal.SIGKILL)
            return ended.result()
        finally:
            ended.cancel()

    async def _metrics(self) -> str:
        """Of all workers, and of this process."""
        in_service = {number: one for number, one in self._workers.items() if one.channel in self._together.workers}

        async def collect(number: int, worker: _Worker) -> None:
            with contextlib.suppress(TimeoutError, Gone, ModelError):
                self._totals.told(number, await asyncio.wait_for(worker.channel.call("collect"), SCRAPE))

        await asyncio.gather(*(collect(number, worker) for number, worker in (in_service or self._workers).items()))
        return self._totals.text(len(in_service)).decode()

    async def _drain(self, received: signal.Signals) -> int:
        """Let every worker finish what it has in flight, within a bound."""
        log.info("Draining", extra={"fields": {"signal": received.name}})
        workers = list(self._workers.values())
        ending = asyncio.gather(*(worker.ended() for worker in workers))
        loop = asyncio.get_running_loop()
        bound = loop.time() + max(self._settings.timeout + DRAIN_SLACK, 13.0)  # gRPC takes at least 10 s and a grace
        while not ending.done() and loop.time() < bound:
            for worker in workers:
                worker.signal(received)
            again = asyncio.ensure_future(self._signals.get())
            await asyncio.wait((ending, again), timeout=bound - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            again.cancel()
        log.info("Stopped", extra={"fields": {"drained": ending.done()}})
        codes = ending.result() if ending.done() else [0]
        return max(code if code > 0 else 0 for code in codes)

    def _told(self) -> dict[str, Any]:
        return {
            "models": [source.name for source in self._settings.models],
            "workers": len(self._workers),
            "compiled": is_compiled,
        }
