"""What is asked of every server: models, rows a request, connections; the whole table, or the essential rows."""

from dataclasses import dataclass

from bench.models import ROWS
from bench.servers import Server


@dataclass(frozen=True)
class Case:
    """One comparison: all servers in turn, round by round. protocols: of those that a server has, these are asked."""

    model: str
    rows: int
    connections: int
    protocols: tuple[str, ...]

    def series(self, servers: list[Server]) -> list[tuple[Server, str]]:
        """Who is asked how."""
        return [
            (server, protocol)
            for server in servers
            if self.model in server.models
            for protocol in server.protocols
            if protocol in self.protocols
        ]

    def __str__(self) -> str:
        connections = f"{self.connections} connection{'s' * (self.connections > 1)}"
        return f"{self.model}, {self.rows} row{'s' * (self.rows > 1)}, {connections}"


CONNECTIONS = (1, 16, 64)
JSON = ("v1", "v2", "own", "constant")


def cases(models: tuple[str, ...], quick: bool) -> list[Case]:
    """In the order in which they are measured, one model after the other."""
    found = []
    for model in models:
        always = (*JSON, "grpc") if model == "iris" else JSON
        full = always if quick else (*always, "binary")
        found += [Case(model, 1, connections, full if connections == 16 else always) for connections in CONNECTIONS]
        if not quick:
            found.append(Case(model, ROWS, 16, full))
    return found


QUICK = ("iris", "forest")
