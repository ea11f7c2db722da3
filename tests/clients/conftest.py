"""One real server, the in-process answers, and the clients' scripts, each run once in its own environment."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from unit.serving.process import Started, started

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = Path(
    os.environ.get("MODELMOOR_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelmoor"
)
MODELS = ("iris.joblib", "rents.joblib", "text.joblib", "net.keras", "half.keras")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


class Answers:
    """What the cases of one script gave."""

    def __init__(self, cases: dict[str, Any]) -> None:
        self._cases = cases

    def __getitem__(self, case: str) -> Any:
        """The answer of a case that must have gone well."""
        result = self._cases[case]
        assert "answer" in result, result["trace"]
        return result["answer"]

    def raised(self, case: str) -> tuple[str, str]:
        """Kind and text of the exception that the client raised."""
        result = self._cases[case]
        assert "raised" in result, f"no exception, but {result['answer']}"
        return result["raised"], result["text"]


@pytest.fixture(scope="session")
def made() -> Path:
    """The folder of truth.py: models and truth.json, made once for each content of what makes them."""
    shaping = [HERE / "truth.py", *(ROOT / "examples" / name / "train.py" for name in ("iris", "rents"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in shaping))
    for package in ("scikit-learn", "pandas", "numpy", "joblib", "keras", "tensorflow-cpu"):
        digest.update(f"{package} {metadata.version(package)}\n".encode())
    kept = CACHE / "clients" / f"truth-{digest.hexdigest()[:12]}"
    if not (kept / "truth.json").exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            run([sys.executable, str(HERE / "truth.py"), str(new)], QUIET)
            new.rename(kept)
    return kept


@pytest.fixture(scope="session")
def truth(made: Path) -> dict[str, Any]:
    """truth.json: inputs and in-process answers by model."""
    known: dict[str, Any] = json.loads((made / "truth.json").read_text())
    return known


@pytest.fixture(scope="session")
def server(made: Path) -> Iterator[Started]:
    """A server process of all models of truth.py, ready."""
    models = [word for file in MODELS for word in ("--model", f"{file.partition('.')[0]}={made / file}")]
    with started(["serve", *models, "--http-port", "0", "--grpc-port", "0"], QUIET) as process:
        process.event("Ready")
        yield process


@pytest.fixture(scope="session")
def singles(made: Path) -> Iterator[dict[str, str]]:
    """Servers of one model each, which may be unloaded: their addresses by the model's name."""
    with ExitStack() as both:
        servers = {
            name: both.enter_context(
                started(["serve", "--model", f"{name}={made / name}.joblib", "--http-port", "0", "--repository-api"])
            )
            for name in ("iris", "rents")
        }
        for process in servers.values():
            process.event("Ready")
        yield {name: f"127.0.0.1:{process.port}" for name, process in servers.items()}


@pytest.fixture(scope="session")
def ask(server: Started, singles: dict[str, str], truth: dict[str, Any]) -> Callable[[str], Answers]:
    """`ask("triton/over_rest.py")`: that script's cases, run in that folder's environment; once a session."""
    address = f"127.0.0.1:{server.port}"
    grpc = f"127.0.0.1:{server.event('ListeningGrpc')['port']}"
    facts = {"http": address, "url": f"http://{address}", "grpc": grpc, "singles": singles, **truth}

    @cache
    def answers(script: str) -> Answers:
        python = run([str(HERE / "env.sh"), script.partition("/")[0]]).strip()
        environment = QUIET | {"PYTHONPATH": str(HERE / "common")}
        return Answers(json.loads(run([python, "-W", "ignore", str(HERE / script)], environment, json.dumps(facts))))

    return answers


def run(command: list[str], environment: Mapping[str, str] = MappingProxyType({}), stdin: str = "") -> str:
    """A program's standard output; its standard error is the failure's text."""
    whole = {key: value for key, value in os.environ.items() if not key.startswith("MODELMOOR_")} | dict(environment)
    if "MODELMOOR_CACHE" in os.environ:
        whole["MODELMOOR_CACHE"] = os.environ["MODELMOOR_CACHE"]
    ended = subprocess.run(command, input=stdin, env=whole, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, f"{command} ended with exit code {ended.returncode}:\n{ended.stderr[-4000:]}"
    return ended.stdout


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One table: client, door, how many of its cases are right."""
    rows: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            labels = dict(report.user_properties)
            if "client" in labels and (report.when == "call" or outcome != "passed"):
                rows[labels["client"], labels["door"]][outcome] += 1
    if not rows:
        return
    terminalreporter.section("clients")
    lines = [("client", "door", "result"), *((*key, _result(counts)) for key, counts in sorted(rows.items()))]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    for client, door, result in lines:
        terminalreporter.write_line(f"{client:<{widths[0]}}  {door:<{widths[1]}}  {result}")


@pytest.fixture(autouse=True)
def _labels(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Which client and door a test is about, from its module; the table reads it."""
    for label in ("CLIENT", "DOOR"):
        if hasattr(request.module, label):
            record_property(label.lower(), getattr(request.module, label))


def _result(counts: dict[str, int]) -> str:
    right, all_of_them = counts.get("passed", 0), sum(counts.values())
    return f"{right} of {all_of_them} as in process" if right == all_of_them else f"{right} of {all_of_them}: FAILED"
