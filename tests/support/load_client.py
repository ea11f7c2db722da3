"""Load from inside the cluster, on kept and on new connections at once, with a live report on port 9000.

Runs as a pod (support/load.py), so the standard library is all it has. The one argument is JSON:
host, port, path, body; kept, fresh: how many clients of each kind; pause: seconds between two requests of a client.
A failure is a request without a whole 200, whatever the cause: there is no second try.
"""

import asyncio
import json
import sys
import time
from collections import Counter

REPORT_PORT = 9000
TIMEOUT = 30.0


class Load:
    """All clients and what they saw."""

    def __init__(self, settings: dict) -> None:
        self.settings = settings
        self.answered: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.failures: list[str] = []
        self.connections = 0
        self.slowest = 0.0
        self.begun = time.time()
        body = settings["body"].encode()
        head = f"POST {settings['path']} HTTP/1.1\r\nHost: {settings['host']}\r\nContent-Type: application/json\r\n"
        self.requests = {
            kind: f"{head}{close}Content-Length: {len(body)}\r\n\r\n".encode() + body
            for kind, close in (("kept", ""), ("fresh", "Connection: close\r\n"))
        }

    async def client(self, kind: str, number: int) -> None:
        """One client: request after request, on one connection for as long as the server keeps it, or on new ones."""
        pause = self.settings["pause"]
        await asyncio.sleep(pause * number / max(1, self.settings[kind]))
        streams = None
        while True:
            asked = time.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT):
                    streams = await self.ask(kind, streams)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.failed[kind] += 1
                if len(self.failures) < 50:
                    where = "kept" if streams else "new"
                    text = (
                        f"{type(error).__name__} {error} on a {where} connection after {time.monotonic() - asked:.3f} s"
                    )
                    self.failures.append(f"{time.time() - self.begun:.1f} s: {kind} client {number}: {text}")
                if streams:
                    streams[1].close()
                streams = None
                await asyncio.sleep(0.1)
            taken = time.monotonic() - asked
            self.slowest = max(self.slowest, taken)
            await asyncio.sleep(max(0.0, pause - taken))

    async def ask(self, kind: str, streams: tuple | None) -> tuple | None:
        """One request and its answer; returns the connection where it may be used again."""
        if streams is None:
            streams = await asyncio.open_connection(self.settings["host"], self.settings["port"])
            self.connections += 1
        reader, writer = streams
        try:
            writer.write(self.requests[kind])
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
            body = await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        status = head.split(" ", 2)[1]
        if status != "200":
            writer.close()
            raise ValueError(f"HTTP {status} {body[:200].decode(errors='replace')}")
        self.answered[kind] += 1
        self.answers[body.decode()] += 1
        if "connection: close" in head:
            writer.close()
            return None
        return streams

    async def report(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        told = {
            "answered": self.answered,
            "failed": self.failed,
            "failures": self.failures,
            "answers": self.answers,
            "connections": self.connections,
            "slowest": self.slowest,
            "seconds": time.time() - self.begun,
        }
        body = json.dumps(told).encode()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async def run(self) -> None:
        await asyncio.start_server(self.report, "0.0.0.0", REPORT_PORT)
        await asyncio.gather(
            *(self.client(kind, number) for kind in ("kept", "fresh") for number in range(self.settings[kind]))
        )


if __name__ == "__main__":
    asyncio.run(Load(json.loads(sys.argv[1])).run())
