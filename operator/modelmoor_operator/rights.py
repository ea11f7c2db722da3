"""May this account do what the operator does? Asked once at the start, so that a missing rule is named."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from modelmoor_operator.errors import OperatorError, Refused
from modelmoor_operator.kinds import LEASE, LEASES, Kind

log = logging.getLogger(__name__)

LEASE_NAME = "modelmoor-operator"


class Reviews(Protocol):
    """The call of `cluster.Cluster` that asks for a right."""

    async def may(
        self, kind: Kind, verb: str, namespace: str | None, subresource: str = "", *, name: str = ""
    ) -> bool: ...


async def await_rights(cluster: Reviews, kinds: Sequence[Kind], namespaces: Sequence[str], own_namespace: str) -> None:
    """Ask for every verb on `kinds` in `namespaces` (none: all of them), and wait until this account has all."""
    while True:
        try:
            missing = await _missing(cluster, kinds, namespaces, own_namespace)
        except Refused as error:
            missing = [f"to ask for its own rights ({error.message})"]
        except OperatorError as error:
            log.warning("the API server cannot be asked", extra={"error": str(error)})
            await asyncio.sleep(2)
            continue
        if not missing:
            return
        log.error("this account lacks rights; the chart's rules give them", extra={"missing": missing})
        await asyncio.sleep(10)


async def _missing(cluster: Reviews, kinds: Sequence[Kind], namespaces: Sequence[str], own_namespace: str) -> list[str]:
    missing = []
    for kind in (*kinds, *(() if namespaces else (LEASES,))):
        places: list[str | None] = [own_namespace] if kind is LEASE else [*namespaces] or [None]
        for namespace in places:
            for subresource, verbs in (("", kind.verbs), *kind.subresources):
                for verb in verbs:
                    # the chart gives rights to one Lease alone; a name cannot limit create
                    name = LEASE_NAME if kind in (LEASE, LEASES) and verb != "create" else ""
                    if not await cluster.may(kind, verb, namespace, subresource, name=name):
                        what = f"{kind.plural}.{kind.group or 'core'}" + (f"/{subresource}" if subresource else "")
                        missing.append(f"{verb} {what}" + (f" in namespace {namespace}" if namespace else ""))
    return missing
