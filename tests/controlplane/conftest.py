"""One real control plane for all tests of this folder, and a namespace of its own for each test."""

import itertools
from collections.abc import Iterator

import pytest

from support.account import Account
from support.account import account as chart_account
from support.audit import Audit
from support.control_plane import ControlPlane
from support.control_plane import control_plane as started
from support.operator import Operator
from support.operator import operator as running

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """etcd, API server and controllers, with the CRD."""
    with started() as plane:
        yield plane


@pytest.fixture(scope="session")
def account(control_plane: ControlPlane) -> Account:
    """The operator's ServiceAccount with exactly the chart's rules."""
    return chart_account(control_plane, "tests")


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, account: Account) -> Iterator[Operator]:
    """A leading replica for the tests of one file."""
    with running(account.kubeconfig, namespace=account.namespace) as replica:
        yield replica


@pytest.fixture
def audit(control_plane: ControlPlane, account: Account) -> Audit:
    """What the operator's account wrote since this test began."""
    assert control_plane.audit_log is not None
    return Audit(control_plane.audit_log, account.user)


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace that nobody else uses."""
    name = f"test-{next(_numbers)}"
    control_plane.kubectl("create", "namespace", name)
    control_plane.eventually("serviceaccount", "default", lambda _: True, namespace=name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")
