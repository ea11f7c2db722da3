"""Which optional kinds (KEDA's, the Prometheus operator's) this cluster serves: read at start, frozen for the process.

Rules, watches and children follow from it, so a kind that comes or goes later ends the process, and the Deployment
starts it anew: nobody has to reckon with a set that changes under a pass.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from modelmoor_operator.errors import OperatorError
from modelmoor_operator.kinds import ALL_KINDS, CHILD_KINDS, MODEL_DEPLOYMENT, OPTIONAL_KINDS, Kind

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 5.0


class Discovery(Protocol):
    """The call of `cluster.Cluster` that tells what is served."""

    async def resources(self, root: str) -> frozenset[str]: ...


@dataclass(frozen=True)
class Served:
    """The optional kinds that were served when this process began; `kind in served` asks for one."""

    optional: frozenset[Kind] = frozenset()

    def __contains__(self, kind: Kind) -> bool:
        return kind not in OPTIONAL_KINDS or kind in self.optional

    @property
    def children(self) -> tuple[Kind, ...]:
        """The kinds of children that can exist here."""
        return tuple(kind for kind in CHILD_KINDS if kind in self)

    @property
    def watched(self) -> tuple[Kind, ...]:
        """What is watched and compared: ModelDeployments and the children that can exist here."""
        return (MODEL_DEPLOYMENT, *self.children)

    @property
    def all(self) -> tuple[Kind, ...]:
        """Every kind that the operator touches here."""
        return tuple(kind for kind in ALL_KINDS if kind in self)


async def discover(cluster: Discovery, kinds: Iterable[Kind] = OPTIONAL_KINDS) -> Served:
    """Ask the API server which of `kinds` it serves. Raises `Refused` or `Unreachable` where it gives no answer."""
    wanted = tuple(kinds)
    found = {root: await cluster.resources(root) for root in dict.fromkeys(kind.root for kind in wanted)}
    return Served(frozenset(kind for kind in wanted if kind.plural in found[kind.root]))


async def until_changed(
    cluster: Discovery,
    before: Served,
    *,
    seconds: float,
    kinds: Iterable[Kind] = OPTIONAL_KINDS,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Return once the API server serves other optional kinds than `before`, told twice: it stutters as it starts."""
    wanted = tuple(kinds)
    while True:
        await sleep(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, guards nothing
        try:
            now = await discover(cluster, wanted)
            if now == before:
                continue
            await sleep(_SETTLE_SECONDS)
            if now != await discover(cluster, wanted):
                continue
        except OperatorError as error:
            log.warning("the served kinds cannot be asked for", extra={"error": str(error)})
            continue
        log.info(
            "the cluster serves other kinds than at the start; this replica ends, to be started anew",
            extra={
                "came": sorted(kind.kind for kind in now.optional - before.optional),
                "went": sorted(kind.kind for kind in before.optional - now.optional),
            },
        )
        return
