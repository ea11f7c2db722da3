"""A server that runs: started on core 0, asked until its first right answer, checked, stopped."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import grpc

from bench import processes
from bench.models import Model
from bench.protocols import INFER, Request, answer, request
from bench.servers import Server, Setting
from support.machine import free_port

CORE = 0
PATIENCE = 120.0  # seconds for a start
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1"
)
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONUNBUFFERED": "1"}


class CannotServe(RuntimeError):
    """Why a server is not measured: it cannot be installed or started, or it answers wrong."""


@dataclass
class Running:
    """A started server. started: seconds from its start to its first right answer. sizes: bytes of its gRPC answers."""

    server: Server
    model: Model
    process: subprocess.Popen[bytes]
    setting: Setting
    log: Path
    started: float = 0.0

    def port(self, protocol: str) -> int:
        return self.setting.grpc if protocol == "grpc" else self.setting.http

    def check(self, protocol: str, rows: int) -> int:
        """Bytes of the answer's body, of gRPC with its five first ones. Raises CannotServe where it is not right."""
        asked = request(protocol, self.model, rows)
        try:
            status, headers, body = _ask(protocol, asked, self.port(protocol))
            if status != "200":
                raise CannotServe(f"{protocol}, {rows} rows: answered {status}: {_short(body)}")
            wrong = self.model.differs(answer(protocol, headers, body), rows)
        except (OSError, HTTPException, ValueError) as error:
            raise CannotServe(f"{protocol}, {rows} rows: {type(error).__name__} {error}") from error
        if wrong:
            raise CannotServe(f"{protocol}, {rows} rows: {wrong}")
        return len(body) + 5 * (protocol == "grpc")

    def engine(self) -> str:
        """By what code our server answers the model, as its metadata says; of the others empty."""
        if self.server.kind != "ours":
            return ""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.setting.http, timeout=30)) as connection:
            connection.request("GET", f"/v2/models/{self.model.name}")
            return connection.getresponse().headers.get("Modelmoor-Engine", "")

    def wait(self) -> None:
        """Until the first right answer. Raises CannotServe."""
        begun, why = time.monotonic(), CannotServe("no answer")
        while time.monotonic() - begun < PATIENCE:
            if self.process.poll() is not None:
                raise CannotServe(f"ended with exit code {self.process.returncode}: {self.tail()}")
            try:
                self.check(self.server.protocols[0], 1)
            except CannotServe as error:
                why = error
                time.sleep(0.02)
            else:
                self.started = time.monotonic() - begun
                return
        raise CannotServe(f"not ready in {PATIENCE:.0f} s: {why}; {self.tail()}")

    def tail(self) -> str:
        """The last line that it wrote, and where the rest is."""
        lines = self.log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"]
        return f"{lines[-1][-200:]} ({self.log})"


@contextlib.contextmanager
def running(server: Server, model: Model, logs: Path) -> Iterator[Running]:
    """The server, ready; stopped with all its processes at the block's end. Raises CannotServe."""
    python = interpreter(server.environment)
    with tempfile.TemporaryDirectory(prefix="mb-", ignore_cleanup_errors=True) as folder:
        setting = Setting(model, python, Path(folder), free_port(), free_port(), free_port())
        command = server.command(setting)
        log = logs / f"{server.name.replace(' ', '-').replace(',', '')}-{model.name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["taskset", "-c", str(CORE), *command.words],
                env=environment() | dict(command.environment),
                cwd=folder,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        found = Running(server, model, process, setting, log)
        try:
            found.wait()
            yield found
        finally:
            processes.end(process.pid)
            process.wait()


def environment() -> dict[str, str]:
    """What every server gets: this process's environment, less our settings, with one thread for each library.

    Our own server runs as in its image, or not at all.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MODELMOOR_")}
    return clean | ONE_THREAD | QUIET | {"MODELMOOR_COMPILED": "Always"}


@cache
def interpreter(name: str) -> str:
    """The Python of a peer's environment ("": .venv's), which is made where it is missing. Raises CannotServe."""
    if not name:
        return str(Path(__file__).parents[2] / ".venv" / "bin" / "python")
    script = Path(__file__).with_name("env.sh")
    ended = subprocess.run([script, name], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise CannotServe(f"cannot be installed: {(ended.stderr.strip().splitlines() or ['no word why'])[-1]}")
    return ended.stdout.strip()


def _ask(protocol: str, asked: Request, port: int) -> tuple[str, dict[str, str], bytes]:
    if protocol == "grpc":
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                return "200", {}, channel.unary_unary(INFER)(asked.body[5:], timeout=30)
            except grpc.RpcError as error:
                return error.code().name, {}, str(error.details()).encode()
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", asked.path, asked.body, asked.headers)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return str(response.status), headers, response.read()


def _short(body: bytes) -> str:
    return body[:200].decode(errors="replace")
