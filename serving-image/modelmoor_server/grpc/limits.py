"""Every bound of the gRPC port, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. request_seconds: how long a request may take.

    age_seconds: streams are asked to come anew at this age, and connections at this age at the latest.
    """

    request_seconds: float
    age_seconds: float = 60.0
    message_bytes: int = 64 * 1024 * 1024
    metadata_bytes: int = 16 * 1024
    streams: int = 128  # calls at a time on one connection; a client's library lets further ones wait
    calls: int = 1000  # at a time, in all
    ping_seconds: float = 10.0  # a client that pings more often is told to calm down
    keepalive_seconds: float = 60.0  # a connection that is silent for so long is asked whether it is still there
    keepalive_grace: float = 20.0
    turn_seconds: float = 3.0  # of a connection: a drain lasts as long; a new one costs half a millisecond of a core
    drain_quiet_seconds: float = 1.0  # no new call for so long, before the port closes
    reuse_port: bool = False  # a port that is taken must be told, not shared, but among the workers of one server

    @property
    def drain_seconds(self) -> float:
        """After SIGTERM: seconds after which we stop in any case."""
        return max(self.request_seconds + 1.0, 10.0)

    @property
    def connection_seconds(self) -> float:
        """The age of a connection: so low that each one in use ends by itself, and loses nothing, within a drain.

        grpcio cannot be told to ask for another connection at a moment of our choice, and its stop cuts off what
        arrives before the client has heard of it: measured, nearly every client that was busy lost a call.
        """
        return min(self.age_seconds, self.turn_seconds)  # grpc adds up to 10 %

    @property
    def native_grace_seconds(self) -> float:
        """The same for a transport that knows when a caller has heard of it: streams are told at the connection's age,
        and a call that came until then may take its time."""
        return 0.2 * self.age_seconds + self.request_seconds + 5.0

    @property
    def age_grace_seconds(self) -> float:
        """How long an aged connection may work off its calls: a stream that began on it at the last moment ages by
        itself, and its last request may take its time."""
        return self.age_seconds + 0.2 * self.connection_seconds + self.request_seconds + 1.0
