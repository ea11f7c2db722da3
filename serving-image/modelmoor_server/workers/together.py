"""What the workers do as one: all have a model, or none has it; all open, or none does."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from modelmoor_server import artifact
from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.workers.channel import Gone


class Worker(Protocol):
    """A worker as it is called from here; member.py has the calls. Raises Gone, and ModelError."""

    async def call(self, name: str, *arguments: Any) -> Any: ...


class Together:
    """Leads the workers, one change at a time.

    names: the models that the server was started with. scratch: a folder for what must be fetched; the first worker
    that loads a model fetches it, the others take it from there.
    """

    def __init__(self, names: Iterable[str], scratch: Path) -> None:
        self.workers: list[Worker] = []  # those in service
        self._names = tuple(names)
        self._scratch = scratch
        self._turn = asyncio.Lock()
        self._folders: dict[str, Path] = {}  # of the models in service
        self._digests: dict[str, str] = {}  # of the models in service
        self._loads = 0

    async def start(self, workers: Sequence[Worker]) -> None:
        """Load every model into every worker, then open all of them. The first one answers health meanwhile.

        Raises ModelError.
        """
        async with self._turn:
            await workers[0].call("listen")
            for name in self._names:
                await self._everywhere(name, workers)
            await _each(workers[1:], "listen")
            await _each(workers, "open")
            self.workers = list(workers)

    async def join(self, worker: Worker) -> None:
        """A worker that takes the place of another one: it listens once it has what the others have.

        Raises Gone, and ModelError.
        """
        async with self._turn:
            for name in self._names:
                if name not in self._folders:
                    await worker.call("unload", name)
                    continue
                digest = await worker.call("prepare", name, str(self._folders[name]))
                if self.workers and digest != self._digests[name]:
                    raise _changed(name)
                self._digests[name] = digest
                await worker.call("commit", name)
            await worker.call("listen")
            await worker.call("open")
            self.workers.append(worker)

    def leave(self, worker: Worker) -> None:
        """A worker has ended."""
        if worker in self.workers:
            self.workers.remove(worker)

    async def load(self, name: str) -> None:
        """Load a model, or load it anew, in every worker; where one of them cannot, all keep what they have.

        Raises ModelError.
        """
        async with self._turn:
            await self._everywhere(name, tuple(self.workers))

    async def unload(self, name: str) -> None:
        """Take a model out of service."""
        async with self._turn:
            await _each(tuple(self.workers), "unload", name)
            self._digests.pop(name, None)
            if (folder := self._folders.pop(name, None)) is not None:
                await _remove(folder)

    async def _everywhere(self, name: str, workers: Sequence[Worker]) -> None:
        self._loads += 1
        folder = self._scratch / f"{name}-{self._loads}"

        async def prepare(worker: Worker) -> str:
            digest: str = await worker.call("prepare", name, str(folder))
            return digest

        try:
            digest = await _still_there(prepare, workers[0])
            others = await asyncio.gather(*(_still_there(prepare, one) for one in workers[1:]), return_exceptions=True)
            for outcome in others:
                if isinstance(outcome, BaseException):
                    raise outcome
                if outcome != digest:
                    raise _changed(name)
        except ModelError as failure:
            await _each(workers, "discard", name, failure.told)
            await _remove(folder)
            raise
        await _each(workers, "commit", name)
        before = self._folders.get(name)
        self._folders[name], self._digests[name] = folder, digest
        if before is not None:
            await _remove(before)


async def _each(workers: Iterable[Worker], call: str, *arguments: Any) -> None:
    """Call all of them at once. One that has ended needs nothing: its successor gets what the others have."""

    async def one(worker: Worker) -> None:
        with contextlib.suppress(Gone):
            await worker.call(call, *arguments)

    await asyncio.gather(*map(one, workers))


async def _still_there(step: Callable[[Worker], Awaitable[str]], worker: Worker) -> str:
    try:
        return await step(worker)
    except Gone:
        raise ModelError(
            Phase.LOAD,
            Reason.LOAD_FAILED,
            "A worker process ended while it loaded the model.",
            "It may have needed more memory than there is: each worker holds the model. Try fewer workers, or a "
            "higher memory limit.",
        ) from None


async def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):  # the folder above goes with the process
        await asyncio.to_thread(artifact.remove, folder)


def _changed(name: str) -> ModelError:
    return ModelError(
        Phase.VERIFY,
        Reason.DIGEST_MISMATCH,
        f"The artifact of model {name} changed while the workers loaded it: they would answer differently.",
        "Load it again once it is complete.",
    )
