"""What the hostile tests need of a door: good requests to spoil, a way to send bytes, and a verdict on the answer.

A further door (gRPC, say) is one more entry of DOORS: its `good` documents are spoiled like the others', and its `send`
tells what came back in the words of `Verdict`.
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
    """One request, perhaps spoiled. target, headers: for doors that have them."""

    target: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class Door(Protocol):
    """One protocol of the server."""

    name: str

    def good(self) -> Sequence[tuple[str, Any]]:
        """Requests that are answered: where they go, and their JSON document."""
        ...

    def send(self, server: Started, sending: Sending) -> Verdict: ...


class Rest:
    """A door for JSON over HTTP."""

    def __init__(self, name: str, good: Sequence[tuple[str, Any]]) -> None:
        self.name = name
        self._good = good

    def good(self) -> Sequence[tuple[str, Any]]:
        return self._good

    def send(self, server: Started, sending: Sending) -> Verdict:
        """On a connection of its own, followed by nothing."""
        headers = {"Host": "a", "Content-Length": str(len(sending.body)), "Connection": "close"} | dict(sending.headers)
        head = f"POST {sending.target} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        return judged(exchange(server, (head + "\r\n").encode("utf-8", "surrogateescape") + sending.body))


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
        text=" ".join(f"{answer.headers} {answer.body.decode()}" for answer in found),
    )


_ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
V2 = Rest(
    "v2",
    [
        (
            "/v2/models/iris/infer",
            {
                "id": "42",
                "parameters": {"a": 1},
                "inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP64", "data": _ROWS}],
                "outputs": [{"name": "predict"}, {"name": "predict_proba", "parameters": {"binary_data": False}}],
            },
        ),
        (
            "/v2/models/people/versions/1/infer",
            {
                "inputs": [
                    {"name": "age", "shape": [2], "datatype": "INT64", "data": [20, None]},
                    {"name": "city", "shape": [2, 1], "datatype": "BYTES", "data": ["Rome", None]},
                ]
            },
        ),
        (
            "/v2/models/text/infer",
            {
                "inputs": [
                    {
                        "name": "x",
                        "shape": [1],
                        "datatype": "BYTES",
                        "data": ["day"],
                        "parameters": {"content_type": "str"},
                    }
                ]
            },
        ),
    ],
)
V1 = Rest(
    "v1",
    [
        ("/v1/models/iris:predict", {"instances": _ROWS}),
        ("/v1/models/people:predict", {"instances": [{"age": 20, "city": "Rome"}, {"age": None, "city": "Paris"}]}),
        ("/v1/models/people:predict", {"inputs": {"age": [20, 30], "city": ["Rome", "Paris"]}}),
        ("/v1/models/text/versions/1:predict", {"instances": ["good", "night"]}),
        ("/v1/models/sum:predict", {"signature_name": "serving_default", "inputs": [[1, 2, 3]]}),
    ],
)
DOORS: Sequence[Door] = (V2, V1)


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
