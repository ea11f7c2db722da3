"""The ways to ask. A new door is a class with a name and `connect`; the doors over HTTP/1.1 share `HttpDoor`."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from soak.models import Served


@dataclass(frozen=True)
class Question:
    """Rows `begin` to `end` of a model's pool, and the outputs that are wanted; none: the default ones."""

    model: Served
    begin: int
    end: int
    outputs: tuple[str, ...]

    @property
    def expected(self) -> tuple[str, ...]:
        """The outputs that must come, in this order."""
        return self.outputs or self.model.outputs[:1]


class Refused(Exception):
    """The answer is no prediction: the status and the server's sentence."""


class Session(Protocol):
    """One caller's connection. It is asked one question at a time."""

    async def ask(self, question: Question) -> dict[str, Any]:
        """Arrays (or flat lists) by output, in the order of the answer. Raises Refused and OSError."""
        ...

    async def close(self) -> None: ...


class Door(Protocol):
    """One way to ask. any_outputs: whether a question may name outputs."""

    name: str
    any_outputs: bool

    async def connect(self, port: int) -> Session: ...


class HttpDoor:
    """A door over HTTP/1.1 and JSON: what differs are paths and bodies."""

    name: str
    any_outputs: bool

    async def connect(self, port: int) -> "HttpSession":
        return HttpSession(self, port)

    def request(self, question: Question) -> tuple[str, bytes, bytes]:
        """Path, further header lines and body."""
        raise NotImplementedError

    def answer(self, question: Question, headers: dict[bytes, bytes], body: bytes) -> dict[str, Any]:
        raise NotImplementedError


class HttpSession:
    """A kept connection, opened again where the server closed it by age."""

    def __init__(self, door: HttpDoor, port: int) -> None:
        self._door = door
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, question: Question) -> dict[str, Any]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 26)
        reader, writer = self._streams
        path, more, body = self._door.request(question)
        writer.write(
            b"POST %b HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b"
            % (path.encode(), more, len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        start, *lines = head[:-4].split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        body = await reader.readexactly(int(headers[b"content-length"]))
        if headers.get(b"connection") == b"close":
            await self.close()
        if start[9:12] != b"200":
            raise Refused(f"{start[9:12].decode()} {body[:200].decode()}")
        return self._door.answer(question, headers, body)

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class V2(HttpDoor):
    """Open Inference Protocol, JSON; the data flat or nested."""

    any_outputs = True

    def __init__(self, *, nested: bool) -> None:
        self.name = "v2 nested" if nested else "v2 flat"
        self._nested = nested

    def request(self, question: Question) -> tuple[str, bytes, bytes]:
        tensors = []
        for name, (datatype, array) in question.model.inputs.items():
            part = question.model.lists[name][question.begin : question.end]
            if not self._nested and array.ndim > 1:
                part = [value for row in part for value in row]
            shape = [question.end - question.begin, *array.shape[1:]]
            tensors.append({"name": name, "datatype": datatype, "shape": shape, "data": part})
        body: dict[str, Any] = {"inputs": tensors, "id": f"{question.model.name}-{question.begin}"}
        if question.outputs:
            body["outputs"] = [{"name": name} for name in question.outputs]
        return f"/v2/models/{question.model.name}/infer", b"", orjson.dumps(body)

    def answer(self, question: Question, headers: dict[bytes, bytes], body: bytes) -> dict[str, Any]:
        document = orjson.loads(body)
        if document.get("id") != f"{question.model.name}-{question.begin}":
            raise Refused("200 with another request's id")
        return {output["name"]: output["data"] for output in document["outputs"]}


class V1(HttpDoor):
    """KServe's v1: rows (`instances`) or columns (`inputs`); it has no word for outputs."""

    any_outputs = False

    def __init__(self, *, columns: bool) -> None:
        self.name = "v1 columns" if columns else "v1 rows"
        self._columns = columns

    def request(self, question: Question) -> tuple[str, bytes, bytes]:
        model = question.model
        parts = {name: values[question.begin : question.end] for name, values in model.lists.items()}
        if self._columns:
            body: dict[str, Any] = {"inputs": parts if model.table else next(iter(parts.values()))}
        elif model.table:
            body = {"instances": [dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True)]}
        else:
            body = {"instances": next(iter(parts.values()))}
        return f"/v1/models/{model.name}:predict", b"", orjson.dumps(body)

    def answer(self, question: Question, headers: dict[bytes, bytes], body: bytes) -> dict[str, Any]:
        return {question.model.outputs[0]: orjson.loads(body)["predictions"]}


DOORS: tuple[Door, ...] = (V2(nested=False), V2(nested=True), V1(columns=False), V1(columns=True))
