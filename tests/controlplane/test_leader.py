"""One replica leads; another takes over when it ends, dies or freezes, and never do two of them write."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.account import Account, account
from support.audit import Audit
from support.control_plane import ControlPlane
from support.manifests import model, seen
from support.operator import Operator
from support.operator import operator as running
from support.waiting import eventually

pytestmark = pytest.mark.controlplane

HANDED_OVER_SECONDS = 3.0
TAKEN_OVER_SECONDS = 17.0
SLACK_SECONDS = 3.0
"""What a busy machine may add before the test counts it as ours."""


@dataclass(frozen=True)
class Replica:
    """A replica with an account of its own, so that the audit log tells the two apart."""

    operator: Operator
    audit: Audit


@pytest.fixture(scope="module")
def accounts(control_plane: ControlPlane) -> tuple[Account, Account]:
    return account(control_plane, "first"), account(control_plane, "second")


@pytest.fixture
def pair(control_plane: ControlPlane, accounts: tuple[Account, Account]) -> Iterator[tuple[Replica, Replica]]:
    """A leader and a standby whose caches are full."""
    assert control_plane.audit_log is not None
    first, second = accounts
    one, two = (Audit(control_plane.audit_log, each.user) for each in accounts)
    with running(first.kubeconfig, namespace=first.namespace) as leader:
        with running(second.kubeconfig, namespace=second.namespace, lead=False) as standby:
            yield Replica(leader, one), Replica(standby, two)


def takes_over(replica: Replica, seconds: float) -> None:
    eventually(lambda: replica.operator.leading, seconds=seconds + SLACK_SECONDS, why=replica.operator.logs)


def works(plane: ControlPlane, namespace: str, name: str) -> None:
    """A new model becomes its objects."""
    plane.apply(model(name), namespace=namespace)
    plane.eventually("mdep", name, seen, namespace=namespace)
    plane.eventually("deployment", name, lambda _: True, namespace=namespace)


def test_a_leader_that_ends_hands_over_at_once(
    control_plane: ControlPlane, namespace: str, pair: tuple[Replica, Replica]
) -> None:
    """The standby is ready and writes nothing; after SIGTERM it leads within seconds, and the leader exits with 0."""
    leader, standby = pair
    works(control_plane, namespace, "one")
    assert not standby.operator.leading
    assert standby.operator.http("/readyz")[0] == 200
    assert standby.audit.writes() == []

    leader.operator.signal(signal.SIGTERM)
    takes_over(standby, HANDED_OVER_SECONDS)

    assert leader.operator.process.wait(10) == 0
    assert "Traceback" not in leader.operator.logs()
    works(control_plane, namespace, "two")


def test_a_leader_that_dies_is_replaced_when_its_lease_ends(
    control_plane: ControlPlane, namespace: str, pair: tuple[Replica, Replica]
) -> None:
    """After SIGKILL nothing is released: the standby waits for the Lease to run out, and not much longer."""
    leader, standby = pair
    leader.operator.signal(signal.SIGKILL)
    leader.operator.process.wait(10)

    takes_over(standby, TAKEN_OVER_SECONDS)

    works(control_plane, namespace, "one")


def test_a_leader_that_freezes_writes_nothing_when_it_wakes(
    control_plane: ControlPlane, namespace: str, pair: tuple[Replica, Replica]
) -> None:
    """Stopped with work at hand, replaced, woken: it finds that it no longer leads, and exits without one write."""
    leader, standby = pair
    works(control_plane, namespace, "one")
    leader.operator.signal(signal.SIGSTOP)
    control_plane.kubectl("-n", namespace, "delete", "service", "one", "--wait=false")
    control_plane.apply(model("two"), namespace=namespace)
    takes_over(standby, TAKEN_OVER_SECONDS)
    control_plane.eventually("service", "one", lambda _: True, namespace=namespace)
    leader.audit.mark()

    control_plane.kubectl("-n", namespace, "delete", "service", "one", "--wait=false")
    leader.operator.signal(signal.SIGCONT)

    assert leader.operator.process.wait(20) == 1
    assert leader.audit.writes() == []
    control_plane.eventually("service", "one", lambda _: True, namespace=namespace)
