"""The real server as a process of its own, and the real models that it serves in these tests."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

GRPC = ("--grpc-port", "0")
COMMON: dict[str, str] = {}  # the environment of every server, beside what a test gives it
PEOPLE = pd.DataFrame({"age": [20.0, 30.0, 40.0, 50.0] * 5, "city": ["Paris", "Rome"] * 10})


def save_models(folder: Path) -> None:
    """iris: a classifier of a matrix; people: a table; text: one text a row; sum: a regressor of 3 columns."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(60, 4))
    names = np.array(["setosa", "versicolor", "virginica"])
    models = {
        "iris": LogisticRegression(max_iter=500).fit(matrix, names[np.arange(60) % 3]),
        "people": make_pipeline(
            make_column_transformer((SimpleImputer(), ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["city"])),
            LogisticRegression(),
        ).fit(PEOPLE, np.arange(20) % 2),
        "text": make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good day", "bad night"] * 5, [1, 0] * 5),
        "sum": LinearRegression().fit(np.eye(3), [1.0, 2.0, 3.0]),
    }
    for name, model in models.items():
        joblib.dump(model, folder / f"{name}.joblib")


def save_odd_models(folder: Path) -> None:
    """Models that behave badly; their functions are found by the server through PYTHONPATH."""
    from unit.serving.serve import odd

    for name in ("slow", "raising", "burning"):
        step = FunctionTransformer(getattr(odd, name), validate=True)
        joblib.dump(make_pipeline(step, LinearRegression()).fit(*odd.TRAINING), folder / f"{name}.joblib")


def command(pid: int) -> bytes:
    """The command line of a process; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # gone before or after the file was opened
        return b""


@dataclass
class Started:
    """A server process. log: its lines on standard error, parsed, as far as they have come."""

    process: subprocess.Popen[str]
    log: list[dict[str, Any]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    ended: bool = False

    @property
    def port(self) -> int:
        return int(self.event("Listening")["port"])

    @property
    def grpc_port(self) -> int:
        return int(self.event("ListeningGrpc")["port"])

    def event(self, name: str, seconds: float = 60, *, count: int = 1) -> dict[str, Any]:
        """The first log line of an event, or the `count`-th, waited for."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.log if line["event"] == name]

        with self.changed:
            self.changed.wait_for(lambda: self.ended or len(found()) >= count, seconds)
            assert len(found()) >= count, f"not {count} times {name} in {self.log}"
            return found()[count - 1]

    def children(self) -> list[int]:
        """Its child processes, whichever thread started them."""
        found: list[int] = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread may end at any time
                found += map(int, (task / "children").read_text().split())
        return found

    def exchange(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request on a connection of its own: status, headers and body, as they came; no header is added."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, text in {"Content-Length": str(len(body or b"")), **headers}.items():
                connection.putheader(name, text)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] = {}) -> tuple[int, Any]:
        """One request on a connection of its own: status and JSON (or text)."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, data, dict(headers))
            response = connection.getresponse()
            text = response.read()
        return response.status, json.loads(text) if response.headers["content-type"] == "application/json" else text

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal, and the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self.changed:
                self.log.append(json.loads(line) if line.startswith("{") else {"event": "Text", "text": line})
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()


@contextlib.contextmanager
def started(
    arguments: Sequence[str], environment: Mapping[str, str] = {}, module: str = "modelmoor_server"
) -> Iterator[Started]:
    """`modelmoor-server ...` for the time of a `with` block; killed at its end if it is still there.

    module: what is run in its place, which then runs it.
    """
    ours = {key for key in os.environ if key.startswith("MODELMOOR_") and key != "MODELMOOR_COMPILED"}
    clean = {key: value for key, value in os.environ.items() if key not in ours}
    tests = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=clean
        | {"PYTHONPATH": str(tests), "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        | COMMON
        | dict(environment),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    server = Started(process)
    reader = threading.Thread(target=server.read_log)
    reader.start()
    try:
        yield server
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stderr is not None
        process.stderr.close()


def by_hand(folder: Path, *names: str) -> list[str]:
    """The command line that serves models of `save_models` on a free port; add `*GRPC` for a second one."""
    models = [word for name in names for word in ("--model", f"{name}={folder / name}.joblib")]
    return ["serve", *models, "--http-port", "0"]
