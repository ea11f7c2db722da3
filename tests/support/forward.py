"""A port of this machine that leads into the cluster, for as long as a block runs."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.machine import tool


@contextmanager
def forwarded(kubeconfig: Path, namespace: str, target: str, port: int) -> Iterator[int]:
    """kubectl port-forward to `target` (such as service/NAME); gives the local port."""
    place = ("--kubeconfig", kubeconfig, "-n", namespace)
    with subprocess.Popen(
        [tool("kubectl"), *place, "port-forward", target, f":{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            first = child.stdout.readline()
            assert "->" in first, f"no way to {target}: {child.stderr.read()}"
            yield int(first.split("->")[0].rsplit(":", 1)[1])
        finally:
            child.terminate()
