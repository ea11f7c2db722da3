"""An operator on a real API server with the proxy in between, and the ways to wait for it."""

import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.api import Api
from chaos.faults import Faults
from chaos.node import node
from chaos.proxy import Proxy, proxy, quiet, through
from chaos.state import Snapshot, difference, leftovers, snapshot
from chaos.supervisor import Supervisor, supervised
from modelmoor_operator.kinds import MODEL_DEPLOYMENT
from support.account import Account
from support.audit import Audit
from support.control_plane import ControlPlane
from support.manifests import condition
from support.waiting import eventually

QUIET_SECONDS = 0.6
RESYNC_SECONDS = 4
CONVERGE_SECONDS = 120.0

_RESTING = ("ApplyRefused", "QuotaExceeded")
"""Reasons that a model keeps until something outside of it changes."""

_numbers = itertools.count(1)


class Different(AssertionError):
    """The end is another one than without faults."""


@dataclass
class Bench:
    """Everything that a scenario needs."""

    plane: ControlPlane
    api: Api
    faults: Faults
    proxy: Proxy
    operator: Supervisor
    audit: Audit
    namespaces: list[str] = field(default_factory=list)
    _inhabited: list[str] = field(default_factory=list)

    def namespace(self, word: str) -> str:
        """A new one, which stays until the end."""
        name = f"chaos-{word}-{next(_numbers)}x"
        self.api.create_namespace(name)
        self.namespaces.append(name)
        self._inhabited.append(name)
        return name

    def snapshot(self, namespace: str, *, history: bool = True) -> Snapshot:
        return snapshot(self.api, namespace, history=history)

    def settled(self, namespace: str, *, history: bool = True) -> Snapshot:
        """The state once every model is Ready (or stalled for good), what was deleted is gone, and nobody writes."""
        deadline = time.monotonic() + CONVERGE_SECONDS
        while time.monotonic() < deadline:
            quiet(self.proxy, QUIET_SECONDS)
            before = self.snapshot(namespace, history=history)
            models = self.api.objects(MODEL_DEPLOYMENT, namespace)
            if all(_settled(model) for model in models) and not leftovers(self.api, namespace):
                time.sleep(QUIET_SECONDS / 2)
                if self.snapshot(namespace, history=history) == before:
                    return before
        raise Different(f"{namespace} never comes to rest; its state:\n{difference({}, before)}\n{self.last_words()}")

    def reaches(
        self, namespace: str, expected: Snapshot, *, history: bool = True, seconds: float | None = None
    ) -> None:
        """Wait until the state is the expected one; raises `Different` with what still differs."""
        deadline = time.monotonic() + (seconds or CONVERGE_SECONDS)
        while True:
            found = self.snapshot(namespace, history=history)
            if found == expected:
                return
            if time.monotonic() > deadline:
                raise Different(f"{namespace} ends otherwise:\n{difference(expected, found)}\n{self.last_words()}")
            time.sleep(0.15)

    def stays(self, namespace: str, expected: Snapshot, *, history: bool = True) -> None:
        """The state is the expected one and stays so while the operator has nothing more to write."""
        if not quiet(self.proxy, QUIET_SECONDS):
            raise Different(f"the operator never rests in {namespace}: {self.proxy.writes[-5:]}")
        self.reaches(namespace, expected, history=history, seconds=2)

    def clear(self) -> None:
        """Delete every model so far, and wait until its children are gone.

        Else each life of the operator would look after the models of all runs before, and each run take longer.
        """
        done, self._inhabited = self._inhabited, []
        for namespace in done:
            self.api.delete_all(MODEL_DEPLOYMENT, namespace)
        for namespace in done:
            self._emptied(namespace)

    def _emptied(self, namespace: str) -> None:
        def left() -> list[str]:
            return leftovers(self.api, namespace)

        eventually(lambda: not left(), seconds=CONVERGE_SECONDS, why=lambda: f"{left()} stay in {namespace}")

    def strangers_untouched(self, namespace: str) -> None:
        """No write of the operator ever named an object of somebody else (the API server's audit log says)."""
        touched = [
            f"{event['verb']} {event['requestURI']}"
            for event in self.audit.events()
            if (ref := event.get("objectRef") or {}).get("namespace") == namespace
            and event["verb"] not in ("get", "list", "watch")
            and str(ref.get("name", "")).startswith("other")
        ]
        if touched:
            raise Different(f"objects of others were written to: {touched}")

    def last_words(self) -> str:
        """The end of the operator's log, and whatever it threw."""
        lines = self.operator.said().splitlines()
        return "the operator said last:\n" + "\n".join(lines[-12:])


@contextmanager
def bench(plane: ControlPlane, account: Account, *, seed: int, **settings: Any) -> Iterator[Bench]:
    """Put one up; the operator runs under supervision until the block ends."""
    assert plane.audit_log is not None
    api, faults = Api(plane.kubeconfig), Faults(seed)
    lives: list[Supervisor] = []
    with tempfile.TemporaryDirectory(prefix="modelmoor-chaos-") as folder, node(api):
        with proxy(api.server, api.authority, faults, lambda: lives[0].pid if lives else None) as between:
            kubeconfig = through(account.kubeconfig, between.port, Path(folder) / "kubeconfig")
            options: dict[str, Any] = {"resyncSeconds": RESYNC_SECONDS, **settings}
            with supervised(kubeconfig, api, namespace=account.namespace, **options) as operator:
                lives.append(operator)
                yield Bench(plane, api, faults, between, operator, Audit(plane.audit_log, account.user))


def _settled(model: dict[str, Any]) -> bool:
    current = (model.get("status") or {}).get("observedGeneration") == model["metadata"]["generation"]
    ready, stalled = condition(model, "Ready"), condition(model, "Stalled")
    rests = ready.get("status") == "True" or stalled.get("status") == "True" or ready.get("reason") in _RESTING
    return bool(current and rests)
