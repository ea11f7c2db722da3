"""The operator's own door: /healthz (the loop turns), /readyz (the caches are full), /metrics."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from modelmoor_operator.metrics import LOOP_LAG

LONGEST_LAG_SECONDS = 5.0


class Health:
    """Serves on one port from before the first list until the process ends."""

    def __init__(self, ready: Callable[[], str]) -> None:
        """`ready` returns an empty text, or why this replica is not ready."""
        self._ready = ready
        self._lag = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> None:
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, None, port).start()
        self._tasks.append(asyncio.create_task(self._measure()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(1.0)
            self._lag = loop.time() - before - 1.0
            LOOP_LAG.set(max(0.0, self._lag))

    async def _healthz(self, _: web.Request) -> web.Response:
        if self._lag > LONGEST_LAG_SECONDS:
            return web.Response(status=503, text=f"the event loop was {self._lag:.1f} s late\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        why_not = self._ready()
        return web.Response(status=503, text=why_not + "\n") if why_not else web.Response(text="ok\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        # ten thousand models are ten thousand series: printing them would hold the loop
        return web.Response(
            body=await asyncio.to_thread(generate_latest), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
