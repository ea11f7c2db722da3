"""The Deployment of a slot: the pods of one revision and how the next one takes over."""

from modelmoor_operator.api import durations
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import names
from modelmoor_operator.desired.names import STABLE_SLOT, Body
from modelmoor_operator.desired.revision import Revision


def deployment(md: ModelDeployment, revision: Revision, replicas: int | None) -> Body:
    """The Deployment of slot `a`; `replicas` of None leaves the number to its owner."""
    rollout = md.spec.rollout
    spec: Body = {
        "selector": {"matchLabels": names.selector(md, STABLE_SLOT)},
        "template": revision.template,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": rollout.max_surge, "maxUnavailable": rollout.max_unavailable},
        },
        "progressDeadlineSeconds": durations.seconds(rollout.progress_deadline),
        # the templates to go back to are ControllerRevisions; these are only for kubectl rollout
        "revisionHistoryLimit": 2,
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(md, slot=STABLE_SLOT),
        "spec": spec,
    }
