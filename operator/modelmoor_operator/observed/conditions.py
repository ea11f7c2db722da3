"""Old conditions, findings and a clock become new conditions, in the order that kstatus reads them."""

from datetime import datetime

from modelmoor_operator.api.reasons import ConditionType, Reason
from modelmoor_operator.api.status import Condition
from modelmoor_operator.observed.checks import available
from modelmoor_operator.observed.finding import Finding
from modelmoor_operator.observed.observation import Observation


def conditions(seen: Observation, ready: Finding) -> tuple[Condition, ...]:
    """Reconciling or Stalled first (never both, absent when fine), then Available and Ready, which are always there.

    A transition time moves only where the status itself moved.
    """
    old = {condition.type: condition for condition in seen.md.status.conditions}
    now = [_available(seen, ready), _ready(seen, ready, old.get(ConditionType.Ready))]
    if ready.stalled:
        now.insert(0, (ConditionType.Stalled, "True", ready.reason, ready.message))
    elif not ready.settled and not seen.suspended:
        now.insert(0, (ConditionType.Reconciling, "True", ready.reason, ready.message))
    return tuple(_condition(seen, old.get(kind), kind, status, reason, text) for kind, status, reason, text in now)


def _available(seen: Observation, ready: Finding) -> tuple[ConditionType, str, Reason, str]:
    why_not = available(seen, ready)
    if why_not:
        return ConditionType.Available, "False", why_not.reason, why_not.message
    number = seen.count("availableReplicas")
    pods = "1 pod answers" if number == 1 else f"{number} pods answer"
    return ConditionType.Available, "True", Reason.ModelAvailable, f"{pods} requests."


def _ready(seen: Observation, ready: Finding, old: Condition | None) -> tuple[ConditionType, str, Reason, str]:
    if not seen.suspended:
        return ConditionType.Ready, "True" if ready.settled else "False", ready.reason, ready.message
    if seen.pending:
        return ConditionType.Ready, "Unknown", Reason.Suspended, "Suspended while a change waits to be written."
    status = "True" if ready.settled else "False"
    return ConditionType.Ready, status, Reason.Suspended, f"Suspended; nothing is written. {ready.message}"


def _condition(
    seen: Observation, old: Condition | None, kind: ConditionType, status: str, reason: Reason, message: str
) -> Condition:
    moved: datetime = seen.now if old is None or old.status != status else old.last_transition_time
    return Condition.model_validate(
        {
            "type": kind.value,
            "status": status,
            "reason": reason.value,
            "message": message,
            "lastTransitionTime": moved,
            "observedGeneration": seen.md.metadata.generation,
        }
    )
