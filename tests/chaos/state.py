"""What a namespace holds, told so that two runs can be compared: no uid, no time, no version, no random name."""

import difflib
import json
from collections import Counter
from typing import Any

import yaml

from chaos.api import SNAPSHOT_KINDS, Api
from modelmoor_operator.kinds import DEPLOYMENT, MODEL_DEPLOYMENT, POD, REVISION, SERVICE, Kind

Object = dict[str, Any]
Snapshot = dict[str, Any]

OURS = "modelmoor"
_REPLICA_SET = Kind("apps", "v1", "replicasets", "ReplicaSet", ())
_COUNTS = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "unavailableReplicas")
_ADDRESSES = ("clusterIP", "clusterIPs", "healthCheckNodePort")
_NOT_OURS = ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration")
_TIMES = ("modelmoor.dev/active-since",)


def snapshot(api: Api, namespace: str, *, history: bool = True) -> Snapshot:
    """Every object of the kinds that the operator writes, those of strangers included.

    Without `history` the revisions that are no longer wanted are left out, and so is the number of the wanted one.
    """
    listed = {kind: api.objects(kind, namespace) for kind in SNAPSHOT_KINDS}
    owners = {obj["metadata"]["uid"]: f"uid of {obj['metadata']['name']}" for obj in listed[MODEL_DEPLOYMENT]}
    wanted = {(obj.get("status") or {}).get("targetRevision") for obj in listed[MODEL_DEPLOYMENT]}
    told: Snapshot = {}
    for kind, objects in listed.items():
        for obj in objects:
            if kind is REVISION and not history and obj["metadata"]["name"] not in wanted:
                continue
            told[f"{kind.plural}/{obj['metadata']['name']}"] = _told(kind, obj, owners, history)
    pods = Counter(_pod(pod) for pod in api.objects(POD, namespace))
    told["pods"] = {name: pods[name] for name in sorted(pods)}
    plain: Snapshot = json.loads(json.dumps(told, sort_keys=True).replace(namespace, "NAMESPACE"))
    return plain


def leftovers(api: Api, namespace: str) -> list[str]:
    """What is on its way out: objects that are being deleted, and those that the collector has still to take.

    Pods hang on ReplicaSets, which hang on Deployments: as long as one of them is there, so is what the last deletion
    left behind.
    """
    kinds = (*SNAPSHOT_KINDS, _REPLICA_SET, POD)
    listed = [
        (f"{kind.plural}/{obj['metadata']['name']}", obj["metadata"])
        for kind in kinds
        for obj in api.objects(kind, namespace)
    ]
    living = {metadata["uid"] for _, metadata in listed}
    return [
        name
        for name, metadata in listed
        if "deletionTimestamp" in metadata
        or any(owner["uid"] not in living for owner in metadata.get("ownerReferences") or ())
    ]


def difference(expected: Snapshot, found: Snapshot) -> str:
    """What differs, as a unified diff of YAML; empty where nothing does."""
    if expected == found:
        return ""
    lines = []
    for name in sorted(expected.keys() | found.keys()):
        one, other = (_lines(state.get(name)) for state in (expected, found))
        lines += difflib.unified_diff(one, other, f"{name} without faults", f"{name} with faults", lineterm="", n=3)
    return "\n".join(lines)


def _lines(part: object) -> list[str]:
    return [] if part is None else yaml.safe_dump(part, width=160).splitlines()


def _told(kind: Kind, obj: Object, owners: dict[str, str], history: bool) -> Object:
    metadata = obj["metadata"]
    annotations = {
        key: "SOME TIME" if key in _TIMES else value
        for key, value in (metadata.get("annotations") or {}).items()
        if key not in _NOT_OURS
    }
    references = [
        {**reference, "uid": owners.get(reference["uid"], f"unknown uid {reference['uid']}")}
        for reference in metadata.get("ownerReferences") or ()
    ]
    told: Object = {
        "labels": metadata.get("labels") or {},
        "annotations": annotations,
        "ownerReferences": references,
        "finalizers": metadata.get("finalizers") or [],
        "deleting": "deletionTimestamp" in metadata,
        # a revision is applied once; its owner is changed by a patch of the same manager, and nothing is ever dropped
        "managers": [] if kind is REVISION and not history else _managers(metadata.get("managedFields") or ()),
    }
    rest = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    if kind is SERVICE:
        rest["spec"] = {key: value for key, value in rest["spec"].items() if key not in _ADDRESSES}
    if kind is REVISION and not history:
        rest.pop("revision", None)
    status = obj.get("status") or {}
    if kind is MODEL_DEPLOYMENT:
        current = status.pop("observedGeneration", None) == metadata["generation"]
        conditions = [
            {key: value for key, value in item.items() if key not in ("lastTransitionTime", "observedGeneration")}
            for item in status.get("conditions") or ()
        ]
        told["status"] = {**status, "conditions": conditions, "current": current}
    elif kind is DEPLOYMENT:
        told["status"] = {name: status[name] for name in _COUNTS if name in status}
    return told | rest


def _managers(fields: Any) -> list[Object]:
    """Which of our managers hold what; those of the cluster's own controllers come and go."""
    # the hand-over's claim of a number that the operator declares, too, is without effect, and goes when that changes
    ours = [
        {key: item.get(key) for key in ("manager", "operation", "subresource", "fieldsV1")}
        for item in fields
        if str(item.get("manager")).startswith(OURS) and item.get("manager") != "modelmoor-handover"
    ]
    for item in ours:  # an owner reference stands there under its uid
        references = item["fieldsV1"].get("f:metadata", {}).get("f:ownerReferences")
        if references:
            item["fieldsV1"]["f:metadata"]["f:ownerReferences"] = sorted(len(entry) for entry in references.values())
    return sorted(ours, key=lambda item: json.dumps(item, sort_keys=True))


def _pod(pod: Object) -> str:
    """Pods are alike within a revision; their names are random."""
    metadata = pod["metadata"]
    revision = (metadata.get("labels") or {}).get("modelmoor.dev/revision")
    phase = (pod.get("status") or {}).get("phase")
    return f"{revision} {phase}" + (" deleting" if "deletionTimestamp" in metadata else "")
