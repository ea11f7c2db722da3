"""Real processes: a server is started, checked, paused and stopped; what is wrong with one is told."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import processes
from bench.models import Model
from bench.running import CannotServe, running
from bench.servers import SERVERS, Command, Server

pytestmark = pytest.mark.slow
MODEL = Model("iris", Path("iris.joblib"), {"input": np.arange(8.0).reshape(2, 4)}, np.array([1, 2]))
BARE = next(server for server in SERVERS if server.kind == "floor")


def test_a_server_is_measured_and_stopped(tmp_path: Path) -> None:
    """Its answers, memory and processor time are told; a paused one stands still; nothing of it is left."""
    with running(BARE, MODEL, tmp_path) as one:
        root = one.process.pid
        assert one.check("constant", 2) == len('{"predictions":[1,2]}')
        assert 5 < processes.memory(root) < 100
        before = processes.cpu_seconds(root)
        deadline = time.monotonic() + 20
        while processes.cpu_seconds(root) <= before and time.monotonic() < deadline:
            one.check("constant", 1)
        assert processes.cpu_seconds(root) > before
        processes.pause(root)
        time.sleep(0.1)
        assert Path(f"/proc/{root}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        with processes.awake(root):
            one.check("constant", 1)
    assert processes.tree(root) == []


def test_wrong_answers_are_told(tmp_path: Path) -> None:
    """A server that answers 200 with something else is not measured."""
    with (
        running(BARE, MODEL, tmp_path) as one,
        pytest.raises(CannotServe, match="constant, 1 rows: other labels"),
    ):
        replace(one, model=replace(MODEL, answers=np.array([2, 2]))).check("constant", 1)


def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    """The exit code, the last line that it wrote, and where the rest is."""
    words = "import sys; sys.exit('no such library')"
    server = Server("broken", "python", ("v1",), ("iris",), lambda setting: Command([setting.python, "-c", words]))
    with pytest.raises(CannotServe, match=r"exit code 1: no such library \(.*broken-iris.log\)"):
        with running(server, MODEL, tmp_path):
            pass


def test_a_peer_that_cannot_be_installed_is_told(tmp_path: Path) -> None:
    """The reason is that of the script which makes its environment."""
    with pytest.raises(CannotServe, match=r"cannot be installed: env\.sh: no peer is called nobody"):
        with running(replace(BARE, environment="nobody"), MODEL, tmp_path):
            pass
