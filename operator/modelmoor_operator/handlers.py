"""kopf's door: watch events go into the cache and the queue. Handlers await nothing and write nothing.

Only `on.event` is used: kopf then puts no annotation, finalizer or event on anybody's object (measured; operator.md 0).
"""

import asyncio
import datetime
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory
from kubernetes.aio import client

from modelmoor_operator.cache import Cache, owner_key
from modelmoor_operator.kinds import CHILD_KINDS, MANAGED_BY, MODEL_DEPLOYMENT, Kind
from modelmoor_operator.queue import BACKGROUND, CHILD, LIVE, NEW, WorkQueue
from modelmoor_operator.resync import Resyncer

_TOKEN_MINUTES = 10


class _NoDiffBase(kopf.DiffBaseStorage):
    """kopf would copy every body twice to find differences that nobody asks for."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """There is no handler whose progress would be kept."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


class _Forgetful(ResourceMemories):
    """kopf would keep 2 KiB about each object for handlers that we do not have: 120 MiB for ten thousand models."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        return await super().recall(raw_body, **options | {"ephemeral": True})


class EndlessJitter:
    """Pauses between tries to reach the API server: 1, 2, 4 up to 30 s, a fifth more or less, without end."""

    def __iter__(self) -> Iterator[float]:
        pause = 1.0
        while True:
            yield pause * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
            pause = min(pause * 2, 30.0)


def operator_settings() -> kopf.OperatorSettings:
    """kopf as a plain reflector: no peering, no scanning, no posting, small pages, endless patience."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.watching.chunk_size = 100
    settings.watching.server_timeout = random.randint(540, 660)  # noqa: S311 - spreads relists
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = EndlessJitter()
    settings.queueing.idle_timeout = 0.2
    settings.queueing.exit_timeout = 2
    settings.process.ultimate_exiting_timeout = 25
    for kind in CHILD_KINDS:
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = MANAGED_BY
    for name in ("kopf.objects", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return settings


def registry(
    cache: Cache, queue: WorkQueue, resyncer: Resyncer, configuration: client.Configuration, children: Sequence[Kind]
) -> kopf.OperatorRegistry:
    """The whole list of handlers: a login and one event handler for each watched kind."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await connection_info(configuration)

    def on_model(type: str | None, body: kopf.Body, **_: Any) -> None:
        metadata = body["metadata"]
        key = (metadata["namespace"], metadata["name"])
        known = cache.knows(MODEL_DEPLOYMENT, *key)
        if type is None and known:
            resyncer.relisted(MODEL_DEPLOYMENT)
        gone = type == "DELETED"
        changed = cache.remove(MODEL_DEPLOYMENT, body) if gone else cache.upsert(MODEL_DEPLOYMENT, dict(body))
        if changed:
            queue.add(key, BACKGROUND if type is None else LIVE if known else NEW)

    kopf.on.event(*_selector(MODEL_DEPLOYMENT), registry=handlers, id="model")(_coroutine(on_model))

    for kind in children:

        def on_child(type: str | None, body: kopf.Body, kind: Kind = kind, **_: Any) -> None:
            metadata = body["metadata"]
            place = metadata["namespace"], metadata["name"]
            if type is None and cache.knows(kind, *place):
                resyncer.relisted(kind)
            # whoever had it before hears of it, too: without owner references a label is all that ties a child
            owners = {owner_key(body), cache.owner(kind, *place)}
            changed = cache.remove(kind, body) if type == "DELETED" else cache.upsert(kind, dict(body))
            for owner in owners:
                if changed and owner is not None:
                    queue.add(owner, BACKGROUND if type is None else CHILD)

        kopf.on.event(*_selector(kind), registry=handlers, id=f"child-{kind.plural}")(_coroutine(on_child))
    return handlers


async def reflect(registry: kopf.OperatorRegistry, namespaces: Sequence[str], listen: Callable[[], None]) -> None:
    """Run kopf until it ends or is cancelled; `listen` is called once kopf has taken the signals for itself."""
    before = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=operator_settings(),
        standalone=True,
        memories=_Forgetful(),
        # only peering would use it, and kopf's own guess fails for a UID without an entry in /etc/passwd
        identity="modelmoor-operator",  # type: ignore[arg-type]  # a NewType of str that kopf does not export
        clusterwide=not namespaces,
        namespaces=list(namespaces),
    )
    listen()
    await kopf.run_tasks(tasks, ignored=before)


async def connection_info(configuration: client.Configuration) -> kopf.ConnectionInfo:
    """kopf's credentials out of the client's, to be asked for again before a token runs out."""
    token = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
    scheme, _, secret = (token or "").rpartition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        ca_data=configuration.ca_cert_data,
        insecure=not configuration.verify_ssl,
        scheme=scheme or ("Bearer" if secret else None),
        token=secret or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        expiration=datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=_TOKEN_MINUTES),
    )


def _selector(kind: Kind) -> Sequence[str]:
    return (kind.group, kind.version, kind.plural) if kind.group else (kind.version, kind.plural)


def _coroutine(handler: Any) -> Any:
    """kopf runs plain functions in threads; these are quick, and the cache belongs to the loop."""

    async def run(**arguments: Any) -> None:
        handler(**arguments)

    return run
