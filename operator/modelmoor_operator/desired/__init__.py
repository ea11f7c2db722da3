"""What should be: a ModelDeployment and the settings become objects. Pure: no cluster, no clock, no chance."""

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import replicas, revision
from modelmoor_operator.desired.autoscaler import autoscaler
from modelmoor_operator.desired.deployment import deployment
from modelmoor_operator.desired.disruption import disruption_budget
from modelmoor_operator.desired.names import Body
from modelmoor_operator.desired.revision import Revision
from modelmoor_operator.desired.service import headless_service, service
from modelmoor_operator.settings import Settings


def children(md: ModelDeployment, target: Revision, *, exists: bool) -> list[Body]:
    """Every child but the ControllerRevision, in the order in which they are applied.

    `exists` tells whether the Deployment is there already; the autoscaler comes last, after `replicas` was let go.
    """
    scaler = autoscaler(md)
    return [
        deployment(md, target, replicas.declared(md, exists=exists)),
        service(md),
        headless_service(md),
        disruption_budget(md),
        *([scaler] if scaler else []),
    ]


def desired(md: ModelDeployment, settings: Settings) -> list[Body]:
    """Everything that a new ModelDeployment becomes: what `moor render` prints and the golden tests compare."""
    image = md.spec.runtime.image or settings.serving_image
    target = revision.render(md, settings, image)
    return [revision.controller_revision(md, target, number=1), *children(md, target, exists=False)]
