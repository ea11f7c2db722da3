"""A control plane with a real KEDA, apart from the others: where KEDA's kinds are served, the operator differs."""

from collections.abc import Iterator

import pytest

from controlplane.conftest import account, audit, namespace
from support.account import Account
from support.control_plane import ControlPlane
from support.control_plane import control_plane as started
from support.keda import Keda
from support.keda import keda as with_keda
from support.operator import Operator
from support.operator import operator as running

__all__ = ["account", "audit", "namespace"]


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """Its autoscaler looks every second, where Kubernetes' own looks every 15."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KCM_ARGS", "--horizontal-pod-autoscaler-sync-period=1s")
        with started() as plane:
            yield plane


@pytest.fixture(scope="session", autouse=True)
def keda(control_plane: ControlPlane) -> Iterator[Keda]:
    """KEDA's operator, metrics server and admission webhooks."""
    with with_keda(control_plane) as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def operator(control_plane: ControlPlane, account: Account, keda: Keda) -> Iterator[Operator]:
    """A leading replica, started where KEDA is served already."""
    with running(account.kubeconfig, namespace=account.namespace) as replica:
        yield replica
