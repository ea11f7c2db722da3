"""What a run measured, cell by cell, before anything is summed up."""

from dataclasses import dataclass, field

OURS = "modelmoor"
LIBRARY = "modelmoor, shortcuts forbidden"
FLAT = "modelmoor, flat artefact"
"""Our server as it chooses by itself, answering by the models' own libraries alone, and from flat arrays."""


@dataclass(frozen=True)
class Place:
    """Which server was asked for what: a line of the tables."""

    server: str
    kind: str
    protocol: str
    model: str
    rows: int
    connections: int


@dataclass(frozen=True)
class Cell(Place):
    """One server, one protocol, one case, one round. cpu: seconds of its processes. foreign: cores that others had."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    cpu: float
    foreign: float


@dataclass(frozen=True)
class Alone:
    """A server by itself. ready: seconds to its first right answer. memory: MB after load, of all its processes.

    engine: by what code the model is answered, as our server's metadata says it; of the others empty.
    """

    server: str
    kind: str
    model: str
    ready: float
    memory: float
    engine: str = ""


@dataclass(frozen=True)
class InProcess:
    """The bare call of a model. microseconds: processor time by rows. memory: MB of the process that called once."""

    model: str
    memory: float
    microseconds: dict[int, float]


@dataclass
class Found:
    """Everything that a run measured. problems: what is not measured or does not count, and why."""

    cells: list[Cell] = field(default_factory=list)
    alone: list[Alone] = field(default_factory=list)
    in_process: list[InProcess] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
