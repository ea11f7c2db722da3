"""The whole story of one ModelDeployment: read, decide, act, report."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from modelmoor_operator import desired, logs, observed
from modelmoor_operator.api import times
from modelmoor_operator.api.reasons import Course, Reason
from modelmoor_operator.api.v1alpha1 import InvalidObject, Metadata, ModelDeployment
from modelmoor_operator.cache import MANAGER, Cache, Entry, entry
from modelmoor_operator.desired import monitoring, names, replicas, revision
from modelmoor_operator.desired.revision import Stored
from modelmoor_operator.errors import Conflict, Gone, Refused, Stalled, Waiting
from modelmoor_operator.kinds import DEPLOYMENT, MODEL_DEPLOYMENT, REVISION, Kind
from modelmoor_operator.lookout import Lists, Lookout
from modelmoor_operator.observed import Finding, Observation, pods, scaling
from modelmoor_operator.observed.ownership import Claim, claim
from modelmoor_operator.queue import Key
from modelmoor_operator.report import Reporter
from modelmoor_operator.rollout import Plan, plan
from modelmoor_operator.served import Served
from modelmoor_operator.settings import Settings
from modelmoor_operator.writer import Body, Writer, Writes, refusal, untyped

log = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = (2.0, 5.0, 15.0)
"""How soon an unsettled model is looked at again (pods are not watched): the longer it lasts, the later."""


class Reads(Writes, Lists, Protocol):
    """The calls of `cluster.Cluster` that a pass needs."""

    async def list(self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "") -> list[Body]: ...


@dataclass(frozen=True)
class _Result:
    """What acting came to."""

    refused: Finding | None = None
    pending: bool = False


class Reconciler:
    """Level-triggered and idempotent: a pass looks at what is, not at what happened."""

    def __init__(
        self,
        cluster: Reads,
        cache: Cache,
        settings: Settings,
        reporter: Reporter,
        now: Callable[[], datetime],
        *,
        served: Served,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._settings = settings
        self._reporter = reporter
        self._now = now
        self._served = served
        self._writer = Writer(cluster, cache)
        self._lookout = Lookout(cluster, time.monotonic)

    async def reconcile(self, key: Key) -> float | None:
        """One pass. Returns the seconds after which to look again, or None where the watch will tell."""
        live = self._cache.get(MODEL_DEPLOYMENT, *key)
        if live is None or live.deleting:
            self._writer.forget(*key)
            self._lookout.forget(key)
            self._reporter.forget(key)
            return None  # owner references take the children along
        logs.carry(generation=live.metadata.get("generation"))
        try:
            md = ModelDeployment.parse(live.body)
        except InvalidObject as error:
            await self._reporter.invalid(Metadata.parse(live.body), live, str(error))
            return None
        try:
            return await self._pass(md, key, live)
        except Gone:
            return _LOOK_AGAIN_SECONDS[0]  # the cache knows by now: perhaps another of that name stands there

    async def _pass(self, md: ModelDeployment, key: Key, live: Entry) -> float | None:
        stored = await self._stored(md, key)
        step: Plan | None = None
        try:
            step = plan(md, stored, self._settings)
            result = await self._act(md, key, step)
        except Stalled as error:
            result = _Result(Finding(error.reason, error.message, self._hint(md, error)))
        except Waiting as error:
            result = _Result(Finding(error.reason, error.message, error.reason.hint_for(_facts(md))))

        seen = await self._observe(md, key, step, result)
        ready = observed.judge(seen)
        if step is not None and ready.reason is Reason.ModelReady and not seen.suspended:
            seen = await self._remember(md, step, seen)
        if not await self._reporter.report(live, seen, ready):
            raise Gone("the ModelDeployment is gone; its status was not written")
        return self._lookout.pace(key, self._look_again(seen, ready))

    async def _act(self, md: ModelDeployment, key: Key, step: Plan) -> _Result:
        """Write what the plan asks for: removals first, then the children in their order."""
        render = partial(
            desired.children, md, step.target, self._settings, served=self._served, exists=await self._exists(md, key)
        )
        wanted = render()
        unwanted = self._unwanted(md, key, wanted)
        if suspended(md):
            waits = bool(unwanted) or step.stored is None
            for obj in wanted:
                waits = waits or await self._refusable(self._writer.waits, md, obj)
            return _Result(pending=waits)
        for child in self._ours(md, key):
            if child.kind is REVISION:
                await self._writer.settle_owner(md, child)
        if step.stored is None:
            await self._refusable(
                self._keep_revision, md, desired.revision.controller_revision(md, step.target, step.number)
            )
        for child in unwanted:
            await self._writer.remove(child)
        leaving = scaling.leaving(md, ((child.kind, child.body) for child in self._cache.children(key)))
        for obj in wanted if leaving is None else render(held=True):
            await self._refusable(self._writer.ensure, md, obj)
        for name in step.prune:
            old = self._cache.get(REVISION, key[0], name)
            if old is not None:
                await self._writer.remove(old)
        scaling.check(md, leaving, self._served, self._now())
        return _Result()

    async def _exists(self, md: ModelDeployment, key: Key) -> bool:
        """Whether the Deployment is there; a late cache must not make an autoscaled one start at its minimum again."""
        if self._cache.get(DEPLOYMENT, *key) is not None:
            return True
        return md.spec.autoscaling is not None and await self._cluster.get(DEPLOYMENT, *key) is not None

    async def _refusable(self, write: Callable[[ModelDeployment, Body], Any], md: ModelDeployment, obj: Body) -> Any:
        try:
            return await write(md, obj)
        except Refused as error:
            if error.status in (404, 409, 429) or (error.status >= 500 and not untyped(error)):
                raise  # time mends it: the key comes back with back-off
            raise refusal(error, obj) from error

    async def _keep_revision(self, md: ModelDeployment, body: Body) -> None:
        """Write a new revision; server-side apply, because its data is then stored in the API server's own spelling.

        A POST keeps our bytes, and every later patch, the garbage collector's included, would spell them anew and be
        refused: the data is immutable.
        """
        name = body["metadata"]["name"]
        try:
            await self._writer.create(md, body)
            return
        except Conflict:
            known = await self._cluster.get(REVISION, md.metadata.namespace, name)
            if known is None:
                raise
        if claim(md, known, managed=MANAGER in entry(REVISION, known).managers) is not Claim.OURS:
            text = f"ControllerRevision {name} exists and belongs to another object."
            raise Waiting(Reason.Terminating, text, delay=2)
        self._cache.upsert(REVISION, known)
        raise Conflict(409, "AlreadyExists", f"ControllerRevision {name} stands already: it is to be run as it is kept")

    async def _stored(self, md: ModelDeployment, key: Key) -> list[Stored]:
        """The revisions that are kept. Those that status names must be among them, or the cache is late.

        Without them a model would be rendered anew, perhaps with another image, and its pods would restart.
        """
        named = {md.status.active_revision, md.status.target_revision} - {None}
        if any(self._cache.get(REVISION, key[0], str(name)) is None for name in named):
            for body in await self._cluster.list(REVISION, key[0], labels=f"{names.NAME_LABEL}={md.metadata.name}"):
                self._cache.upsert(REVISION, body)
        kept = [child for child in self._ours(md, key) if child.kind is REVISION]
        return [item for child in kept if (item := revision.stored(child.body))]

    def _unwanted(self, md: ModelDeployment, key: Key, wanted: list[Body]) -> list[Entry]:
        names_wanted = {(obj["kind"], obj["metadata"]["name"]) for obj in wanted}
        return [
            child
            for child in self._ours(md, key)
            if child.kind is not REVISION and (child.kind.kind, child.name) not in names_wanted
        ]

    def _ours(self, md: ModelDeployment, key: Key) -> list[Entry]:
        """The children that stand, orphans to be adopted included."""
        return [
            child
            for child in self._cache.children(key)
            if claim(md, child.body, managed=MANAGER in child.managers) is Claim.OURS
        ]

    async def _observe(self, md: ModelDeployment, key: Key, step: Plan | None, result: _Result) -> Observation:
        """Read what the status is made of; pods are asked for only while there is something to explain."""
        deployment = self._cache.get(DEPLOYMENT, *key)
        active = step.active if step else None
        seen = Observation(
            md=md,
            now=self._now(),
            target=step.target.name if step else "",
            active=active.revision.name if active else "",
            wanted=replicas.wanted(md),
            deployment=deployment.body if deployment else None,
            facts=(step.stored.facts if step and step.stored else None) or (active.facts if active else None) or None,
            refused=result.refused,
            advice=monitoring.unserved(md, self._settings, self._served),
            suspended=suspended(md),
            pending=result.pending,
        )
        own_facts = step.stored.facts if step and step.stored else None
        unseen = deployment is not None and not seen.live("status", "observedGeneration")  # so it has no pods yet
        if step is None or unseen or (seen.settled and own_facts and seen.active == seen.target):
            return seen
        found = await self._lookout.pods(key[0], names.selector(md))
        facts = pods.facts([pod for pod in found if _revision(pod) == seen.target])
        seen = replace(seen, pods=found, facts=own_facts or next(iter(facts.values()), None) or seen.facts)
        if any(item.reason is Reason.PodsStarting for item in pods.problems(found)):
            seen = replace(
                seen, events=await self._lookout.warnings(key[0], [pod["metadata"]["name"] for pod in found])
            )
        return seen

    async def _remember(self, md: ModelDeployment, step: Plan, seen: Observation) -> Observation:
        """Put the verdict on the revision, from where status can be rebuilt: it was served whole."""
        wanted: dict[str, str] = {}
        if seen.active != seen.target:
            wanted[revision.ACTIVE_SINCE] = times.micro(seen.now)
        if seen.facts and not (step.stored and step.stored.facts):
            told = {name: seen.facts.get(name) for name in ("digest", "size", "files", "format", "framework")}
            wanted[revision.FACTS] = json.dumps({name: value for name, value in told.items() if value is not None})
        kept = self._cache.get(REVISION, md.metadata.namespace, seen.target)
        if wanted and kept is not None:
            await self._writer.note(md, kept, wanted)
        return replace(seen, active=seen.target)

    def _look_again(self, seen: Observation, ready: Finding) -> float | None:
        if ready.settled and not seen.pods:
            return None
        if seen.suspended:
            return _LOOK_AGAIN_SECONDS[-1] if not ready.settled else None
        if ready.settled:
            return None if seen.facts or ready.reason is Reason.ScaledToZero else _LOOK_AGAIN_SECONDS[0]
        condition = next((item for item in seen.md.status.conditions if item.type == "Ready"), None)
        lasting = (seen.now - condition.last_transition_time).total_seconds() if condition else 0.0
        if ready.reason.course is Course.Stalled and lasting > 60:
            return _LOOK_AGAIN_SECONDS[2]
        return _LOOK_AGAIN_SECONDS[0 if lasting < 60 else 1 if lasting < 300 else 2]

    @staticmethod
    def _hint(md: ModelDeployment, error: Stalled) -> str:
        return error.hint if error.hint != error.reason.hint else error.reason.hint_for(_facts(md))


def suspended(md: ModelDeployment) -> bool:
    """By the spec, or by annotation for those whose spec is held by Git."""
    return md.spec.suspend or md.metadata.annotations.get(names.SUSPEND_ANNOTATION) == "true"


def _facts(md: ModelDeployment) -> dict[str, str]:
    return {"namespace": md.metadata.namespace, "name": md.metadata.name}


def _revision(pod: Body) -> str:
    return str((pod["metadata"].get("labels") or {}).get(names.REVISION_LABEL) or "")
