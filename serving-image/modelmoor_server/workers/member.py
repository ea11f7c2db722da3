"""A worker: the serving process of process.py, whose models, readiness and metrics are led by the parent."""

import pickle
import signal
import socket
import sys
from pathlib import Path

from modelmoor_server import log
from modelmoor_server.control import Loads
from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.loader import Loader
from modelmoor_server.process import Process, run
from modelmoor_server.repository import OTHERS
from modelmoor_server.settings import Settings
from modelmoor_server.workers.channel import Channel, Gone
from modelmoor_server.workers.totals import Families, portable


class Member:
    """Does what the parent calls for, and passes on what must happen in all workers. sock: the way to the parent."""

    reuse_port = True

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._process: Process
        self._loader: Loader
        self._channel = Channel(
            {
                "prepare": self._prepare,
                "commit": self._commit,
                "discard": self._discard,
                "unload": self._unload,
                "listen": self._listen,
                "open": self._opened,
                "collect": self._collect,
                "ping": self._ping,
            }
        )

    def loads(self, loader: Loader) -> Loads:
        """A load or unload that a caller asks for goes by the parent to every worker."""
        self._loader = loader
        return self

    async def load(self, name: str) -> None:
        """In every worker. Raises ModelError."""
        await self._ask("load", name)

    async def unload(self, name: str) -> None:
        """In every worker. Raises ModelError."""
        await self._ask("unload", name)

    async def metrics(self) -> bytes:
        """Those of all workers. Raises ModelError."""
        text: str = await self._ask("metrics")
        return text.encode()

    async def start(self, process: Process) -> None:
        """Follow the parent; its end is this process's SIGTERM."""
        self._process = process
        process.repository.awaits(OTHERS)
        try:
            await self._channel.open(self._sock)
            await self._channel.run()
        finally:
            process.signals.put_nowait(signal.SIGTERM)

    async def _ask(self, call: str, *arguments: str) -> str:
        try:
            answer: str = await self._channel.call(call, *arguments)
        except Gone:
            raise ModelError(
                Phase.LOAD, Reason.LOAD_FAILED, "The server is ending.", "Ask again; another one may answer."
            ) from None
        return answer

    async def _prepare(self, name: str, folder: str) -> str:
        return await self._loader.prepare(name, Path(folder))

    async def _commit(self, name: str) -> None:
        self._loader.commit(name)

    async def _discard(self, name: str, failure: list[str]) -> None:
        self._loader.discard(name, ModelError.of(failure))

    async def _unload(self, name: str) -> None:
        await self._loader.unload(name)

    async def _listen(self) -> None:
        await self._process.listen()
        await self._process.listen_grpc()

    async def _opened(self) -> None:
        self._process.repository.arrived(OTHERS)

    async def _collect(self) -> Families:
        return portable(self._process.collect())

    async def _ping(self) -> None:
        """The event loop turns."""


def main(fd: int) -> int:
    """Serve as a worker until the parent says so, or has ended. Settings and number come on standard input."""
    settings, number = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    sys.stdin.close()
    assert isinstance(settings, Settings)
    log.configure(worker=number)
    with socket.socket(fileno=fd) as sock:
        sock.setblocking(False)
        return run(settings, lambda: Member(sock))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
