"""`moor run` with the real server: a manifest becomes a process that answers, or a sentence that says why not."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

pytestmark = pytest.mark.slow

MOOR = [sys.executable, "-c", "import sys; from modelmoor_operator.cli import main; sys.exit(main())"]
MANIFEST = """
apiVersion: modelmoor.dev/v1alpha1
kind: ModelDeployment
metadata: {name: twice}
spec:
  model:
    uri: URI
    credentials: {secretRef: {name: store}}
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that doubles `x`."""
    path = tmp_path_factory.mktemp("model") / "twice.joblib"
    joblib.dump(LinearRegression().fit(pd.DataFrame({"x": [0.0, 1.0, 2.0]}), [0.0, 2.0, 4.0]), path)
    return path


def manifest(folder: Path, uri: str = "s3://models/twice.joblib") -> Path:
    path = folder / "modeldeployment.yaml"
    path.write_text(MANIFEST.replace("URI", uri))
    return path


def moor(*arguments: str | Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    command = [*MOOR, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@contextmanager
def running(*arguments: str | Path, environment: dict[str, str] | None = None) -> Iterator[tuple[int, str]]:
    """`moor run` until it says ready: its process id and the URL; it must end well when it is told to."""
    command = [*MOOR, "run", "--port", "0", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | (environment or {})) as child:
        patience = threading.Timer(90, child.terminate)
        patience.start()
        try:
            said = ""
            for line in child.stderr or ():
                said += line
                if " ready at " in line:
                    break
            assert " ready at " in said, said
            yield child.pid, said.rsplit(" ready at ", 1)[1].partition(";")[0]
        finally:
            patience.cancel()
            child.terminate()
            child.communicate(timeout=60)
        assert child.returncode == 0


def test_a_manifest_is_served_asked_and_ended(artifact: Path, tmp_path: Path) -> None:
    """Fetched, loaded, ready, answered, and nothing is left behind: the whole life of `moor run`."""
    work = tmp_path / "tmp"
    work.mkdir()

    with running("-f", manifest(tmp_path), "--set-uri", f"twice={artifact}", environment={"TMPDIR": str(work)}) as (
        _,
        url,
    ):
        v1 = moor("predict", url, "-d", '{"instances": [{"x": 21}]}')
        tensor = {"name": "x", "shape": [1], "datatype": "FP64", "data": [4]}
        v2 = moor("predict", url, "-d", json.dumps({"inputs": [tensor]}))
        wrong = moor("predict", url, "-d", '{"instances": [{"x": "hunter2"}]}')
        held = len(list(work.glob("moor-twice-*")))

    assert json.loads(v1.stdout)["predictions"] == pytest.approx([42.0])
    assert json.loads(v2.stdout)["outputs"][0]["data"] == pytest.approx([8.0])
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert re.match(r"moor: HTTP 400: .*'x'", wrong.stderr)
    assert "hunter2" not in wrong.stderr
    assert held == 1
    assert list(work.glob("moor-*")) == []


def test_a_model_that_is_not_there_ends_with_reason_and_hint(tmp_path: Path) -> None:
    """The server's own words, as they would stand in status.failure."""
    ended = moor("run", "-f", manifest(tmp_path), "--port", "0", "--set-uri", "twice=file:///nowhere/twice.joblib")

    assert ended.returncode == 1
    assert re.search(r"^moor: ModelNotFound: .*\n  hint: ", ended.stderr, re.MULTILINE)
    assert "Traceback" not in ended.stderr


def test_a_file_that_is_no_model_ends_with_its_reason(tmp_path: Path) -> None:
    """Found out from the bytes, before anything is loaded."""
    (tmp_path / "notes.txt").write_text("not a model")

    ended = moor("run", "-f", manifest(tmp_path), "--port", "0", "--set-uri", f"twice={tmp_path / 'notes.txt'}")

    assert ended.returncode == 1
    assert "moor: UnknownFormat: " in ended.stderr


def test_missing_keys_are_told_before_anything_starts(tmp_path: Path) -> None:
    """The manifest names a Secret; without its manifest or a folder of keys the next step is told."""
    ended = moor("run", "-f", manifest(tmp_path), "--port", "0")

    assert ended.returncode == 1
    assert "--credentials DIR" in ended.stderr


def test_a_taken_port_is_told_before_anything_is_fetched(artifact: Path, tmp_path: Path) -> None:
    """Not after a minute of loading."""
    with running("-f", manifest(tmp_path), "--set-uri", f"twice={artifact}") as (_, url):
        port = url.rsplit(":", 1)[1]
        ended = moor("run", "-f", manifest(tmp_path), "--set-uri", f"twice={artifact}", "--port", port)

    assert ended.returncode == 1
    assert ended.stderr == f"moor: port {port} is taken: choose another with --port, or any free one by --port 0\n"


def test_a_name_that_no_manifest_has_is_told(tmp_path: Path) -> None:
    """--set-uri with a slip in the name would otherwise serve the store's model without a word."""
    ended = moor("run", "-f", manifest(tmp_path), "--set-uri", "twise=/tmp/x")

    assert ended.returncode == 1
    assert "--set-uri twise=..." in ended.stderr
