"""What the charts render, without a cluster."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from support.machine import ROOT, tool

CHART = ROOT / "charts/modelmoor"

Object = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm and keep what it says."""
    return subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, check=False, timeout=60)


def render(*options: str, chart: Path = CHART, release: str = "modelmoor") -> str:
    """What the chart renders, without a cluster; a helm built from source knows no Kubernetes version of its own."""
    done = helm("template", release, str(chart), "-n", "modelmoor-system", "--kube-version", "1.30.0", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(*options: str, **where: Any) -> list[Object]:
    """The rendered objects."""
    return [document for document in yaml.safe_load_all(render(*options, **where)) if document]
