"""The load tools: wrk for HTTP/1.1, h2load for gRPC. Each keeps its connections open, one request at a time on each."""

import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.protocols import Request

CORE = 1
"""Where the load tool runs, and the bench itself; servers run on core 0."""

_LUA = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Load:
    """What a load tool saw. p50, p99: milliseconds. refused: answers that are none. broken: connections, time-outs."""

    requests: int
    seconds: float
    p50: float
    p99: float
    refused: int
    broken: int


class LoadFailed(RuntimeError):
    """The load tool ended without figures."""


def run(request: Request, port: int, connections: int, seconds: int, scratch: Path, answer_size: int) -> Load:
    """Ask for some seconds. answer_size: bytes of a right gRPC answer, as `check` gives it. Raises LoadFailed."""
    body = scratch / f"body-{os.getpid()}"
    body.write_bytes(request.body)
    if request.headers.get("te") == "trailers":
        return _h2load(request, body, port, connections, seconds, answer_size)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", str(_LUA)]
    headers = [f"{name}:{value}" for name, value in request.headers.items()]
    return wrk_figures(_output([*command, f"http://127.0.0.1:{port}{request.path}", "--", str(body), *headers]))


def wrk_figures(output: str) -> Load:
    """From the line that post.lua writes. Raises LoadFailed."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            return Load(**json.loads(line))
    raise LoadFailed(f"wrk told no figures: {output[-300:]}")


def h2load_figures(output: str, log: str, seconds: float, answer_size: int) -> Load:
    """From h2load's summary and its file of requests. Raises LoadFailed.

    A gRPC call that fails is a 200 as well, with a status behind it and no message: it shows in the bytes that came.
    """
    requests = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    data = re.search(r"^traffic: .*\((\d+)\) data", output, re.MULTILINE)
    if requests is None or data is None:
        raise LoadFailed(f"h2load told no figures: {output[-300:]}")
    succeeded, failed, _, _ = map(int, requests.groups())
    times = sorted(int(line.split("\t")[2]) / 1000 for line in log.splitlines() if line.split("\t")[1] == "200")
    if not times:
        raise LoadFailed("h2load got no answer")
    empty = max(0, round(succeeded - int(data[1]) / answer_size))
    return Load(succeeded, seconds, times[len(times) // 2], times[len(times) * 99 // 100], empty, failed)


def _h2load(request: Request, body: Path, port: int, connections: int, seconds: int, answer_size: int) -> Load:
    log = body.with_suffix(".log")
    log.unlink(missing_ok=True)
    command = ["h2load", "-t1", f"-c{connections}", "-m1", f"-D{seconds}", "--warm-up-time=0", f"-d{body}"]
    command += [f"--log-file={log}", *(f"-H{name}: {value}" for name, value in request.headers.items())]
    begun = time.monotonic()
    output = _output([*command, f"http://127.0.0.1:{port}{request.path}"])
    took = re.search(r"finished in ([\d.]+)(ms|s)", output)
    whole = float(took[1]) / (1000 if took[2] == "ms" else 1) if took else time.monotonic() - begun
    return h2load_figures(output, log.read_text(), whole, answer_size)


def _output(command: list[str]) -> str:
    pinned = ["taskset", "-c", str(CORE), *command]
    try:
        ended = subprocess.run(pinned, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"{command[0]} did not end") from None
    if ended.returncode:
        said = (ended.stderr or ended.stdout)[-300:]
        raise LoadFailed(f"{command[0]} ended with exit code {ended.returncode}: {said}")
    return ended.stdout
