"""What scales a slot, where the spec asks for it: a HorizontalPodAutoscaler of ours, or a ScaledObject for KEDA's."""

from modelmoor_operator.api.spec import Autoscaling
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import names
from modelmoor_operator.desired.names import STABLE_SLOT, Body
from modelmoor_operator.desired.replicas import Owner, owner
from modelmoor_operator.kinds import AUTOSCALER, SCALED_OBJECT

DEFAULT_CPU_UTILIZATION = 70


def autoscaler(md: ModelDeployment) -> Body | None:
    """The object that scales, or None where the operator keeps the number itself."""
    scaling = md.spec.autoscaling
    if scaling is None:
        return None
    return _scaled_object(md, scaling) if owner(md) is Owner.KEDA else _hpa(md, scaling)


def _hpa(md: ModelDeployment, scaling: Autoscaling) -> Body:
    cpu = scaling.cpu_utilization or (None if scaling.metrics else DEFAULT_CPU_UTILIZATION)
    spec: Body = {
        "scaleTargetRef": _target(md),
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "metrics": [*([_cpu(cpu)] if cpu else []), *scaling.metrics],
    }
    if scaling.behavior is not None:
        spec["behavior"] = scaling.behavior
    return {
        "apiVersion": AUTOSCALER.api_version,
        "kind": AUTOSCALER.kind,
        "metadata": names.metadata(md, slot=STABLE_SLOT),
        "spec": spec,
    }


def _scaled_object(md: ModelDeployment, scaling: Autoscaling) -> Body:
    """KEDA makes an HPA of it, `keda-hpa-<name>`, which bears our labels, too, for KEDA copies them."""
    spec: Body = {
        # KEDA reads the environment of a container for its triggers: ours, whatever a mesh puts before it
        "scaleTargetRef": _target(md) | {"envSourceContainerName": "model"},
        "minReplicaCount": scaling.min_replicas,
        "maxReplicaCount": scaling.max_replicas,
        "triggers": list(scaling.triggers),
    }
    if scaling.behavior is not None:
        spec["advanced"] = {"horizontalPodAutoscalerConfig": {"behavior": scaling.behavior}}
    return {
        "apiVersion": SCALED_OBJECT.api_version,
        "kind": SCALED_OBJECT.kind,
        "metadata": names.metadata(md, slot=STABLE_SLOT),
        "spec": spec,
    }


def _target(md: ModelDeployment) -> Body:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": md.metadata.name}


def _cpu(utilization: int) -> Body:
    """The CPU of container `model` alone: a sidecar without requests would stop a pod-wide metric."""
    return {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "model",
            "target": {"type": "Utilization", "averageUtilization": utilization},
        },
    }
