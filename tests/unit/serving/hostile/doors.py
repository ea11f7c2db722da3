"""What the hostile tests need of a door: good requests to spoil, a way to send bytes, and a verdict on the answer.

Each door has documents of lists, objects and values (rest_doors.py, grpc_doors.py): they are spoiled all in one way
(spoiling.py), turned into bytes by the door's own `encode`, and what came back is told in the words of `Verdict`.
"""

import contextlib
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from unit.serving.http.harness import Answer, answers
from unit.serving.process import Started

MARKER = "pLaNtEd7731"  # in everything that a caller chooses; must come back nowhere but where it is asked for
TIMEOUT = 30.0  # seconds: whatever was sent, an answer or the end comes within them


@dataclass(frozen=True)
class Verdict:
    """What came back. answered: with a prediction. refused: as the caller's fault. text: all that was told.

    Neither: the server took the fault on itself, or said nothing.
    """

    answered: bool
    refused: bool
    text: str


@dataclass(frozen=True)
class Sending:
    """One request, perhaps spoiled. target: a path. packed: whether it goes with gzip."""

    target: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    packed: bool = False


class Door(Protocol):
    """One protocol of the server.

    good: requests that are answered: where they go, and their documents, which JSON can hold. headers, targets: what
    its requests are spoiled with.
    """

    name: str
    good: Sequence[tuple[str, Any]]
    headers: Sequence[Mapping[str, str]]
    targets: Sequence[str]

    def encode(self, document: Any, *, escaped: bool = True) -> tuple[bytes, Mapping[str, str]]:
        """The body of a document, whatever has become of that, and the headers that belong to it."""
        ...

    def send(self, server: Started, sending: Sending) -> Verdict: ...


def exchange(server: Started, raw: bytes) -> list[Answer]:
    """Send bytes, of which the last request ends the connection, and read all answers until the server closes."""
    data = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(raw)
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(1 << 20):
                data += piece
    return answers(data.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))


def judged(found: Sequence[Answer]) -> Verdict:
    """The verdict on HTTP answers: the worst of them counts. Every error is one JSON object with one sentence."""
    for answer in found:
        if answer.status >= 400:
            assert set(answer.json) == {"error"}, answer
            assert isinstance(answer.json["error"], str), answer
            assert 0 < len(answer.json["error"]) < 1000, answer
    statuses = [answer.status for answer in found]
    return Verdict(
        answered=bool(found) and all(status < 300 for status in statuses),
        refused=any(400 <= status < 500 for status in statuses) and all(status < 500 for status in statuses),
        text=" ".join(f"{answer.headers} {answer.body.decode(errors='replace')}" for answer in found),
    )


@dataclass
class Neighbour:
    """A well-behaved caller on one connection, as long as the server keeps it: its answer never changes."""

    server: Started
    sock: socket.socket | None = None
    expected: tuple[int, bytes] | None = None

    def ask(self) -> None:
        """One small request; fails where the answer differs from the first one."""
        body = json.dumps({"instances": [[1, 2, 3]]}).encode()
        if self.sock is None:
            self.sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=TIMEOUT)
        self.sock.sendall(
            b"POST /v1/models/sum:predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        data = b""
        while not (found := _whole(data)):
            piece = self.sock.recv(65536)
            assert piece, "the neighbour's connection was cut off"
            data += piece
        if found.headers.get("connection") == "close":
            self.close()
        self.expected = self.expected or (200, found.body)
        assert (found.status, found.body) == self.expected

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self.sock = None


def _whole(data: bytes) -> Answer | None:
    try:
        (answer,) = answers(data)
    except (AssertionError, ValueError):
        return None
    return answer
