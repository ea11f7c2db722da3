"""One manifest becomes its objects on a real API server, and applying it again changes nothing."""

import json

import pytest

from support.audit import Audit
from support.control_plane import ControlPlane
from support.manifests import condition, model, says
from support.operator import Operator

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

CHILDREN = (
    ("deployment", "iris"),
    ("service", "iris"),
    ("service", "iris-headless"),
    ("poddisruptionbudget", "iris"),
    ("horizontalpodautoscaler", "iris"),
)


def test_a_manifest_becomes_its_objects(control_plane: ControlPlane, namespace: str) -> None:
    """Each child names its owner, carries the labels, and has one manager beside the controllers' own: modelmoor."""
    control_plane.apply(model(autoscaling={"maxReplicas": 3}), namespace=namespace)
    seen = control_plane.eventually("mdep", "iris", says("Ready", "False"), namespace=namespace)

    assert seen["status"]["observedGeneration"] == 1
    for kind, name in CHILDREN:
        child = control_plane.eventually(kind, name, lambda _: True, namespace=namespace)
        (owner,) = child["metadata"]["ownerReferences"]
        assert owner["uid"] == seen["metadata"]["uid"]
        assert owner["controller"] and owner["blockOwnerDeletion"]
        assert child["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "modelmoor"
        assert child["metadata"]["labels"]["modelmoor.dev/name"] == "iris"
        assert "finalizers" not in child["metadata"]
        managers = {(item["manager"], item["operation"]) for item in child["metadata"]["managedFields"]}
        assert ("modelmoor", "Apply") in managers
    (revision,) = control_plane.names("controllerrevision", namespace)
    assert revision == seen["status"]["targetRevision"]
