"""What the transports have in common: the interface, and what a failed call is told."""

import logging
from typing import Protocol

from modelmoor_server.errors import RequestError, bare, cause_name
from modelmoor_server.grpc.calls import Status, status_of
from modelmoor_server.inference import traced

log = logging.getLogger("modelmoor_server.grpc")


class PortTaken(Exception):
    """The port cannot be listened on."""


class Transport(Protocol):
    """The gRPC port of the process. Made and used on the event loop."""

    async def start(self, port: int) -> int:
        """Listen on every address, IPv6 and IPv4; the port, which for 0 is a free one. Raises PortTaken."""
        ...

    async def drain(self, quiet: float | None = None) -> bool:
        """Take calls until none comes any more, then finish what is in flight. Tells whether all of it was.

        quiet: seconds without a new call before the port closes.
        """
        ...

    async def stop(self) -> None:
        """Cut off what is left."""
        ...


def told(error: Exception) -> tuple[Status, str]:
    """Status and sentence of a failed call; the text of a stranger's exception stays here."""
    if isinstance(error, RequestError):
        return status_of(error), str(bare(error))
    log.error("RequestFailed", extra={"fields": traced(error)})
    return Status.INTERNAL, f"The server's code raised {cause_name(error)}: its log tells where."
