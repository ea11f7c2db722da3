"""A kind cluster of two nodes and of its own name, made for these tests and deleted after them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine import INFRA, ROOT

sys.path.insert(0, str(ROOT))  # the demo is a plain script at the root: its steps are these tests' steps

from demo import cluster as release
from demo.console import Console

from support.cluster import SYSTEM, Cluster

NAME = "modelmoor-drain"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes that both take pods, and a fresh release in a namespace that admits `restricted` pods alone."""
    try:
        subprocess.run([INFRA / "up.sh", NAME, Path(__file__).with_name("kind-config.yaml")], check=True)
        found = release.found(NAME)
        cluster = Cluster(found.kubeconfig, images=release.images(Console(), NAME))
        taint = "node-role.kubernetes.io/control-plane:NoSchedule-"
        cluster.kubectl("taint", "node", f"{NAME}-control-plane", taint)
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM, "labels": labels}})
        release.install(Console(), found, cluster.images)
        yield cluster
    finally:
        subprocess.run([INFRA / "down.sh", NAME], check=True)
