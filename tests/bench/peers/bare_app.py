"""The floor of any Python HTTP server: uvloop and httptools, every body read, a constant answer to each path.

usage: bare_app.py PORT ANSWERS     ANSWERS: a file of JSON, path -> body
"""

import asyncio
import json
import sys
from pathlib import Path

import httptools
import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Connection(asyncio.Protocol):
    """Reads requests and writes the answer to each; nothing is looked at but the path."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._path = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._transport.write(self._answers[self._path])


async def serve(port: int, answers: dict[bytes, bytes]) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(answers), "127.0.0.1", port, backlog=256)
    await server.serve_forever()


if __name__ == "__main__":
    bodies = json.loads(Path(sys.argv[2]).read_text())
    whole = {path.encode(): HEAD % len(body.encode()) + body.encode() for path, body in bodies.items()}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), whole))
