"""An ordered chain of small checks: the first finding is why a model is, or is not, Ready."""

from collections.abc import Callable
from dataclasses import replace

from modelmoor_operator.api.reasons import Reason
from modelmoor_operator.desired import names
from modelmoor_operator.observed import pods
from modelmoor_operator.observed.finding import Finding, sentence
from modelmoor_operator.observed.observation import Observation

Check = Callable[[Observation], Finding | None]


def refused(seen: Observation) -> Finding | None:
    """What the spec asks for could not be written at all."""
    return seen.refused


def artifact_changed(seen: Observation) -> Finding | None:
    """Pods of one revision serve different bytes: the artifact behind the URI was replaced in between."""
    found = pods.facts(_target_pods(seen))
    digests = {str(told.get("digest")): pod for pod, told in sorted(found.items())}
    known = str((seen.facts or {}).get("digest") or "")
    strangers = {digest: pod for digest, pod in digests.items() if known and digest != known}
    if not strangers and len(digests) < 2:
        return None
    digest, pod = next(iter((strangers or digests).items()))
    text = f"Pod {pod} fetched {digest[:19]}… and the revision was measured as {(known or 'another digest')[:19]}…"
    return _found(seen, Reason.ArtifactChanged, text, pod=pod)


def scaled_to_zero(seen: Observation) -> Finding | None:
    """No pod is asked for, and none is left."""
    if seen.wanted == 0 and seen.current and not seen.count("replicas"):
        return _found(seen, Reason.ScaledToZero, "No pod is asked for: replicas is 0.")
    return None


def settled(seen: Observation) -> Finding | None:
    """Every pod runs what the spec asks for, and enough of them answer."""
    if not seen.settled or not seen.wanted:
        return None
    ready = seen.count("readyReplicas")
    return Finding(Reason.ModelReady, f"{_pods(ready)} of revision {seen.target} answer{'s' if ready == 1 else ''}.")


def pod_problem(seen: Observation) -> Finding | None:
    """A pod of the wanted revision fails: its own words, at once."""
    found = [item for item in pods.problems(_target_pods(seen), seen.events) if item.failed]
    return replace(found[0], overdue=_overdue(seen)) if found else None


def replica_failure(seen: Observation) -> Finding | None:
    """Pods cannot even be created: a quota, a LimitRange, Pod Security or a webhook says no."""
    condition = seen.condition("ReplicaFailure")
    if condition.get("status") != "True" or not seen.current:
        return None
    text = str(condition.get("message") or "")
    reason = Reason.QuotaExceeded if "exceeded quota" in text else Reason.PodRefused
    return replace(_found(seen, reason, f"No further pod can be created: {text}"), overdue=_overdue(seen))


def deadline(seen: Observation) -> Finding | None:
    """Nothing moved for as long as the spec allows, and no pod says why."""
    if not _overdue(seen):
        return None
    span = seen.live("spec", "progressDeadlineSeconds")
    text = (
        f"Revision {seen.target} made no progress for {span} s: {seen.count('updatedReplicas')} of {seen.wanted} pods."
    )
    return _found(seen, Reason.ProgressDeadlineExceeded, text)


def starting(seen: Observation) -> Finding | None:
    """Pods are on their way: which step the first of them takes."""
    found = pods.problems(_target_pods(seen), seen.events)
    if not found or seen.active not in ("", seen.target):
        return None
    return found[0]


def rolling_out(seen: Observation) -> Finding | None:
    """One revision takes over from another, or the number of pods changes."""
    updated, ready = seen.count("updatedReplicas"), seen.count("availableReplicas")
    if seen.active and seen.active != seen.target:
        text = f"Revision {seen.target} takes over from {seen.active}: {updated} of {seen.wanted} pods started."
        return _found(seen, Reason.RollingOut, text)
    if seen.current and ready < seen.wanted:
        return _found(seen, Reason.ScalingUp, f"{ready} of {_pods(seen.wanted)} answer.")
    return _found(seen, Reason.RollingOut, f"Revision {seen.target} is rolling out: {updated} pods started.")


CHECKS: tuple[Check, ...] = (
    refused,
    artifact_changed,
    scaled_to_zero,
    settled,
    pod_problem,
    replica_failure,
    deadline,
    starting,
    rolling_out,
)


def ready(seen: Observation) -> Finding:
    """Why the model is Ready or not: the first finding speaks."""
    return next(finding for check in CHECKS if (finding := check(seen)))


def available(seen: Observation, why_not: Finding) -> Finding | None:
    """None while requests are answered; else what keeps them from it."""
    if seen.count("availableReplicas"):
        return None
    return (
        why_not
        if not why_not.settled or why_not.reason is Reason.ScaledToZero
        else _found(seen, Reason.NoReadyPods, "No pod answers requests.")
    )


def _target_pods(seen: Observation) -> list[pods.Body]:
    return [
        pod
        for pod in seen.pods
        if (pod["metadata"].get("labels") or {}).get(names.REVISION_LABEL) == seen.target
        and "deletionTimestamp" not in pod["metadata"]
    ]


def _overdue(seen: Observation) -> bool:
    progressing = seen.condition("Progressing")
    return seen.current and progressing.get("reason") == "ProgressDeadlineExceeded"


def _found(seen: Observation, reason: Reason, text: str, *, pod: str = "") -> Finding:
    facts = {"namespace": seen.md.metadata.namespace, "name": seen.md.metadata.name, "pod": pod}
    return Finding(reason, sentence(text), reason.hint_for(facts) if reason.hint else "", pod, reason.phase)


def _pods(number: int) -> str:
    return f"{number} pod" if number == 1 else f"{number} pods"
