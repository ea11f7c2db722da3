"""The gRPC port of a process, opened. Imported on a thread: a transport, protobuf and numpy come with it."""

import logging
from collections.abc import Mapping

from modelmoor_server.control import Control
from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.grpc.limits import Limits
from modelmoor_server.grpc.port import PortTaken, Transport
from modelmoor_server.grpc.services import Stream, Unary, methods
from modelmoor_server.metrics import Counters
from modelmoor_server.repository import Repository
from modelmoor_server.settings import Settings

log = logging.getLogger("modelmoor_server.grpc")


class NoTransport(Exception):
    """The transport that was asked for cannot be had."""


def made(choice: str, methods: Mapping[str, Unary | Stream], limits: Limits) -> Transport:
    """The transport of a setting: Auto, Native or Grpcio; the other one is not imported. Raises NoTransport."""
    if choice != "Grpcio":
        try:
            import modelmoor_server.native._http2  # noqa: F401 - whether it can be
        except ImportError:
            if choice == "Native":
                raise NoTransport from None
            log.warning("NativeTransportMissing", extra={"fields": {"consequence": "gRPC goes by grpcio"}})
        else:
            from modelmoor_server.grpc import http2

            return http2.Server(methods, limits)
    from modelmoor_server.grpc import transport

    return transport.Server(methods, limits)


async def open_door(
    port: int,
    settings: Settings,
    repository: Repository,
    counters: Counters,
    control: Control,
    *,
    reuse_port: bool,
) -> tuple[Transport, int]:
    """Listen; the server and its port. reuse_port: with other processes. Raises ModelError where it cannot be had."""
    limits = Limits(settings.timeout, settings.connection_age, settings.grpc_limit, reuse_port=reuse_port)
    try:
        server = made(settings.grpc_transport, methods(repository, counters, control), limits)
        return server, await server.start(port)
    except NoTransport:
        raise ModelError(
            Phase.LOAD,
            Reason.INVALID_SETTINGS,
            "The native gRPC transport is not there: its module was not built, or libnghttp2.so.14 is not installed.",
            "Install both (docs/server.md), or set MODELMOOR_GRPC_TRANSPORT to Auto.",
        ) from None
    except PortTaken:
        raise ModelError(
            Phase.LOAD,
            Reason.INVALID_SETTINGS,
            f"Port {port} cannot be listened on for gRPC.",
            "Choose another one with --grpc-port or MODELMOOR_GRPC_PORT.",
        ) from None
