"""Parent and worker call each other: one JSON object a line, over a socket that only the two of them have."""

import asyncio
import itertools
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from modelmoor_server.errors import ModelError, Phase, Reason, cause_name
from modelmoor_server.tasks import Tasks

log = logging.getLogger("modelmoor_server.workers")
LINE_LIMIT = 64 * 1024 * 1024  # bytes: the metrics of many models

Handler = Callable[..., Awaitable[Any]]


class Gone(Exception):
    """The other process has ended, or ended before it answered."""


class Channel:
    """One end. handlers: what the other end may call, by name; they take and return what JSON can carry.

    A ModelError that a handler raises is raised by the other end's `call`.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._tasks = Tasks()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._ended = True

    async def open(self, sock: socket.socket) -> None:
        """From now on the other end can be called."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=sock, limit=LINE_LIMIT)
        self._ended = False

    async def run(self) -> None:
        """Serve the other end's calls, until it has ended."""
        try:
            while line := await self._reader.readline():
                self._take(json.loads(line))
        except ConnectionError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Hang up; calls that wait raise Gone."""
        self._ended = True
        self._tasks.cancel()
        for call in self._calls.values():
            if not call.done():
                call.set_exception(Gone())
        self._writer.close()

    async def call(self, name: str, *arguments: Any) -> Any:
        """What the other end's handler returns. Raises Gone, and ModelError where the handler did."""
        if self._ended:
            raise Gone
        number = next(self._numbers)
        answered = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"call": number, "name": name, "arguments": arguments})
            return await answered
        finally:
            del self._calls[number]

    def _take(self, message: dict[str, Any]) -> None:
        if "call" in message:
            self._tasks.start(self._answer(message["call"], message["name"], message["arguments"]))
            return
        waiting = self._calls.get(message["answer"])
        if waiting is None or waiting.done():  # the caller stopped waiting
            return
        failure = message.get("failure")
        if failure is None:
            waiting.set_result(message["value"])
        else:
            waiting.set_exception(ModelError.of(failure))

    async def _answer(self, number: int, name: str, arguments: list[Any]) -> None:
        try:
            value = await self._handlers[name](*arguments)
        except ModelError as error:
            self._send({"answer": number, "failure": error.told})
        except Gone:
            self._fail(number, "A worker ended before it had answered.")
        except Exception as error:  # noqa: BLE001 - the edge: the other end must not wait for ever
            log.error("WorkerCallFailed", extra={"fields": {"call": name, "exception": cause_name(error)}})
            self._fail(number, f"A worker's own code raised {cause_name(error)}.")
        else:
            self._send({"answer": number, "value": value})

    def _fail(self, number: int, sentence: str) -> None:
        hint = "Try again; the log tells why where it stays like this."
        self._send({"answer": number, "failure": ModelError(Phase.LOAD, Reason.LOAD_FAILED, sentence, hint).told})

    def _send(self, message: dict[str, Any]) -> None:
        if not self._ended:
            self._writer.write(json.dumps(message).encode() + b"\n")
