"""Models come into service and leave it: one at a time, off the event loop, at start and by the repository API.

A load never takes an answer away: the model in service is replaced once the new one has made its first predict, and a
load that fails leaves it where it is. What was submitted to a model that leaves is still answered.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelmoor_server import artifact
from modelmoor_server.errors import ModelError, Phase, Reason, cause_name
from modelmoor_server.memory import collect_model
from modelmoor_server.metrics import Counters
from modelmoor_server.repository import Repository
from modelmoor_server.settings import ModelSource, Settings

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference

log = logging.getLogger("modelmoor_server.loader")


class Loader:
    """Loads and unloads the models that the process was started with, each from its own source.

    `load` and `unload` are called on the event loop. scratch: a folder for what must be fetched first.
    """

    def __init__(self, settings: Settings, repository: Repository, counters: Counters, scratch: Path) -> None:
        self._settings = settings
        self._sources = {source.name: source for source in settings.models}
        self._repository = repository
        self._counters = counters
        self._scratch = scratch
        self._folders: dict[str, Path] = {}  # where the model in service was fetched to
        self._prepared: dict[str, Inference] = {}
        self._loads = 0
        self._one_load = asyncio.Lock()  # a load may need as much memory as its model again
        self._turns = {name: asyncio.Lock() for name in self._sources}
        self._threads: set[threading.Thread] = set()

    @property
    def busy(self) -> bool:
        """Whether a thread of a load, or of a model that leaves, is at work."""
        return any(thread.is_alive() for thread in self._threads)

    async def load(self, name: str) -> None:
        """Load a model, or load it anew. Raises ModelError, and KeyError for a name that was not given at start."""
        async with self._turns[name], self._one_load:
            self._loads += 1
            folder = self._scratch / f"{name}-{self._loads}"
            try:
                await self.prepare(name, folder)
            except ModelError:
                _remove(folder)
                raise
            self.commit(name, folder)

    async def unload(self, name: str) -> None:
        """Take a model out of service; nothing happens where it is not there. Raises KeyError as `load` does."""
        async with self._turns[name]:
            self._retire(self._repository.unload(name), self._folders.pop(name, None))

    async def prepare(self, name: str, folder: Path) -> str:
        """The first half of a load: the model is in memory and has made its first predict, and waits. Its digest.

        folder: for what must be fetched first; it stays whatever happens. Raises as `load` does.
        """
        self._repository.load(name)
        try:
            inference = self._prepared[name] = await self._loaded(self._sources[name], folder)
        except ModelError as failure:
            self._repository.fail(name, failure)
            raise
        return inference.identity.digest

    def commit(self, name: str, folder: Path | None = None) -> None:
        """The second half: the model takes its place. folder: removed with it."""
        self._retire(self._repository.serve(self._prepared.pop(name)), self._folders.pop(name, None))
        if folder is not None:
            self._folders[name] = folder

    def discard(self, name: str, failure: ModelError) -> None:
        """Instead of the second half, or of both: the model stays as it is. failure: why, for whoever asks."""
        self._retire(self._prepared.pop(name, None), None)
        self._repository.fail(name, failure)

    async def _loaded(self, source: ModelSource, folder: Path) -> "Inference":
        """Load one model on a daemon thread: a loader that hangs must not keep the process from ending."""
        loop = asyncio.get_running_loop()
        counters = self._counters.models[source.name]
        future: asyncio.Future[Inference] = loop.create_future()

        def settle(result: "Inference | None", error: Exception | None) -> None:
            if future.done():
                return
            if result is not None:
                future.set_result(result)
            else:
                future.set_exception(error or AssertionError("neither result nor error"))

        def work() -> None:
            result, failure = None, None
            try:
                from modelmoor_server import loading  # here and not above: it brings numpy

                result = loading.into_service(source, self._settings, counters, folder, loop)
                collect_model()
            except ModelError as error:
                failure = error
            except BaseException as error:  # noqa: BLE001 - the edge: a thread has nobody above it
                failure = ModelError(
                    Phase.LOAD,
                    Reason.LOAD_FAILED,
                    f"Loading the model raised {cause_name(error)}.",
                    "Load the same file in a Python shell with the versions of this image to see the whole error.",
                )
            with contextlib.suppress(RuntimeError):  # the loop may have ended in the meantime
                loop.call_soon_threadsafe(settle, result, failure)
            from modelmoor_server import exposition  # noqa: F401 - prometheus_client for the first scrape

        self._start(work, f"load-{source.name}")
        return await future

    def _retire(self, inference: "Inference | None", folder: Path | None) -> None:
        """Give a model's memory and files back, once its last answer has been made."""
        if inference is None:
            return
        name = inference.identity.name
        inference.retire()
        leaving = [inference]

        def work() -> None:
            leaving[0].wait()
            leaving.clear()
            if folder is not None:
                _remove(folder)
            collect_model()
            log.info("ModelRetired", extra={"fields": {"model": name}})

        # A turn later, when nobody on the loop holds the model any more and the collection can find it.
        asyncio.get_running_loop().call_soon(self._start, work, f"retire-{name}")

    def _start(self, work: Callable[[], None], name: str) -> None:
        self._threads = {thread for thread in self._threads if thread.is_alive()}
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.add(thread)
        thread.start()


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):  # the folder above goes with the process
        artifact.remove(folder)
