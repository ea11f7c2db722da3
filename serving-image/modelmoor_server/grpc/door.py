"""The gRPC port of a process, opened. Imported on a thread: grpcio, protobuf and numpy come with it."""

from modelmoor_server.control import Control
from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.grpc.limits import Limits
from modelmoor_server.grpc.services import methods
from modelmoor_server.grpc.transport import PortTaken, Server
from modelmoor_server.metrics import Counters
from modelmoor_server.repository import Repository
from modelmoor_server.settings import Settings


async def open_door(
    port: int,
    settings: Settings,
    repository: Repository,
    counters: Counters,
    control: Control,
    *,
    reuse_port: bool,
) -> tuple[Server, int]:
    """Listen; the server and its port. reuse_port: with other processes. Raises ModelError where it cannot be had."""
    limits = Limits(settings.timeout, settings.connection_age, settings.grpc_limit, reuse_port=reuse_port)
    server = Server(methods(repository, counters, control), limits)
    try:
        return server, await server.start(port)
    except PortTaken:
        raise ModelError(
            Phase.LOAD,
            Reason.INVALID_SETTINGS,
            f"Port {port} cannot be listened on for gRPC.",
            "Choose another one with --grpc-port or MODELMOOR_GRPC_PORT.",
        ) from None
