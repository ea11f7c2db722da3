"""Two releases that serve the whole cluster would undo each other's writes for ever: the later one refuses to start.

Every release has its Lease under one name in its own namespace. Who is alive renews it, so two looks tell, and the
clocks of two machines are never compared.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from modelmoor_operator.errors import OperatorError
from modelmoor_operator.kinds import LEASES, Kind
from modelmoor_operator.rights import LEASE_NAME

log = logging.getLogger(__name__)

_BETWEEN_LOOKS = 5.0
"""A leader renews every 2 s."""
_AFTER_START = 10.0

Body = dict[str, Any]


class Lists(Protocol):
    """The call of `cluster.Cluster` that finds Leases."""

    async def list(self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "") -> list[Body]: ...


class Rivals:
    """Other releases in the same cluster. `namespace` is that of our own Lease."""

    def __init__(
        self, cluster: Lists, *, namespace: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._sleep = sleep

    async def await_none(self, tell: Callable[[str], None]) -> None:
        """Wait until no other release is alive; `tell` hears why this one is not ready."""
        while True:
            try:
                others = await self._alive()
            except OperatorError as error:
                log.warning("the Leases cannot be listed", extra={"error": str(error)})
                await self._sleep(2)
                continue
            if not others:
                return
            where = ", ".join(sorted(_namespace(lease) for lease in others))
            text = f"another modelmoor operator runs in namespace {where}; two would undo each other's work"
            tell(text)
            hint = "Uninstall one of the two, or give each of them its own watchNamespaces."
            log.error("this operator writes nothing", extra={"problem": text, "hint": hint})

    async def until_older(self, leading: Callable[[], bool], *, seconds: float) -> None:
        """Return when an older release is alive beside this one, which happens where two start at the same moment."""
        pause = _AFTER_START
        while True:
            await self._sleep(pause)
            if not leading():
                continue
            pause = seconds
            try:
                others = await self._alive()
                own = next((lease for lease in await self._leases() if _namespace(lease) == self._namespace), None)
            except OperatorError as error:
                log.warning("the Leases cannot be listed", extra={"error": str(error)})
                continue
            if own is None or not others:
                continue
            oldest = min(others, key=_age)
            extra = {"other": _namespace(oldest)}
            if _age(oldest) < _age(own):
                log.error("an older modelmoor operator runs in this cluster; this one ends", extra=extra)
                return
            log.warning("a younger modelmoor operator runs in this cluster", extra=extra)

    async def _alive(self) -> list[Body]:
        """The Leases of other namespaces that somebody renews."""
        before = {_namespace(lease): _mark(lease) for lease in await self._others()}
        if not before:
            return []
        await self._sleep(_BETWEEN_LOOKS)
        return [lease for lease in await self._others() if before.get(_namespace(lease)) != _mark(lease)]

    async def _others(self) -> list[Body]:
        found = await self._leases()
        return [
            lease for lease in found if _namespace(lease) != self._namespace and lease["spec"].get("holderIdentity")
        ]

    async def _leases(self) -> list[Body]:
        # the rule names one Lease: it allows a list that asks for no other
        return await self._cluster.list(LEASES, None, fields=f"metadata.name={LEASE_NAME}")


def _namespace(lease: Body) -> str:
    return str(lease["metadata"]["namespace"])


def _mark(lease: Body) -> tuple[object, object]:
    return lease["spec"].get("holderIdentity"), lease["spec"].get("renewTime")


def _age(lease: Body) -> tuple[str, str]:
    """Sorts the oldest first, by the API server's clock."""
    return str(lease["metadata"]["creationTimestamp"]), _namespace(lease)
