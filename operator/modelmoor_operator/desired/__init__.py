"""What should be: a ModelDeployment and the settings become objects. Pure: no cluster, no clock, no chance."""

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import replicas, revision
from modelmoor_operator.desired.autoscaler import autoscaler
from modelmoor_operator.desired.deployment import deployment
from modelmoor_operator.desired.disruption import disruption_budget
from modelmoor_operator.desired.monitoring import monitors
from modelmoor_operator.desired.names import Body
from modelmoor_operator.desired.network_policy import network_policy
from modelmoor_operator.desired.revision import Revision
from modelmoor_operator.desired.service import headless_service, service
from modelmoor_operator.kinds import OPTIONAL_KINDS, kind_of
from modelmoor_operator.served import Served
from modelmoor_operator.settings import Settings


def children(
    md: ModelDeployment,
    target: Revision,
    settings: Settings,
    *,
    served: Served,
    exists: bool,
    held: bool = False,
) -> list[Body]:
    """Every child but the ControllerRevision, in the order in which they are applied.

    The NetworkPolicy comes first, so that no pod is ever open to those whom it keeps out. `exists` tells whether the
    Deployment is there already; the autoscaler comes last, once `replicas` was let go. `held`: the autoscaler of before
    is not gone yet, so `replicas` stays as it is and no other comes. Kinds that this cluster does not serve are left
    out.
    """
    scaler = None if held else autoscaler(md)
    policy = network_policy(md, settings)
    found = [
        *([policy] if policy else []),
        deployment(md, target, replicas.declared(md, exists=exists, held=held)),
        service(md),
        headless_service(md),
        disruption_budget(md),
        *monitors(md, settings),
        *([scaler] if scaler else []),
    ]
    return [obj for obj in found if kind_of(obj) in served]


def desired(md: ModelDeployment, settings: Settings) -> list[Body]:
    """Everything that a new ModelDeployment becomes: what `moor render` prints and the golden tests compare."""
    image = md.spec.runtime.image or settings.serving_image
    target = revision.render(md, settings, image)
    everything = Served(frozenset(OPTIONAL_KINDS))
    return [
        revision.controller_revision(md, target, number=1),
        *children(md, target, settings, served=everything, exists=False),
    ]
