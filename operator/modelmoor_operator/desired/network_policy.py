"""The NetworkPolicy of a model: who may reach its pods, where the spec or the platform says so."""

from typing import Any

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import names
from modelmoor_operator.desired.names import GRPC_PORT, HTTP_PORT, NAME_LABEL, ROUTER_LABELS, Body
from modelmoor_operator.kinds import NETWORK_POLICY
from modelmoor_operator.settings import Settings


def network_policy(md: ModelDeployment, settings: Settings) -> Body | None:
    """None where neither the spec nor the platform names callers: then every pod may call, as in any cluster.

    It covers all slots of the model. The kubelet's probes come from the node, which no policy keeps out.
    """
    callers = _callers(md, settings)
    if callers is None:
        return None
    router = {"podSelector": {"matchLabels": ROUTER_LABELS}}
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": NETWORK_POLICY.kind,
        "metadata": names.metadata(md),
        "spec": {
            "podSelector": {"matchLabels": {NAME_LABEL: md.metadata.name}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [router, *settings.network_policy.always_from, *callers],
                    # by number: not every network knows a container's port by its name
                    "ports": [{"protocol": "TCP", "port": port} for port in (HTTP_PORT, GRPC_PORT)],
                }
            ],
        },
    }


def _callers(md: ModelDeployment, settings: Settings) -> list[dict[str, Any]] | None:
    """The spec's own callers go before the platform's; an empty list of them is an answer, too."""
    own = md.spec.access.from_ if md.spec.access else None
    if own is not None:
        return [peer.wire() for peer in own]
    return list(settings.network_policy.from_) if settings.network_policy.enabled else None
