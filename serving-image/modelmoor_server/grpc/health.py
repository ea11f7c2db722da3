"""`grpc.health.v1.Health`: the process under the empty name and under its services' names, each model by its own."""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any

from modelmoor_server.errors import UnknownModel
from modelmoor_server.grpc.calls import Caller
from modelmoor_server.grpc.messages import message_class, parsed
from modelmoor_server.grpc.streams import only
from modelmoor_server.repository import Repository

POLL_SECONDS = 0.25  # of a Watch; the state of a model may change in more than one place
_Request, _Response = (
    message_class("grpc.health.v1.HealthCheckRequest"),
    message_class("grpc.health.v1.HealthCheckResponse"),
)
_Status: Any = _Response.DESCRIPTOR.enum_types_by_name["ServingStatus"].values_by_name


class Health:
    """services: the names that stand for the whole process."""

    def __init__(self, repository: Repository, services: Collection[str]) -> None:
        self._repository = repository
        self._services = frozenset(services) | {""}

    async def check(self, request: bytes, caller: Caller) -> bytes:
        """The state of a service or a model. Raises UnknownModel, which is NOT_FOUND."""
        status = self._status(parsed(_Request, request).service)
        if status == "SERVICE_UNKNOWN":
            raise UnknownModel("No service or model of this name is here.")
        return _answer(status)

    async def watch(self, requests: AsyncIterator[bytes], caller: Caller) -> AsyncIterator[bytes]:
        """The state at once, and again whenever it has changed."""
        service = parsed(_Request, await only(requests)).service
        told = None
        while True:
            status = self._status(service)
            if status != told:
                yield _answer(status)
                told = status
            if caller.closing.is_set():
                return
            await asyncio.sleep(POLL_SECONDS)

    def _status(self, service: str) -> str:
        entry = self._repository.entries.get(service)
        if entry is None and service not in self._services:
            return "SERVICE_UNKNOWN"
        ready = self._repository.ready if entry is None else entry.inference is not None
        return "SERVING" if ready else "NOT_SERVING"


def _answer(status: str) -> bytes:
    data: bytes = _Response(status=_Status[status].number).SerializeToString()
    return data
