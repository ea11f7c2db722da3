"""`modelmoor-operator`: settings, the health door, kopf, the elector and the workers, wired together."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from modelmoor_operator import handlers, logs
from modelmoor_operator.cache import Cache
from modelmoor_operator.cluster import Cluster, connect
from modelmoor_operator.errors import Fenced, OperatorError
from modelmoor_operator.fence import Fence
from modelmoor_operator.health import Health
from modelmoor_operator.leader import Elector
from modelmoor_operator.memory import keep_small
from modelmoor_operator.queue import BACKGROUND, WorkQueue
from modelmoor_operator.reconcile import Reconciler
from modelmoor_operator.report import Reporter
from modelmoor_operator.resync import Resyncer
from modelmoor_operator.rights import LEASE_NAME, await_rights
from modelmoor_operator.rivals import Rivals
from modelmoor_operator.served import Served, discover, until_changed
from modelmoor_operator.settings import Settings, SettingsError, load
from modelmoor_operator.throttle import TokenBucket
from modelmoor_operator.worker import Workers

log = logging.getLogger("modelmoor_operator")


def main() -> None:
    """Parse the command line and run until SIGTERM."""
    arguments = _parser().parse_args()
    try:
        settings = load(arguments.settings)
    except SettingsError as error:
        sys.exit(f"modelmoor-operator: {error}")
    logs.configure(settings.log_level)
    try:
        sys.exit(asyncio.Runner(loop_factory=uvloop.new_event_loop).run(run(settings, arguments)))
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelmoor-operator",
        description="Reconciles ModelDeployments into Deployments, Services and autoscalers.",
        epilog="In a cluster the Helm chart starts it. By hand: modelmoor-operator run --kubeconfig ~/.kube/config",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("run", help="run the operator until SIGTERM")
    start.add_argument("--settings", type=Path, metavar="FILE", help="settings file; without one the defaults hold")
    start.add_argument("--kubeconfig", metavar="FILE", help="how to reach the API server from outside a cluster")
    start.add_argument("--health-port", type=int, default=8081, help="port of /healthz, /readyz and /metrics (8081)")
    start.add_argument(
        "--namespace",
        default=os.environ.get("POD_NAMESPACE", "default"),
        help="namespace of the Lease (POD_NAMESPACE, else default)",
    )
    return parser


async def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """Run every part until one of them ends; returns the exit code."""
    fence = Fence()
    configuration = await connect(arguments.kubeconfig)
    configuration.connection_pool_maxsize = 20
    cluster = Cluster(configuration, fence, TokenBucket(settings.api_qps, settings.api_burst, time.monotonic))
    start = _Start()
    rivals = None if settings.watch_namespaces else Rivals(cluster, namespace=arguments.namespace)
    health = Health(start.problem)
    await health.start(arguments.health_port)
    stop = asyncio.Event()

    def listen() -> None:
        """Hear SIGTERM; again once kopf runs, which takes the signals for itself: the Lease is to be released first."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    listen()
    stopping = asyncio.create_task(stop.wait())
    try:
        checking = asyncio.create_task(_check(cluster, settings, arguments.namespace, rivals, start))
        await asyncio.wait([checking, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            checking.cancel()
            return 0
        served = checking.result()
        cache, queue = Cache(), WorkQueue(time.monotonic)
        resyncer = Resyncer(
            cluster,
            cache,
            queue.add,
            kinds=served.watched,
            namespaces=settings.watch_namespaces,
            seconds=settings.resync_seconds,
        )
        identity = f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        now = lambda: datetime.now(UTC)  # noqa: E731 - a clock is an argument everywhere else
        reporter = Reporter(cluster, cache, identity, now)
        reconciler = Reconciler(cluster, cache, settings, reporter, now, served=served)
        workers = Workers(queue, reconciler, count=settings.workers)

        def lead() -> None:
            for key in cache.models():
                queue.add(key, BACKGROUND)
            workers.start()

        elector = Elector(
            cluster, fence, namespace=arguments.namespace, name=LEASE_NAME, identity=identity, started=lead
        )
        start.proceed(resyncer)
        registry = handlers.registry(cache, queue, resyncer, configuration, served.children)
        parts = [
            asyncio.create_task(handlers.reflect(registry, settings.watch_namespaces, listen), name="kopf"),
            asyncio.create_task(resyncer.run(), name="resync"),
            asyncio.create_task(_elect(elector, resyncer), name="elector"),
            asyncio.create_task(until_changed(cluster, served, seconds=settings.resync_seconds), name="discovery"),
            asyncio.create_task(keep_small(), name="memory"),
        ]
        if rivals:
            watching = rivals.until_older(lambda: elector.leading, seconds=settings.resync_seconds)
            parts.append(asyncio.create_task(watching, name="rivals"))
        done, _ = await asyncio.wait([*parts, stopping], return_when=asyncio.FIRST_COMPLETED)
        code = _verdict(done, stop)
        await workers.stop()
        await elector.release()
        stopping.cancel()
        # kopf last: it takes every task that is younger than its own for hung, and waits for it
        for part in reversed(parts):
            part.cancel()
            await asyncio.wait([part], timeout=5)
        return code
    finally:
        await health.stop()
        await cluster.close()


class _Start:
    """Why this replica is not ready yet: the checks first, then the first lists."""

    def __init__(self) -> None:
        self._problem = "the rights of this account were not checked yet"
        self._resyncer: Resyncer | None = None

    def tell(self, problem: str) -> None:
        self._problem = problem

    def proceed(self, resyncer: Resyncer) -> None:
        self._resyncer = resyncer

    def problem(self) -> str:
        if self._resyncer is None:
            return self._problem
        return "" if self._resyncer.synced else "not every kind was listed yet"


async def _check(
    cluster: Cluster, settings: Settings, own_namespace: str, rivals: Rivals | None, start: _Start
) -> Served:
    """What the cluster serves; waits until this account may do what that asks for, and nobody else does it."""
    while True:
        try:
            served = await discover(cluster)
            break
        except OperatorError as error:
            log.warning("the served kinds cannot be asked for", extra={"error": str(error)})
            await asyncio.sleep(2)
    await await_rights(cluster, served.all, settings.watch_namespaces, own_namespace)
    if rivals:
        await rivals.await_none(start.tell)
    return served


async def _elect(elector: Elector, resyncer: Resyncer) -> None:
    """Stand for election once the caches are full: a leader that knows nothing would read everything one by one."""
    while not resyncer.synced:
        await asyncio.sleep(0.05)
    await elector.run()


def _verdict(done: Iterable[asyncio.Task[Any]], stop: asyncio.Event) -> int:
    for task in done:
        error = task.exception() if not task.cancelled() else None
        if error is not None and not isinstance(error, Fenced):
            log.error("a part of the operator ended", extra={"part": task.get_name()}, exc_info=error)
            return 1
    if not stop.is_set():
        log.info("a part of the operator ended", extra={"parts": [task.get_name() for task in done]})
    return 0


if __name__ == "__main__":
    main()
