"""Keeps an operator alive as a kubelet does: whenever the process ends, another one starts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from chaos.api import Api, Refusal
from modelmoor_operator.kinds import LEASE
from support.operator import Operator
from support.operator import operator as running


@dataclass
class Supervisor:
    """One replica over all its lives."""

    lives: list[Operator] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    """What the lives that ended had to say."""
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def pid(self) -> int | None:
        current = self.lives[-1] if self.lives else None
        return current.process.pid if current is not None and current.process.poll() is None else None

    @property
    def current(self) -> Operator:
        return self.lives[-1]

    @property
    def restarts(self) -> int:
        return max(0, len(self.lives) - 1)

    def said(self) -> str:
        """The log of every life, the present one included."""
        present = self.lives[-1].logs() if self.lives and self.lives[-1].log.exists() else ""
        return "".join([*self.logs, present])


@contextmanager
def supervised(
    kubeconfig: Path, api: Api, *, namespace: str, hurry: bool = True, **settings: Any
) -> Iterator[Supervisor]:
    """Run the operator until the block ends.

    `hurry` frees the Lease of a dead life, which would else be respected for 15 s: how long that takes is the business
    of tests/controlplane/test_leader.py. Where the API server is away, the next life starts all the same, and respects
    the Lease.
    """
    made = Supervisor()

    def live() -> None:
        while not made.stopped.is_set():
            with running(kubeconfig, namespace=namespace, ready=False, **settings) as replica:
                made.lives.append(replica)
                while replica.process.poll() is None and not made.stopped.wait(0.02):
                    pass
                replica.stop()
                made.logs.append(replica.logs())
            if hurry and not made.stopped.is_set():
                with suppress(Refusal, urllib3.exceptions.HTTPError):
                    api.delete(LEASE, namespace, "modelmoor-operator")

    thread = threading.Thread(target=live, name="chaos-supervisor", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.stopped.set()
        thread.join(30)
