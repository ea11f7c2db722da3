"""The steps of `make scale`: each does one thing to the operator and adds its figures."""

import asyncio
import json
import re
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perf.client import APPS, LEASES, MODELS, Client, Refusal
from perf.figures import Figures, cpu_seconds, resident
from perf.fleet import Fleet
from support.account import Account, account
from support.audit import Audit
from support.control_plane import ControlPlane
from support.manifests import model, seen
from support.operator import Operator, operator

BURST_SECONDS = 60.0
EDIT_SECONDS = 2.0
NO_OP_SECONDS = 0.005
HAND_OVER_SECONDS, TAKE_OVER_SECONDS = 3.0, 17.0
_SMALL, _LARGE = (1_000, 120.0), (10_000, 350.0)
_LEASE = "modelmoor-operator"


@dataclass
class Run:
    """What the steps share: the API server, the account and process that are measured, and where figures go."""

    plane: ControlPlane
    account: Account
    replica: Operator
    figures: Figures
    logs: Path | None = None
    start: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = resident(self.replica.process.pid)[0]
        self.figures.add("resident memory without a model", self.start, "MiB")

    @property
    def pid(self) -> int:
        return self.replica.process.pid

    def audit(self) -> Audit:
        assert self.plane.audit_log is not None
        return Audit(self.plane.audit_log, self.account.user)

    def memory(self, when: str, goal: float | None) -> None:
        now, most = resident(self.pid)
        self.figures.add(f"resident memory {when}", now, "MiB", goal=goal)
        self.figures.add(f"highest resident memory so far, {when}", most, "MiB")


def memory_goal(models: int) -> float:
    """MiB for so many models: 120 at 1,000 and 350 at 10,000, on a straight line in between."""
    share = max(0.0, (models - _SMALL[0]) / (_LARGE[0] - _SMALL[0]))
    return _SMALL[1] + share * (_LARGE[1] - _SMALL[1])


async def burst(run: Run, fleet: Fleet, models: int) -> None:
    """Create all models at once; a model that was there before is edited three times meanwhile."""
    pilot = "/namespaces/pilot/modeldeployments/pilot"
    await fleet.client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "pilot"}})
    await fleet.client.call("POST", f"{MODELS}/namespaces/pilot/modeldeployments", model("pilot"))
    await _until(fleet.client, MODELS + pilot, seen, seconds=20)
    audit, busy = run.audit(), cpu_seconds(run.pid)

    run.figures.say(f"{models} models at once")
    begun = time.monotonic()
    growing = asyncio.create_task(fleet.grow(models))
    edits = asyncio.create_task(_edits(fleet.client, pilot))
    await growing
    run.figures.add("models created (client's time)", time.monotonic() - begun, "s")
    ended = await fleet.written(seen, seconds=10 * BURST_SECONDS, what="in status")
    wrong = await fleet.wrong()
    run.figures.add(f"burst of {models}: children and status", ended - begun, "s", goal=BURST_SECONDS)
    run.figures.add("children that are missing or not as wanted", len(wrong), "", goal=0)
    for line in wrong[:5]:
        run.figures.say(line)
    run.figures.add("live edit during the burst, slowest of 3", max(await edits), "s", goal=EDIT_SECONDS)
    run.figures.add("processor time of the burst", cpu_seconds(run.pid) - busy, "s")
    for name, count in _requests(audit).items():
        run.figures.add(f"{name} for each model of the burst", count / models, "requests")

    await fleet.client.call("DELETE", MODELS + pilot)
    run.figures.say("the pods report")
    await fleet.serve(seconds=900)
    run.memory(f"at {models}", memory_goal(models))


async def _edits(client: Client, pilot: str) -> list[float]:
    """Seconds from an edit to the Deployment that carries it, three times in the burst."""
    took = []
    for number in (1, 2, 3):
        await asyncio.sleep(3)
        uri = f"file:///models/edit-{number}.joblib"
        begun = time.monotonic()
        await client.patch(MODELS + pilot, {"spec": {"model": {"uri": uri}}})
        path = f"{APPS}/namespaces/pilot/deployments/pilot"
        took.append(await _until(client, path, lambda body, uri=uri: uri in json.dumps(body), seconds=60) - begun)
    return took


async def no_op(run: Run, fleet: Fleet) -> None:
    """Passes over models that stand as wanted: how long, and what they ask of the API server."""
    keys = fleet.keys(0, min(fleet.size, 1000))
    await _quiet(run)
    before, audit = _passes(run.replica), run.audit()
    await fleet.touch(keys, "once")
    deadline = time.monotonic() + 60
    while sum(_passes(run.replica).values()) < sum(before.values()) + len(keys) and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    passes = {bound: count - before.get(bound, 0) for bound, count in _passes(run.replica).items()}
    run.figures.add(f"no-op passes measured, at {fleet.size}", sum(passes.values()), "")
    run.figures.add(
        f"no-op pass, 99th percentile, at {fleet.size}",
        1000 * _percentile(passes, 0.99),
        "ms",
        goal=1000 * NO_OP_SECONDS,
    )
    run.figures.add(f"no-op pass, median, at {fleet.size}", 1000 * _percentile(passes, 0.5), "ms")
    run.figures.add(f"API calls of those passes, at {fleet.size}", sum(_requests(audit).values()), "", goal=0)


