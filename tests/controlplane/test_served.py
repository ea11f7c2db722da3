"""Kinds that a cluster may not serve: the operator runs without them, and starts anew when one of them comes."""

from collections.abc import Iterator

import pytest

from modelmoor_operator.kinds import OPTIONAL_KINDS, PROMETHEUS_RULE, Kind
from support.account import Account
from support.audit import Audit
from support.control_plane import ControlPlane
from support.operator import operator as running
from support.waiting import eventually

pytestmark = pytest.mark.controlplane


@pytest.fixture
def absent(control_plane: ControlPlane) -> Iterator[Kind]:
    """An optional kind that this API server does not serve at first."""
    kind = PROMETHEUS_RULE
    yield kind
    control_plane.kubectl("delete", "crd", f"{kind.plural}.{kind.group}", "--ignore-not-found")


def serve(plane: ControlPlane, kind: Kind) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    plane.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{kind.plural}.{kind.group}"},
            "spec": {
                "group": kind.group,
                "scope": "Namespaced",
                "names": {"plural": kind.plural, "kind": kind.kind, "singular": kind.kind.lower()},
                "versions": [{"name": kind.version, "served": True, "storage": True, "schema": schema}],
            },
        }
    )
    plane.kubectl("wait", "--for=condition=Established", f"crd/{kind.plural}.{kind.group}")


def test_a_kind_that_appears_is_noticed(
    control_plane: ControlPlane, account: Account, audit: Audit, absent: Kind
) -> None:
    """The process ends with 0 and says which kind came; the next one watches it."""
    assert absent in OPTIONAL_KINDS
    with running(account.kubeconfig, namespace=account.namespace, resyncSeconds=1) as replica:
        assert absent.plural not in {event["objectRef"]["resource"] for event in audit.events() if "objectRef" in event}
        serve(control_plane, absent)
        eventually(lambda: replica.process.poll() is not None, seconds=30, why=replica.logs)
        assert replica.process.returncode == 0
        assert f'"came": ["{absent.kind}"]' in replica.logs()

    audit.mark()
    with running(account.kubeconfig, namespace=account.namespace):

        def watched() -> set[str]:
            return {event["objectRef"]["resource"] for event in audit.events() if event["verb"] == "watch"}

        eventually(lambda: absent.plural in watched(), seconds=10, why=lambda: f"{watched()}")
