"""The whole story of one ModelDeployment: read, decide, act, report."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from modelmoor_operator import desired, observed
from modelmoor_operator.api.reasons import Course, Reason
from modelmoor_operator.api.v1alpha1 import InvalidObject, Metadata, ModelDeployment
from modelmoor_operator.cache import MANAGER, Cache, Entry, entry
from modelmoor_operator.desired import names, replicas, revision
from modelmoor_operator.errors import Refused, Stalled, Waiting
from modelmoor_operator.kinds import CORE_EVENT, DEPLOYMENT, MODEL_DEPLOYMENT, POD, REVISION, Kind
from modelmoor_operator.observed import Finding, Observation, pods
from modelmoor_operator.observed.ownership import Claim, claim
from modelmoor_operator.queue import Key
from modelmoor_operator.report import Reporter
from modelmoor_operator.rollout import Plan, plan
from modelmoor_operator.settings import Settings
from modelmoor_operator.writer import Body, Writer, Writes, refusal, untyped

log = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = (2.0, 5.0, 15.0)
"""How soon an unsettled model is looked at again (pods are not watched): the longer it lasts, the later."""


class Reads(Writes, Protocol):
    """The calls of `cluster.Cluster` that a pass needs."""

    async def list(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> list[Body]: ...


@dataclass(frozen=True)
class _Result:
    """What acting came to."""

    refused: Finding | None = None
    pending: bool = False


class Reconciler:
    """Level-triggered and idempotent: a pass looks at what is, not at what happened."""

    def __init__(
        self, cluster: Reads, cache: Cache, settings: Settings, reporter: Reporter, now: Callable[[], datetime]
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._settings = settings
        self._reporter = reporter
        self._now = now
        self._writer = Writer(cluster, cache)

    async def reconcile(self, key: Key) -> float | None:
        """One pass. Returns the seconds after which to look again, or None where the watch will tell."""
        live = self._cache.get(MODEL_DEPLOYMENT, *key)
        if live is None or live.deleting:
            self._writer.forget(*key)
            self._reporter.forget(key)
            return None  # owner references take the children along
        try:
            md = ModelDeployment.parse(live.body)
        except InvalidObject as error:
            await self._reporter.invalid(Metadata.parse(live.body), live, str(error))
            return None

        kept = [child for child in self._ours(md, key) if child.kind is REVISION]
        stored = [item for child in kept if (item := revision.stored(child.body))]
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
        await self._reporter.report(live, seen, ready)
        return self._look_again(seen, ready)

    async def _act(self, md: ModelDeployment, key: Key, step: Plan) -> _Result:
        """Write what the plan asks for: removals first, then the children in their order."""
        deployment = self._cache.get(DEPLOYMENT, *key)
        wanted = desired.children(md, step.target, exists=deployment is not None)
        unwanted = self._unwanted(md, key, wanted)
        if suspended(md):
            waits = bool(unwanted) or step.stored is None
            for obj in wanted:
                waits = waits or await self._refusable(self._writer.waits, md, obj)
            return _Result(pending=waits)
        for child in self._ours(md, key):
            if child.kind is REVISION and not child.metadata.get("ownerReferences"):
                await self._adopt_revision(md, child)
        if step.stored is None:
            await self._refusable(
                self._keep_revision, md, desired.revision.controller_revision(md, step.target, step.number)
            )
        for child in unwanted:
            await self._writer.remove(child)
        for obj in wanted:
            await self._refusable(self._writer.ensure, md, obj)
        for name in step.prune:
            old = self._cache.get(REVISION, key[0], name)
            if old is not None:
                await self._writer.remove(old)
        return _Result()

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
        known = await self._cluster.get(REVISION, md.metadata.namespace, name)
        if known is None:
            known = await self._cluster.apply(REVISION, body, manager=MANAGER)
        elif claim(md, known, managed=MANAGER in entry(REVISION, known).managers) is not Claim.OURS:
            text = f"ControllerRevision {name} exists and belongs to another object."
            raise Waiting(Reason.Terminating, text, delay=2)
        self._cache.upsert(REVISION, known)

    async def _adopt_revision(self, md: ModelDeployment, orphan: Entry) -> None:
        patch = {"metadata": {"ownerReferences": [names.owner_reference(md)]}}
        body = await self._cluster.merge(REVISION, md.metadata.namespace, orphan.name, patch, manager=MANAGER)
        self._cache.upsert(REVISION, body)

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
            suspended=suspended(md),
            pending=result.pending,
        )
        own_facts = step.stored.facts if step and step.stored else None
        if step is None or (seen.settled and own_facts and seen.active == seen.target):
            return seen
        selector = ",".join(f"{label}={value}" for label, value in names.selector(md).items())
        found = await self._cluster.list(POD, key[0], labels=selector)
        facts = pods.facts([pod for pod in found if _revision(pod) == seen.target])
        seen = replace(seen, pods=found, facts=own_facts or next(iter(facts.values()), None) or seen.facts)
        if any(item.reason is Reason.PodsStarting for item in pods.problems(found)):
            events = await self._cluster.list(CORE_EVENT, key[0], fields="involvedObject.kind=Pod,type=Warning")
            seen = replace(seen, events=events)
        return seen

    async def _remember(self, md: ModelDeployment, step: Plan, seen: Observation) -> Observation:
        """Put the verdict on the revision, from where status can be rebuilt: it was served whole."""
        wanted: dict[str, str] = {}
        if seen.active != seen.target:
            wanted[revision.ACTIVE_SINCE] = seen.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if seen.facts and not (step.stored and step.stored.facts):
            told = {name: seen.facts.get(name) for name in ("digest", "size", "files", "format", "framework")}
            wanted[revision.FACTS] = json.dumps({name: value for name, value in told.items() if value is not None})
        if wanted:
            patch = {"metadata": {"annotations": wanted}}
            body = await self._cluster.merge(REVISION, md.metadata.namespace, seen.target, patch, manager=MANAGER)
            self._cache.upsert(REVISION, body)
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
