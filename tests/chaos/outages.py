"""Longer troubles: an operator that is killed over and over, an API server that is away for minutes or starts anew."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.bench import Bench, Different
from chaos.faults import Fault
from chaos.scenarios import Outcome, outcome
from chaos.state import Snapshot
from modelmoor_operator.kinds import DEPLOYMENT, MODEL_DEPLOYMENT, SERVICE
from support.manifests import model
from support.waiting import eventually

_IMAGE = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil:1"}]
_CONVERGED_SECONDS = 60.0


def killed_while_creating(bench: Bench, *, models: int, kills: int) -> Outcome:
    """kill -9 at random moments while many models are made: each ends with exactly what one alone would have."""
    with outcome(bench) as told:
        alone = bench.namespace("alone")
        bench.api.apply(MODEL_DEPLOYMENT, alone, model("model-00"))
        one = bench.settled(alone)
        crowd = bench.namespace("crowd")
        luck = random.Random(bench.faults.seed)
        made = 0
        for kill in range(kills):
            upto = models * (kill + 1) // kills
            for number in range(made, upto):
                bench.api.apply(MODEL_DEPLOYMENT, crowd, model(f"model-{number:02}"))
            made = upto
            lives = len(bench.operator.lives)
            eventually(lambda: bench.operator.current.leading, seconds=30, why=bench.operator.said)
            time.sleep(luck.uniform(0.0, 1.5))  # a moment in the middle of its work, whichever that is
            bench.operator.current.signal(signal.SIGKILL)
            bench.faults.hits["killed at random"] += 1
            eventually(lambda lives=lives: len(bench.operator.lives) > lives, seconds=10)
        _same_for_each(bench, crowd, one, models)
        told.runs = 1
    return told


def _same_for_each(bench: Bench, crowd: str, one: Snapshot, models: int) -> None:
    """Each model of a namespace has the same number and kinds of objects as one alone, and is Ready."""
    wanted = sorted(f"{key.split('/')[0]}" for key in one if key != "pods")
    found = bench.settled(crowd)
    for number in range(models):
        name = f"model-{number:02}"
        mine = sorted(key.split("/")[0] for key in found if key.split("/")[-1].startswith(name))
        if mine != wanted:
            raise Different(f"{name} has {mine}, and a model alone has {wanted}")
    pods = sum(found["pods"].values())
    if len(found) - 1 != len(wanted) * models or pods != models or any("Running" not in pod for pod in found["pods"]):
        raise Different(f"{models} models have {len(found) - 1} objects and {pods} pods: {sorted(found)}")


def _change_things(bench: Bench, namespace: str) -> None:
    bench.api.delete(SERVICE, namespace, "a")
    bench.api.patch(DEPLOYMENT, namespace, "b", _IMAGE)
    bench.api.delete(MODEL_DEPLOYMENT, namespace, "c")
    bench.api.apply(MODEL_DEPLOYMENT, namespace, model("d"))


def _begin(bench: Bench, word: str) -> str:
    namespace = bench.namespace(word)
    for name in "abc":
        bench.api.apply(MODEL_DEPLOYMENT, namespace, model(name))
    bench.settled(namespace)
    return namespace


def _outage(bench: Bench, namespace: str, fault: Fault, seconds: float) -> None:
    """Every request of the operator meets `fault` while things change, and for `seconds` more."""
    bench.faults.outage = fault
    bench.proxy.cut_connections()
    _change_things(bench, namespace)
    time.sleep(seconds)
    bench.faults.stop()


def _converges(bench: Bench, namespace: str, expected: Snapshot) -> None:
    begun = time.monotonic()
    bench.reaches(namespace, expected, history=False, seconds=_CONVERGED_SECONDS)
    taken = time.monotonic() - begun
    lost = f'namespace="{namespace}",name="c"'
    eventually(
        lambda: lost not in bench.operator.current.http("/metrics")[1],
        seconds=_CONVERGED_SECONDS - taken,
        why=lambda: "the metrics of a deleted model stay",
    )


def _reference(bench: Bench) -> Snapshot:
    """What `_change_things` ends in: the models that are left, as if nobody had ever touched anything."""
    plain = bench.namespace("outage-plain")
    for name in "abd":
        bench.api.apply(MODEL_DEPLOYMENT, plain, model(name))
    return bench.settled(plain, history=False)


def cut_off(bench: Bench, *, seconds: float) -> Outcome:
    """The operator reaches nothing for minutes; a child is deleted, another edited, a model deleted, another made."""
    with outcome(bench) as told:
        expected = _reference(bench)
        namespace = _begin(bench, "cut")
        _outage(bench, namespace, Fault.LOST, seconds)
        _converges(bench, namespace, expected)
        told.runs = 1
    return told


def restarted(bench: Bench) -> Outcome:
    """The API server is started anew, and the operator meets all that it says on the way up."""
    with outcome(bench) as told:
        expected = _reference(bench)
        namespace = _begin(bench, "restarted")
        with _one_restart(bench):
            command = _end_api_server(bench)
            _start_api_server(bench, command)
            _change_things(bench, namespace)
            _converges(bench, namespace, expected)
        told.runs = 1
    return told


def unavailable(bench: Bench, *, seconds: float) -> Outcome:
    """The API server goes and is started anew; from its end until `seconds` after its start the operator hears 503.

    So it is one trouble without a gap: an operator that lost its Lease cannot lead, and lose it a second time.
    """
    with outcome(bench) as told:
        expected = _reference(bench)
        namespace = _begin(bench, "unavailable")
        with _one_restart(bench):
            command = _end_api_server(bench)
            bench.faults.outage = Fault.UNAVAILABLE
            _start_api_server(bench, command)
            _outage(bench, namespace, Fault.UNAVAILABLE, seconds)
            _converges(bench, namespace, expected)
        told.runs = 1
    return told


@contextmanager
def _one_restart(bench: Bench) -> Iterator[None]:
    """At most one restart of the operator, and at the end it leads, with nobody's help."""
    lives = len(bench.operator.lives)
    yield
    restarts = len(bench.operator.lives) - lives
    if restarts > 1:
        raise Different(f"the operator was restarted {restarts} times\n{bench.last_words()}")
    if not bench.operator.current.leading:
        raise Different(f"nobody leads\n{bench.last_words()}")


def _end_api_server(bench: Bench) -> list[bytes]:
    """End the API server of a control plane; returns its command line."""
    pid = int(_pid_file(bench).read_text())
    command = _command(pid).split(b"\0")[:-1]
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not _command(pid), seconds=90, why=lambda: "the API server does not end")
    bench.faults.hits["API server restarted"] += 1
    return command


def _start_api_server(bench: Bench, command: list[bytes]) -> None:
    """Start it again with the same flags, and wait until it is ready."""
    folder = bench.plane.kubeconfig.parent
    with (folder / "kube-apiserver.log").open("ab") as log:
        started = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    _pid_file(bench).write_text(f"{started.pid}\n")
    eventually(bench.api.ready, seconds=90, why=lambda: "the API server does not become ready")


def _pid_file(bench: Bench) -> Path:
    """Where control-plane.sh looks for the process that it is to stop."""
    return bench.plane.kubeconfig.with_name("kube-apiserver.pid")


def _command(pid: int) -> bytes:
    """The command line of a process; empty for one that ended, whether somebody has asked for its end or not."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
