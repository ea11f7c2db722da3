"""Who decides the number of pods: one owner at a time, and a hand-over that never dips."""

from enum import StrEnum

from modelmoor_operator.api.v1alpha1 import ModelDeployment


class Owner(StrEnum):
    """Who writes `replicas` of a slot's Deployment; the words are those of `spec.autoscaling.engine`."""

    OPERATOR = "Operator"
    HPA = "HPA"
    KEDA = "KEDA"


def owner(md: ModelDeployment) -> Owner:
    """Who shall decide as the spec asks for it."""
    return Owner(md.spec.autoscaling.engine) if md.spec.autoscaling else Owner.OPERATOR


def declared(md: ModelDeployment, *, exists: bool, held: bool = False) -> int | None:
    """`replicas` as our apply declares it; None leaves it to its owner.

    A new Deployment under an autoscaler starts at the minimum, or it would start at 1 and be lifted 15 s later.
    `held` says that the autoscaler of before is not gone yet: two that write would fight, so the number stays.
    """
    if exists and (held or md.spec.autoscaling):
        return None
    return wanted(md)


def handed_over(md: ModelDeployment, *, declared: int | None, live: int, ours: bool) -> int | None:
    """The number to hold by a second manager while we let go of the field; None where nothing is handed over.

    Dropping a field that only we own would reset it to 1 (measured; research/operator.md 0b.3). An autoscaler also
    does nothing at 0, which it takes for a pause.
    """
    if declared is not None or not ours:
        return None
    return max(live, md.spec.autoscaling.min_replicas) if md.spec.autoscaling else live


def wanted(md: ModelDeployment) -> int:
    """The fewest pods that must answer for the model to be Ready."""
    return md.spec.autoscaling.min_replicas if md.spec.autoscaling else md.spec.replicas