async def rest(run: Run, fleet: Fleet, models: int) -> None:
    """From everything deleted to many models that have nothing to do."""
    run.figures.say("deleting all")
    await fleet.remove(seconds=900)
    await asyncio.sleep(5)
    now, _ = resident(run.pid)
    run.figures.add("resident memory after everything was deleted", now, "MiB", goal=None)
    run.figures.add("of that, more than at the start", 100 * (now / run.start - 1), "%")

    run.figures.say(f"{models} models, to be at rest")
    begun = time.monotonic()
    fleet.size = 0
    while fleet.size < models:
        await fleet.grow(min(1000, models - fleet.size))
        await fleet.written(seen, seconds=900, what="in status")
        await fleet.serve(seconds=900)
    run.figures.add(f"{models} models made and ready", time.monotonic() - begun, "s")
    await _quiet(run)
    run.memory(f"at {models}", memory_goal(models))
    await no_op(run, fleet)


async def idle(run: Run, seconds: float) -> None:
    """Nobody changes anything, and the operator writes nothing but its Lease."""
    await _quiet(run)
    audit, busy = run.audit(), cpu_seconds(run.pid)
    run.figures.say(f"nothing happens for {seconds:g} s")
    await asyncio.sleep(seconds)
    writes = audit.writes()
    run.figures.add(f"writes in {seconds:g} idle seconds, the Lease aside", len(writes), "", goal=0)
    for line in writes[:5]:
        run.figures.say(line)
    run.figures.add("processor share while idle", (cpu_seconds(run.pid) - busy) / seconds, "cores")


async def hand_over(run: Run, client: Client) -> None:
    """The standby leads after SIGTERM, and another one after kill -9; the Lease tells when."""
    lease = f"{LEASES}/namespaces/{run.account.namespace}/leases/{_LEASE}"
    with ExitStack() as stack:
        others = [account(run.plane, name) for name in ("scale-second", "scale-third")]
        for other, number, goal, name in (
            (others[0], signal.SIGTERM, HAND_OVER_SECONDS, "hand-over on SIGTERM"),
            (others[1], signal.SIGKILL, TAKE_OVER_SECONDS, "take-over after kill -9"),
        ):
            run.figures.say(f"{name}: starting a standby")
            begun = time.monotonic()
            standby = await asyncio.to_thread(
                stack.enter_context, operator(other.kubeconfig, namespace=other.namespace, lead=False)
            )
            run.figures.add(f"standby ready, before {name}", time.monotonic() - begun, "s")
            old = (await client.call("GET", lease))["spec"]["holderIdentity"]
            begun = time.monotonic()
            run.replica.signal(number)
            held = lambda body, old=old: body["spec"].get("holderIdentity") not in (None, "", old)  # noqa: E731
            took = await _until(client, lease, held, seconds=60) - begun
            run.figures.add(name, took, "s", goal=goal)
            run.replica, run.account = standby, other


async def _quiet(run: Run) -> None:
    """Wait until the operator has nothing in its queue and wrote nothing for a while."""
    deadline = time.monotonic() + 600
    calm = 0
    while calm < 3:
        if time.monotonic() > deadline:
            raise TimeoutError("the operator does not come to rest within 600 s")
        audit = run.audit()
        await asyncio.sleep(2)
        calm = (
            calm + 1 if not audit.writes() and run.replica.metric('workqueue_depth{name="modeldeployment"}') == 0 else 0
        )


async def _until(client: Client, path: str, holds: Any, *, seconds: float) -> float:
    """The moment at which an object was first seen to meet a condition."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            body = await client.call("GET", path)
        except Refusal:
            body = {}
        if body and holds(body):
            return time.monotonic()
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{path} is not as wanted after {seconds:g} s")


def _requests(audit: Audit) -> dict[str, int]:
    """Requests of the operator since the mark by verb and resource, less the Lease and the watches."""
    found: dict[str, int] = {}
    for event in audit.events():
        ref = event.get("objectRef") or {}
        if ref.get("resource") == "leases" or event["verb"] == "watch" or ref.get("resource") is None:
            continue
        name = f"{event['verb']} {ref['resource']}" + (f"/{ref['subresource']}" if ref.get("subresource") else "")
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))


_BUCKET = re.compile(r'^controller_runtime_reconcile_time_seconds_bucket\{.*le="([^"]+)".*\} (\S+)$', re.MULTILINE)


def _passes(replica: Operator) -> dict[float, int]:
    """Passes so far by the upper bound of their bucket in seconds (not cumulative)."""
    found = [(float(bound), int(float(count))) for bound, count in _BUCKET.findall(replica.http("/metrics")[1])]
    found.sort()
    return {bound: count - (found[place - 1][1] if place else 0) for place, (bound, count) in enumerate(found)}


def _percentile(passes: dict[float, int], share: float) -> float:
    """Read out of a histogram, on a straight line within a bucket, as Prometheus does."""
    wanted, below, low = share * sum(passes.values()), 0, 0.0
    for bound, count in sorted(passes.items()):
        if count and below + count >= wanted:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / count
        below, low = below + count, bound
    return 0.0
