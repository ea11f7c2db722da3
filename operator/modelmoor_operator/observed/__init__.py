"""What is: live objects become findings, findings become conditions, and all of it one status. Pure: no cluster."""

from collections.abc import Mapping
from typing import Any

from modelmoor_operator.api.reasons import Reason
from modelmoor_operator.api.status import Failure, ServedModel, Status
from modelmoor_operator.desired import names
from modelmoor_operator.observed import checks
from modelmoor_operator.observed.conditions import conditions
from modelmoor_operator.observed.finding import Finding
from modelmoor_operator.observed.observation import Observation

__all__ = ["Finding", "Observation", "judge", "status"]

_SUMMARY_LENGTH = 512


def judge(seen: Observation) -> Finding:
    """Why the model is Ready or not."""
    return checks.ready(seen)


def status(seen: Observation, ready: Finding) -> Status:
    """The whole status of a ModelDeployment, made from one observation."""
    md = seen.md
    summary, hint = _told(seen, ready)
    return Status(
        observed_generation=md.metadata.generation,
        summary=summary,
        hint=hint,
        url=names.url(md),
        replicas=seen.count("replicas"),
        ready_replicas=seen.count("readyReplicas"),
        selector=",".join(f"{label}={value}" for label, value in names.selector(md).items()),
        active_revision=seen.active or None,
        target_revision=seen.target or None,
        model=_served(seen),
        failure=_failure(seen, ready),
        conditions=conditions(seen, ready),
    )


def _told(seen: Observation, ready: Finding) -> tuple[str, str | None]:
    if seen.suspended:
        facts = {"namespace": seen.md.metadata.namespace, "name": seen.md.metadata.name}
        waits = "A change waits" if seen.pending else "Nothing is written"
        return f"Suspended: {waits}. {ready.message}"[:_SUMMARY_LENGTH], Reason.Suspended.hint_for(facts)
    serving = seen.count("availableReplicas") and not ready.settled
    suffix = f" Revision {seen.active} goes on serving." if serving and seen.active not in ("", seen.target) else ""
    hint = (ready.hint or seen.advice)[:_SUMMARY_LENGTH]
    return ready.message[: _SUMMARY_LENGTH - len(suffix)] + suffix, hint or None


def _served(seen: Observation) -> ServedModel:
    facts: Mapping[str, Any] = seen.facts or {}
    uri = seen.md.spec.model.uri.partition("?")[0]
    told = {key: facts.get(key) for key in ("digest", "format", "framework")}
    return ServedModel.model_validate({"uri": uri, **{key: str(value) for key, value in told.items() if value}})


def _failure(seen: Observation, ready: Finding) -> Failure | None:
    if not ready.failed:
        return None
    return Failure.model_validate(
        {
            "phase": ready.phase.value if ready.phase else None,
            "reason": ready.reason.value,
            "message": ready.message[:1024],
            "pod": ready.pod or None,
            "revision": seen.target or None,
        }
    )
