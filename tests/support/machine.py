"""Finds and starts what stands outside Python: the project's own scripts provide every program."""

import os
import signal
import socket
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "tests" / "cluster" / "infra"


@cache
def tool(name: str) -> Path:
    """The path of kube, kubectl, helm, kind or versitygw; built from source where there is none (minutes, once)."""
    subprocess.run([INFRA / "servers.sh"] if name == "versitygw" else [INFRA / "tools.sh", name], check=True)
    folder = subprocess.run([INFRA / "tools.sh", "--bin"], check=True, capture_output=True, text=True).stdout.strip()
    return Path(folder) / name


@cache
def program(*named: str) -> Path:
    """The path of a program that program.sh builds, such as ("kubernetes", "1.30") or ("kstatus",)."""
    ran = subprocess.run([INFRA / "program.sh", *named], check=True, stdout=subprocess.PIPE, text=True)
    return Path(ran.stdout.strip())


def end_cleanly_when_told() -> None:
    """SIGTERM ends this process as Ctrl-C does: what it started is stopped, and nothing is left behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """This process's environment, less the proxies and kubeconfigs that would lead a test elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST")}
    return kept | {"PYTHONWARNINGS": "default"} | more
