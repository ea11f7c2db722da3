"""Watches one field of one object throughout, because a dip between two looks would go unseen."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support.control_plane import ControlPlane
from support.machine import tool
from support.waiting import eventually


@contextmanager
def watching(
    plane: ControlPlane, kind: str, name: str, field: str, *, namespace: str
) -> Iterator[Callable[[], list[str]]]:
    """Gives a function that tells every value of `field` (such as `.spec.replicas`) so far, the first one first."""
    command = [tool("kubectl"), "--kubeconfig", plane.kubeconfig, "-n", namespace, "get", kind, name, "--watch"]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([*command, "-o", f"jsonpath={{{field}}}{{'\\n'}}"], stdout=output)

        def told() -> list[str]:
            output.seek(0)
            return output.read().split()

        try:
            eventually(told, seconds=10)
            yield told
        finally:
            process.terminate()
            process.wait(10)
