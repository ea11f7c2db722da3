"""Two replicas and much to do: at no time do both write."""

import signal
from datetime import datetime
from threading import Thread

import pytest

from support.account import account
from support.audit import Audit
from support.control_plane import ControlPlane
from support.manifests import model, seen
from support.operator import operator as running
from support.waiting import eventually

pytestmark = pytest.mark.controlplane
MODELS = 30


def test_writes_of_two_replicas_never_overlap(control_plane: ControlPlane, namespace: str) -> None:
    """The leader is killed in the middle of a burst: the other one's first write comes after its last, and finishes."""
    assert control_plane.audit_log is not None
    accounts = [account(control_plane, name) for name in ("burst-one", "burst-two")]
    first, second = (Audit(control_plane.audit_log, each.user) for each in accounts)
    names = [f"m{number}" for number in range(MODELS)]
    with running(accounts[0].kubeconfig, namespace=accounts[0].namespace) as leader:
        with running(accounts[1].kubeconfig, namespace=accounts[1].namespace, lead=False):
            objects = [model(name) for name in names]
            applying = Thread(target=lambda: control_plane.apply(*objects, namespace=namespace))
            applying.start()
            eventually(lambda: len(first.writes(namespace)) > MODELS, seconds=20, why=leader.logs)
            leader.signal(signal.SIGKILL)
            leader.process.wait(10)
            before = len(control_plane.names("poddisruptionbudget", namespace))
            applying.join()
            for name in names:
                control_plane.eventually("mdep", name, seen, namespace=namespace, seconds=40)

    assert before < MODELS, "the burst was over before the leader died: nothing was tested"
    assert len(control_plane.names("poddisruptionbudget", namespace)) == MODELS
    assert max(moments(first, namespace)) < min(moments(second, namespace))


def moments(audit: Audit, namespace: str) -> list[datetime]:
    """When each write to a namespace arrived at the API server."""
    return [
        datetime.fromisoformat(event["requestReceivedTimestamp"])
        for event in audit.events()
        if event["verb"] not in ("get", "list", "watch")
        and (event.get("objectRef") or {}).get("namespace") == namespace
    ]
