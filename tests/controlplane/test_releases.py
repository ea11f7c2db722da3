"""Two releases that serve the whole cluster: one of them stands back, says so, and writes nothing."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from support.account import Account, account
from support.audit import Audit
from support.control_plane import ControlPlane
from support.manifests import model, seen
from support.operator import operator as running
from support.waiting import eventually

pytestmark = pytest.mark.controlplane


@pytest.fixture(scope="module")
def releases(control_plane: ControlPlane) -> Iterator[tuple[Account, Account]]:
    """Each in a namespace of its own, with the chart's rules."""
    both = tuple(account(control_plane, name, namespace=f"{name}-system") for name in ("north", "south"))
    yield both  # type: ignore[misc]
    for release in both:  # an operator of another test would wait until their Leases have expired
        control_plane.kubectl("-n", release.namespace, "delete", "lease", "--all")


def test_a_second_release_refuses_while_the_first_one_runs(
    control_plane: ControlPlane, namespace: str, releases: tuple[Account, Account]
) -> None:
    """Not ready, with the other's namespace in the log, and not one write; it serves as soon as it is alone."""
    north, south = releases
    assert control_plane.audit_log is not None
    with running(north.kubeconfig, namespace=north.namespace) as first:
        audit = Audit(control_plane.audit_log, south.user)
        with running(south.kubeconfig, namespace=south.namespace, ready=False) as second:
            told = "another modelmoor operator runs in namespace north-system"
            eventually(lambda: told in second.http("/readyz")[1], seconds=30, why=second.logs)
            assert second.http("/readyz")[0] == 503
            assert told in second.logs()
            control_plane.apply(model(), namespace=namespace)
            control_plane.eventually("mdep", "iris", seen, namespace=namespace)
            assert audit.writes() == []

            first.stop()
            eventually(lambda: second.leading, seconds=40, why=second.logs)
            control_plane.apply(model("two"), namespace=namespace)
            control_plane.eventually("mdep", "two", seen, namespace=namespace)


def test_of_two_that_start_at_once_the_younger_one_leaves(
    control_plane: ControlPlane, releases: tuple[Account, Account]
) -> None:
    """Neither sees the other before both lead; then the one with the younger Lease ends, with 0, to be started anew."""
    north, south = releases
    for release in releases:
        control_plane.kubectl("-n", release.namespace, "delete", "lease", "--all")
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "modelmoor-operator"}}
    control_plane.apply(lease, namespace=north.namespace)  # older, and nobody's yet
    time.sleep(1)  # creation is told in whole seconds
    with running(south.kubeconfig, namespace=south.namespace) as younger:

        def renewed() -> bool:
            """The part of an operator that took that Lease and renews it."""
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            spec = {"holderIdentity": "north", "leaseDurationSeconds": 15, "renewTime": now}
            patch = json.dumps({"spec": spec})
            control_plane.kubectl(
                "-n", north.namespace, "patch", "lease", "modelmoor-operator", "--type=merge", "-p", patch
            )
            return younger.process.poll() is not None

        eventually(renewed, seconds=60, why=younger.logs, pause=1)
        assert younger.process.returncode == 0
        assert "an older modelmoor operator runs in this cluster" in younger.logs()
