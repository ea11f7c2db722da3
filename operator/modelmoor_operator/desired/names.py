"""What things are called: labels, selectors, names and the owner reference. Selectors never change once written."""

from typing import Any

from modelmoor_operator.api.v1alpha1 import API_VERSION, KIND, ModelDeployment
from modelmoor_operator.kinds import MANAGED_LABELS

Body = dict[str, Any]

PREFIX = "modelmoor.dev/"
NAME_LABEL = PREFIX + "name"
SLOT_LABEL = PREFIX + "slot"
REVISION_LABEL = PREFIX + "revision"
TWIN_LABEL = PREFIX + "service"
"""On the headless Service alone: `headless`. Else the two Services of a model would be scraped for the same pods."""
ROUTER_LABELS = {**MANAGED_LABELS, "app.kubernetes.io/component": "router"}
"""The router's pods, of the same namespace."""
SUSPEND_ANNOTATION = PREFIX + "suspend"

STABLE_SLOT = "a"
"""Slot `a` is the Deployment that carries the ModelDeployment's own name."""

HTTP_PORT = 8080
SERVICE_PORT = 80
PORT_NAME = "http"
GRPC_PORT = 8081
GRPC_PORT_NAME = "grpc"


def labels(md: ModelDeployment) -> dict[str, str]:
    """Labels of every child. Nothing is copied from the ModelDeployment: GitOps tools mark what is theirs there."""
    return {**MANAGED_LABELS, NAME_LABEL: md.metadata.name}


def selector(md: ModelDeployment, slot: str = STABLE_SLOT) -> dict[str, str]:
    """What picks the pods of one slot: two labels, for ever; a revision is never in a selector."""
    return {NAME_LABEL: md.metadata.name, SLOT_LABEL: slot}


def owner_reference(md: ModelDeployment) -> Body:
    """Makes the garbage collector delete a child with its ModelDeployment, also while no operator runs."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": md.metadata.name,
        "uid": md.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owner_references(md: ModelDeployment) -> list[Body]:
    """The owners of every child: none under `deletionPolicy: Orphan`, for the collector takes only what is owned."""
    return [] if md.spec.deletion_policy == "Orphan" else [owner_reference(md)]


def metadata(md: ModelDeployment, name: str | None = None, slot: str | None = None) -> Body:
    """Metadata of a child: name, namespace, labels and, where there is one, the owner."""
    owners = owner_references(md)
    return {
        "name": name or md.metadata.name,
        "namespace": md.metadata.namespace,
        "labels": labels(md) | ({SLOT_LABEL: slot} if slot else {}),
        **({"ownerReferences": owners} if owners else {}),
    }


def headless_name(md: ModelDeployment) -> str:
    return f"{md.metadata.name}-headless"


def url(md: ModelDeployment) -> str:
    """Where predictions are asked for inside the cluster; without the cluster's domain, which differs."""
    return f"http://{md.metadata.name}.{md.metadata.namespace}.svc"
