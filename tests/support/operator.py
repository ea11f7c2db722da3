"""The operator as a process of its own, as it runs in a pod."""

import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.machine import environment, free_port
from support.waiting import eventually


@dataclass
class Operator:
    """One replica."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def http(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def metric(self, line: str) -> float:
        """The value of one series, by its name and labels as they are printed."""
        found = [row for row in self.http("/metrics")[1].splitlines() if row.startswith(line + " ")]
        return float(found[0].rsplit(" ", 1)[1]) if found else 0.0

    @property
    def leading(self) -> bool:
        return self.metric('leader_election_master_status{name="modelmoor-operator"}') == 1.0

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def stop(self) -> int:
        """End it as a node does: SIGTERM, and SIGKILL for one that stays. Returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def logs(self) -> str:
        return self.log.read_text()


@contextmanager
def operator(
    kubeconfig: Path, *, namespace: str = "default", ready: bool = True, lead: bool = True, **settings: Any
) -> Iterator[Operator]:
    """Start a replica, wait until it is ready (and leads), and end it with SIGTERM afterwards.

    `namespace` is the Lease's; `settings` are the keys of the settings file.
    """
    with tempfile.TemporaryDirectory(prefix="modelmoor-operator-") as folder:
        config, log = Path(folder) / "settings.yaml", Path(folder) / "log"
        config.write_text(yaml.safe_dump(settings))
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "modelmoor_operator", "run", "--settings", config),
                    *("--kubeconfig", kubeconfig, "--health-port", str(port), "--namespace", namespace),
                ],
                stderr=output,
                stdout=output,
                env=environment(),
            )
        replica = Operator(process, port, log)
        try:
            if ready:
                eventually(lambda: replica.http("/readyz")[0] == 200, seconds=30, why=replica.logs)
            if ready and lead:
                eventually(lambda: replica.leading, seconds=30, why=replica.logs)
            yield replica
        finally:
            if process.poll() is None:
                replica.signal(signal.SIGCONT)
                replica.stop()
