"""A proxy before a real API server, in a thread of its own: plain HTTP on the loopback inside, TLS outside."""

import asyncio
import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from chaos.faults import Call, Fault, Faults, Moment, read_call

_HOP_BY_HOP = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding", "keep-alive")
_SILENCE_SECONDS = 4.0
_STALE_KEPT = 3
_MESSAGES = {
    Fault.CONFLICT: (409, "Conflict", "the object has been modified; please apply your changes to the latest version"),
    Fault.TOO_MANY: (429, "TooManyRequests", "the server has received too many requests"),
    Fault.ERROR: (500, "InternalError", "etcdserver: request timed out"),
    Fault.UNAVAILABLE: (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
}


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Execution:
    """The order to kill the operator at its n-th write to one namespace."""

    write: int
    moment: Moment
    namespace: str
    again: bool = False
    """Once more in the next life, and so on."""
    kills: int = 0


class Proxy:
    """Passes requests on, unless `faults` or an execution say otherwise. The public calls are for other threads."""

    def __init__(self, server: str, authority: str, faults: Faults, pid: Callable[[], int | None]) -> None:
        self.faults = faults
        self.port = 0
        self.writes: list[Call] = []
        self._server = server
        self._authority = authority
        self._pid = pid
        self._execution: Execution | None = None
        self._count = 0
        self._dead: int | None = None
        self._kept: dict[tuple[str, str], list[_Answer]] = {}
        self._open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()

    def execute(self, write: int, moment: Moment, namespace: str, *, again: bool = False) -> Execution:
        """Kill the operator at its `write`-th write from here on that goes to `namespace` (1 is the first)."""
        self._count = 0
        self._execution = Execution(write, moment, namespace, again)
        return self._execution

    def pardon(self) -> None:
        self._execution = None

    def cut_connections(self) -> None:
        """Reset every connection that stands."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for transport in list(self._open):
            transport.abort()
        self.faults.hits["connections cut"] += 1

    async def serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        """Run until `stop`."""
        context = ssl.create_default_context(cafile=self._authority)
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._session:
            app = web.Application(client_max_size=1 << 26)
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            started.set()
            await stop.wait()
            self._cut()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        if isinstance(transport, asyncio.Transport):
            self._open.add(transport)
        call = read_call(request.method, request.path, request.query)
        try:
            return await self._answer(request, call)
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return self._abort(request)  # the API server is away, or the operator is
        finally:
            if isinstance(transport, asyncio.Transport) and (transport.is_closing() or not call.watch):
                self._open.discard(transport)

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        content = await request.read()
        if self._dead is not None and self._dead == self._pid():
            return self._abort(request)  # the kill is on its way: nothing of this life may be written any more
        fault = self.faults.meets(call)
        if fault in _MESSAGES:
            return _refusal(fault)
        if fault is Fault.LOST and self.faults.outage:
            return self._abort(request)
        if call.watch:
            return await self._watch(request, call)
        asked = request.path_qs, request.headers.get("Accept", "")  # a list of metadata alone is no stale whole list
        if call.method == "GET" and self.faults.is_stale(call) and self._kept.get(asked):
            return _response(self._kept[asked][0])
        before = await self._version(request, call) if call.write and self._execution else ""
        answer = await self._forward(request, content)
        changed = answer.status < 300 and (call.method != "PATCH" or _version(answer.body) != before)
        execution = self._count_write(call, changed=changed)
        if call.method == "GET":
            self._kept[asked] = [*self._kept.get(asked, []), answer][-_STALE_KEPT:]
        if execution is not None:
            return await self._kill(request, answer, execution)
        if fault is Fault.SLOW:
            await asyncio.sleep(_SILENCE_SECONDS)
        if fault is not None:
            return self._abort(request)
        return _response(answer)

    def _count_write(self, call: Call, *, changed: bool) -> Execution | None:
        """The execution that is due with this write; an apply that changes nothing counts as none."""
        if not call.write:
            return None
        self.writes.append(call)
        execution = self._execution
        if execution is None or call.namespace != execution.namespace or not changed:
            return None
        self._count += 1
        return execution if self._count == execution.write else None

    async def _version(self, request: web.Request, call: Call) -> str:
        """The resourceVersion of the object that a request is about to change."""
        headers = {"Authorization": request.headers["Authorization"]}
        url = self._server + call.path.removesuffix("/status")
        async with self._session.get(url, headers=headers) as answer:
            return _version(await answer.read())

    async def _kill(self, request: web.Request, answer: _Answer, execution: Execution) -> web.StreamResponse:
        """The n-th write is committed; the operator hears of it or does not, and dies."""
        pid = self._pid()
        self._dead = pid
        response = _response(answer)
        if execution.moment is Moment.ANSWERED:
            await response.prepare(request)
            await response.write_eof()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.faults.hits[f"killed {execution.moment.value}"] += 1
        execution.kills += 1
        self._count = 0
        if not execution.again:
            self._execution = None
        return response if execution.moment is Moment.ANSWERED else self._abort(request)

    async def _forward(self, request: web.Request, content: bytes) -> _Answer:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = self._server + request.path_qs
        async with self._session.request(request.method, url, data=content or None, headers=headers) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            return _Answer(answer.status, kept, await answer.read())

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        timeout = aiohttp.ClientTimeout(total=None)
        url = self._server + request.path_qs
        async with self._session.get(url, headers=headers, timeout=timeout, read_bufsize=1 << 22) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for line in answer.content:
                if call.plural != "leases" and json.loads(line).get("type") in ("ADDED", "MODIFIED", "DELETED"):
                    if self.faults.drops(call):
                        continue
                    await asyncio.sleep(self.faults.wait(call))
                    if self.faults.cuts(call):
                        return self._abort(request)
                await response.write(line)
            await response.write_eof()
        return response

    def _abort(self, request: web.Request) -> web.StreamResponse:
        if isinstance(request.transport, asyncio.Transport):
            request.transport.abort()
        return web.Response(status=502)  # goes nowhere: the connection is gone


def _version(body: bytes) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(body)["metadata"]["resourceVersion"])
    return ""


def _response(answer: _Answer) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


def _refusal(fault: Fault) -> web.Response:
    code, reason, message = _MESSAGES[fault]
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    headers = {"Retry-After": "1"} if fault is Fault.TOO_MANY else {}
    return web.json_response({**status, "message": message, "metadata": {}}, status=code, headers=headers)


@contextmanager
def proxy(server: str, authority: str, faults: Faults, pid: Callable[[], int | None]) -> Iterator[Proxy]:
    """Start one; `pid` tells which process is the operator at present."""
    made = Proxy(server, authority, faults, pid)
    loop = made._loop
    started, stop = threading.Event(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(made.serve(started, stop))

    thread = threading.Thread(target=run, name="chaos-proxy", daemon=True)
    thread.start()
    assert started.wait(10), "the proxy did not start"
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def through(kubeconfig: Path, port: int, path: Path) -> Path:
    """Write a kubeconfig that reaches the same API server by the proxy; its token goes over the loopback alone."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    return path


def quiet(proxy: Proxy, seconds: float, *, limit: float = 30.0) -> bool:
    """Wait until the operator has written nothing for so long; False where it never ends."""
    deadline = time.monotonic() + limit
    count, since = len(proxy.writes), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if len(proxy.writes) != count:
            count, since = len(proxy.writes), time.monotonic()
        elif time.monotonic() - since >= seconds:
            return True
    return False
