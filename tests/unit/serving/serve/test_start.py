"""The start of a serving process: liveness first, then the models, then readiness; or one clear reason."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from unit.serving.process import by_hand, started

pytestmark = pytest.mark.slow

ROW = {"instances": [[0.1, 0.2, 0.3, 0.4]]}


def test_liveness_comes_before_the_model(models: Path) -> None:
    """The process answers its liveness probe while it loads; requests are told to come back; then it is ready."""
    with started(by_hand(models, "iris")) as server:
        live = server.ask("GET", "/v2/health/live")
        early = server.ask("GET", "/v2/health/ready")
        told = server.ask("POST", "/v1/models/iris:predict", ROW)
        metadata = server.ask("GET", "/v2/models/iris")
        server.event("Ready")

        assert live == (200, {"live": True})
        assert early == (503, {"ready": False, "error": "Still loading: iris."})
        assert told == (503, {"error": "Model iris is not ready: Loading."})
        assert metadata[0] == 503
        assert server.ask("GET", "/v2/health/ready") == (200, {"ready": True})
        assert server.ask("POST", "/v1/models/iris:predict", ROW)[0] == 200


def test_nothing_heavy_is_imported_before_the_socket_is_bound() -> None:
    """numpy, prometheus_client and the frameworks come in with the models, on the loading thread."""
    code = "import sys, modelmoor_server.__main__; print([name for name in sys.modules if '.' not in name])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not {"numpy", "prometheus_client", "sklearn", "tensorflow", "obstore", "joblib"} & set(eval(loaded))


def test_one_model_that_fails_ends_the_process(models: Path, tmp_path: Path) -> None:
    """By hand the reason is on standard error, as one line with cause and next step, and the exit code is 1."""
    broken = tmp_path / "broken.joblib"
    broken.write_bytes((models / "iris.joblib").read_bytes()[:300])
    with started([*by_hand(models, "iris"), "--model", f"broken={broken}"]) as server:
        told = server.event("StartFailed")

        assert server.process.wait(60) == 1
        assert (told["reason"], told["level"]) == ("CorruptArtifact", "error")
        assert told["message"]
        assert told["hint"]


@pytest.mark.parametrize(
    ("arguments", "environment", "reason"),
    [
        (["serve", "--model", "m=./nowhere.joblib", "--http-port", "0"], {}, "ModelNotFound"),
        (["serve", "--model", "m=ftp://host/m", "--http-port", "0"], {}, "UnknownScheme"),
        (["serve", "--model", "m", "--http-port", "0"], {}, "InvalidSettings"),
        (["serve"], {}, "InvalidSettings"),
        (["serve"], {"MODELMOOR_MODEL_NAME": "m", "MODELMOOR_TIMEOUT": "never"}, "InvalidSettings"),
        (["fetch"], {}, "InvalidSettings"),
        (["inspect", "./nowhere.joblib"], {}, "ModelNotFound"),
    ],
)
def test_failures(arguments: list[str], environment: dict[str, str], reason: str) -> None:
    """Every failure is one reason of the list, with exit code 1 and no stack trace."""
    with started(arguments, environment) as server:
        assert server.event("StartFailed")["reason"] == reason
        assert server.process.wait(60) == 1
    assert not [line for line in server.log if line["event"] == "Text"]


def test_port_that_is_taken(models: Path) -> None:
    """A port that cannot be had is named."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with started([*by_hand(models, "iris")[:-1], port]) as server:
            assert port in server.event("StartFailed")["message"]
            assert server.process.wait(60) == 1


def _pod(folder: Path, uri: str) -> dict[str, str]:
    return {
        "MODELMOOR_MODEL_NAME": "iris",
        "MODELMOOR_MODEL_URI": uri,
        "MODELMOOR_MODEL_DIR": str(folder / "model"),
        "MODELMOOR_CREDENTIALS_DIR": str(folder / "credentials"),
        "MODELMOOR_HTTP_PORT": "0",
        "MODELMOOR_TERMINATION_LOG": str(folder / "termination-log"),
    }


def test_a_pods_two_containers(models: Path, tmp_path: Path) -> None:
    """`fetch` leaves model and facts, `serve` takes them up: the digest that is served is the one that was fetched."""
    environment = _pod(tmp_path, f"file://{models}/iris.joblib")
    with started(["fetch"], environment) as init:
        assert init.process.wait(60) == 0
    facts: dict[str, Any] = json.loads((tmp_path / "termination-log").read_text())
    with started(["serve"], environment) as server:
        server.event("Ready")
        _, metadata = server.ask("GET", "/v2/models/iris")

        assert metadata["parameters"]["digest"] == facts["digest"]
        assert server.ask("POST", "/v1/models/iris:predict", ROW)[0] == 200
        assert server.stop() == 0


def test_failure_of_a_pod_is_in_its_termination_log(tmp_path: Path) -> None:
    """What the operator reads is one JSON object with phase, reason, message and hint."""
    environment = _pod(tmp_path, f"file://{tmp_path}/nothing.joblib?secret=1")
    told = {}
    for command in ("fetch", "serve"):
        with started([command], environment) as process:
            assert process.process.wait(60) == 1
        told[command] = json.loads((tmp_path / "termination-log").read_text())

    assert {key: failure["reason"] for key, failure in told.items()} == dict.fromkeys(told, "ModelNotFound")
    assert set(told["fetch"]) == {"ok", "phase", "reason", "message", "hint"}
    assert "secret" not in json.dumps(told)


def test_uri_by_hand(models: Path) -> None:
    """By hand a URI is fetched first, into a folder that does not outlive the process."""
    with started(["serve", "--model", f"iris=file://{models}/iris.joblib", "--http-port", "0"]) as server:
        server.event("Ready")

        assert server.ask("POST", "/v1/models/iris:predict", ROW)[0] == 200
        assert server.stop() == 0


def test_help_teaches() -> None:
    """`--help` shows examples, and `serve --help` every variable."""
    for arguments, words in (
        (["--help"], ["examples:", "--model iris="]),
        (["serve", "--help"], ["MODELMOOR_TIMEOUT"]),
    ):
        shown = subprocess.run(
            [sys.executable, "-m", "modelmoor_server", *arguments], capture_output=True, text=True, check=True
        ).stdout

        assert all(word in shown for word in words)


def test_inspect(models: Path) -> None:
    """`inspect` tells what a file is, as JSON."""
    shown = subprocess.run(
        [sys.executable, "-m", "modelmoor_server", "inspect", str(models / "iris.joblib")],
        capture_output=True,
        check=True,
    ).stdout
    told = json.loads(shown)

    assert told["format"] == "sklearn"
    assert told["framework"].startswith("scikit-learn ")
    assert told["digest"].startswith("sha256:")


def test_start_is_quick(models: Path) -> None:
    """The socket answers long before the model is there: what a liveness probe waits for is the interpreter alone."""
    begun = time.monotonic()
    with started(by_hand(models, "iris")) as server:
        server.ask("GET", "/v2/health/live")
        live = time.monotonic() - begun
        server.event("Ready")
        ready = time.monotonic() - begun

    assert live < ready / 2
