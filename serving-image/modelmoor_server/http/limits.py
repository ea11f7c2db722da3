"""Every bound that holds for a connection and for a request, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. The defaults follow docs/decisions/0006-http-by-httptools.md."""

    head_bytes: int = 16 * 1024
    target_bytes: int = 8 * 1024
    headers: int = 100
    chunk_line_bytes: int = 1024
    chunk_overhead_factor: int = 4  # raw bytes of a chunked body <= factor x body + slack
    chunk_overhead_slack: int = 64 * 1024
    waiting_bytes: int = 64 * 1024  # pipelined bytes held while a request is in work; beyond, reading pauses
    turn_requests: int = 16  # requests of one connection answered before other connections get their turn
    bodies_bytes: int = 256 * 1024 * 1024  # all bodies of the process that are arriving or waiting for a model
    head_seconds: float = 10.0
    body_grace_seconds: float = 5.0
    body_rate: float = 1024.0  # bytes a second, after the grace
    idle_seconds: float = 75.0
    write_seconds: float = 30.0  # a client that takes none of its answer for so long is cut off
    linger_seconds: float = 2.0  # after the last answer: time for the client to close its side first
    linger_bytes: int = 8 * 1024 * 1024
    age_seconds: float = 60.0
    age_jitter: float = 0.2
    connections: int = 1000
    surplus_connections: int = 64  # beyond `connections`: answered for health and metrics alone
    backlog: int = 1024
    sweep_seconds: float = 0.25
    drain_idle_seconds: float = 5.0  # how long a kept connection may take to send its last request
    drain_quiet_seconds: float = 1.0  # no new connection for so long, before the sockets close
