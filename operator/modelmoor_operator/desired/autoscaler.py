"""The HorizontalPodAutoscaler of a slot, where the spec asks for one."""

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import names
from modelmoor_operator.desired.names import STABLE_SLOT, Body


def autoscaler(md: ModelDeployment) -> Body | None:
    """Scales by the CPU of container `model` alone: a sidecar without requests would stop a pod-wide metric."""
    scaling = md.spec.autoscaling
    if scaling is None:
        return None
    metric = {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "model",
            "target": {"type": "Utilization", "averageUtilization": scaling.cpu_utilization},
        },
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": names.metadata(md, slot=STABLE_SLOT),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": md.metadata.name},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [metric],
        },
    }
