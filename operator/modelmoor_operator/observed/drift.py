"""What an apply cannot mend: entries that others added to the lists of our objects, and how to put those right.

Server-side apply leaves foreign entries of a keyed list alone, and after an edit of a list's key (a port number) it
adds a second entry beside the edited one (measured on a real API server). Such lists are replaced whole.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modelmoor_operator.api.v1alpha1 import KIND

Body = Mapping[str, Any]

INJECTED = frozenset({"istio-proxy", "istio-init", "istio-validation", "linkerd-proxy", "linkerd-init", "vault-agent"})
"""Containers that meshes and agents put into workloads: left alone."""

_ACCOUNT = ("serviceAccountName", "serviceAccount")
_CONTAINER_LISTS = {"env": "name", "ports": "containerPort", "volumeMounts": "mountPath"}


def foreign(wanted: Body, live: Body) -> list[str]:
    """Paths of what stands in the live object's lists and not in ours; empty where all is well."""
    found = [f"metadata.ownerReferences[{owner['name']}]" for owner in _owners(live) if not _owners(wanted)]
    if wanted["kind"] == "Service":
        found += _service(wanted["spec"], live["spec"])
    if wanted["kind"] == "Deployment":
        found += _pod(wanted["spec"]["template"]["spec"], live["spec"]["template"]["spec"])
    return found


def mending(wanted: Body, live: Body) -> dict[str, Any] | None:
    """A JSON merge patch that replaces those lists by ours; None where nothing needs one.

    It holds the whole of what is wanted: an invalid part makes the API server refuse all of it, never write half.
    """
    lists = _lists(wanted, live)
    if _owners(live) and not _owners(wanted):
        kept = [owner for owner in live["metadata"]["ownerReferences"] if owner not in _owners(live)]
        return {**(lists or {}), "metadata": {"ownerReferences": kept}}
    return lists


def _owners(body: Body) -> list[Body]:
    """The owner references that would make the collector take an object with its ModelDeployment."""
    references = body["metadata"].get("ownerReferences") or ()
    return [reference for reference in references if reference.get("controller") and reference.get("kind") == KIND]


def _lists(wanted: Body, live: Body) -> dict[str, Any] | None:
    spec = wanted["spec"]
    if wanted["kind"] == "Service":
        gone = {key: None for key in live["spec"].get("selector") or {} if key not in spec["selector"]}
        return {"spec": {**spec, "selector": {**spec["selector"], **gone}}}
    if wanted["kind"] == "Deployment":
        pod, live_pod = spec["template"]["spec"], live["spec"]["template"]["spec"]
        lists = {
            field: list(pod.get(field, ())) + _injected(pod, live_pod, field)
            for field in ("containers", "initContainers", "volumes")
        }
        account = dict.fromkeys(_ACCOUNT) if _account(pod, live_pod) else {}
        return {"spec": {**spec, "template": {**spec["template"], "spec": {**account, **pod, **lists}}}}
    return None


def _service(wanted: Body, live: Body) -> Iterator[str]:
    ports = {(port["port"], port.get("protocol", "TCP")) for port in wanted["ports"]}
    for port in live.get("ports") or ():
        if (port.get("port"), port.get("protocol", "TCP")) not in ports:
            yield f"spec.ports[{port.get('port')}]"
    for key in live.get("selector") or {}:
        if key not in wanted["selector"]:
            yield f"spec.selector[{key}]"


def _account(wanted: Body, live: Body) -> bool:
    """Whether pods run under an account that nobody asks for (any more).

    The API server keeps it under two names, of which an apply owns and drops one: the other brings it back.
    """
    return not any(wanted.get(field) for field in _ACCOUNT) and any(live.get(field) for field in _ACCOUNT)


def _pod(wanted: Body, live: Body) -> Iterator[str]:
    if _account(wanted, live):
        yield "spec.template.spec.serviceAccountName"
    for field in ("containers", "initContainers"):
        ours = {container["name"]: container for container in wanted.get(field) or ()}
        for container in live.get(field) or ():
            name = container.get("name")
            if name in INJECTED:
                continue
            if name not in ours:
                yield f"spec.template.spec.{field}[{name}]"
                continue
            for part, key in _CONTAINER_LISTS.items():
                known = {item[key] for item in ours[name].get(part) or ()}
                for item in container.get(part) or ():
                    if item.get(key) not in known:
                        yield f"spec.template.spec.{field}[{name}].{part}[{item.get(key)}]"
    volumes = {volume["name"] for volume in wanted.get("volumes") or ()}
    injected = any(item.get("name") in INJECTED for item in live.get("containers") or ())
    for volume in live.get("volumes") or ():
        if volume.get("name") not in volumes and not injected:
            yield f"spec.template.spec.volumes[{volume.get('name')}]"


def _injected(wanted: Body, live: Body, field: str) -> list[Any]:
    """What a mesh added to a list, to be kept when the list is replaced."""
    known = {item["name"] for item in wanted.get(field) or ()}
    if field == "volumes":
        injected = any(item.get("name") in INJECTED for item in live.get("containers") or ())
        return [item for item in live.get(field) or () if injected and item.get("name") not in known]
    return [item for item in live.get(field) or () if item.get("name") in INJECTED and item.get("name") not in known]
