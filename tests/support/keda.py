"""A real KEDA beside a control plane: its operator, metrics server and webhooks as processes."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.control_plane import ControlPlane
from support.machine import INFRA

SCRIPT = INFRA / "keda.sh"


@dataclass(frozen=True)
class Keda:
    """The processes and where they write their logs."""

    folder: Path

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """KEDA's operator does nothing while the block runs, as when it is down."""
        pid = int((self.folder / "keda.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def logs(self) -> str:
        return (self.folder / "keda.log").read_text()[-4000:]


@contextmanager
def keda(plane: ControlPlane) -> Iterator[Keda]:
    """Start KEDA (built from source where it is missing: ten minutes, once) and end it afterwards."""
    with tempfile.TemporaryDirectory(prefix="modelmoor-keda-") as folder:
        environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig)}
        try:
            subprocess.run([SCRIPT, "start", folder], check=True, env=environment)
            yield Keda(Path(folder))
        finally:
            subprocess.run([SCRIPT, "stop", folder], check=True)
