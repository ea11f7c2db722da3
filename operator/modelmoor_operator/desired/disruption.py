"""The PodDisruptionBudget of a slot: a node may be drained, one pod at a time."""

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import names
from modelmoor_operator.desired.names import STABLE_SLOT, Body


def disruption_budget(md: ModelDeployment) -> Body:
    """Always one, and broken pods may always go: `maxUnavailable: 0` would block every drain for ever."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": names.metadata(md, slot=STABLE_SLOT),
        "spec": {
            "selector": {"matchLabels": names.selector(md, STABLE_SLOT)},
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
