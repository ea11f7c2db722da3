"""The same predictions without a cluster: each manifest's server runs as a process of this machine, by `moor run`."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from demo.answers import Row, rows
from demo.console import ROOT, Console, DemoError
from demo.models import Trained

from modelmoor_operator.cli import request

_READY_SECONDS = 120.0


def serve_and_ask(console: Console, trained: list[Trained]) -> list[Row]:
    """One model after another: served, asked, stopped."""
    console.step("Without a cluster: moor run serves each manifest on this machine")
    return [row for model in trained for row in _one(console, model)]


def _one(console: Console, model: Trained) -> list[Row]:
    port = _free_port()
    command: list[str | Path] = [
        Path(sys.executable).with_name("moor"), "run", "-f", model.manifest,
        "--set-uri", f"{model.name}={model.artifact}", "--port", str(port),
    ]  # fmt: skip
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as server:
        try:
            base = f"http://127.0.0.1:{port}"
            while not _ready(base):
                if server.poll() is not None:
                    words = server.stdout.read() if server.stdout else ""
                    raise DemoError(f"{model.name} was not served:\n{words[-2000:]}")
                if time.monotonic() - started > _READY_SECONDS:
                    raise DemoError(f"{model.name} is not ready after {_READY_SECONDS:.0f} s")
                time.sleep(0.2)
            console.detail(f"{model.name}: ready after {time.monotonic() - started:.1f} s")
            return rows(model, _post(base + request.path(model.name, model.request), model.request))
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate()


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    prepared = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(prepared, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        with error:
            raise DemoError(
                f"{url} answered HTTP {error.code}: {error.read().decode(errors='replace')[:500]}"
            ) from None


def _ready(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/v2/health/ready", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
