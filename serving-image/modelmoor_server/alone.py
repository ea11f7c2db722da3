"""One process that serves by itself: its doors open first, then its models are loaded, one after another."""

import logging

from modelmoor_server import is_compiled
from modelmoor_server.loader import Loader
from modelmoor_server.process import Process

log = logging.getLogger("modelmoor_server.serve")


class Alone:
    """The lead of a process without siblings."""

    reuse_port = False
    metrics = None

    def loads(self, loader: Loader) -> Loader:
        """The process's own."""
        return loader

    async def start(self, process: Process) -> None:
        """Health, metrics and the first models answer while the others are loaded. Raises ModelError."""
        await process.listen()
        await process.listen_grpc()
        assert process.loader is not None
        for source in process.settings.models:
            await process.loader.load(source.name)
        if process.repository.draining:
            return  # SIGTERM came meanwhile: nobody was or will be told that it is ready
        told = {"models": list(process.repository.entries), "compiled": is_compiled}
        log.info("Ready", extra={"fields": told})
