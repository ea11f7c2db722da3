"""Merges a person's pod template into the rendered one by the strategic keys, and refuses what would break the pod."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelmoor_operator.api.reasons import Reason
from modelmoor_operator.desired import names
from modelmoor_operator.errors import Stalled

Body = dict[str, Any]

# The patchMergeKey of each list of a PodSpec, as the Kubernetes API types give it; other lists are replaced whole.
_KEYS: dict[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
}
# Unions: an item or handler of one kind takes the place of another kind; merged, the API server would refuse both.
_WHOLE_ITEMS = ("env", "volumes")
_WHOLE_FIELDS = ("preStop", "postStart")
_OWN_CONTAINERS = {
    "model": ("name", "env", "envFrom", "volumeMounts", "securityContext", "lifecycle"),
    "fetch": ("name", "env", "envFrom", "volumeMounts", "securityContext"),
}
_OWN_VOLUMES = ("model", "tmp", "credentials", "pvc")
_OWN_MOUNTS = ("/mnt/modelmoor", "/etc/modelmoor", "/tmp")  # noqa: S108 - a path in the pod


def merged(template: Body, patch: Mapping[str, Any], *, whose: str) -> Body:
    """The template with `patch` (metadata.labels, metadata.annotations, spec) laid over it; neither is changed.

    Raises `Stalled` with InvalidPodTemplate, naming the field below `whose`.
    """
    _check(patch, whose)
    return _merged(template, patch)  # type: ignore[no-any-return]


def share_mounts(spec: Body) -> None:
    """Let `fetch` see the volumes that the overlay gave `model`: a file:// artifact may lie on one of them."""
    fetch = spec["initContainers"][0]
    model = next(container for container in spec["containers"] if container["name"] == "model")
    known = {mount["mountPath"] for mount in fetch["volumeMounts"]}
    own = [mount for mount in model["volumeMounts"] if not _reserved(mount["mountPath"])]
    fetch["volumeMounts"] = fetch["volumeMounts"] + [m | {"readOnly": True} for m in own if m["mountPath"] not in known]


def _merged(base: Any, patch: Any, key: str = "") -> Any:
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        result = dict(base)
        for name, value in patch.items():
            if value is None:
                result.pop(name, None)  # as kubectl does: null takes a field away
            elif name in base and name not in _WHOLE_FIELDS:
                result[name] = _merged(base[name], value, name)
            else:
                result[name] = value
        return result
    if isinstance(base, list) and isinstance(patch, list) and key in _KEYS:
        return _merged_list(base, patch, _KEYS[key], whole=key in _WHOLE_ITEMS)
    return patch


def _merged_list(base: Sequence[Any], patch: Sequence[Any], key: str, *, whole: bool) -> list[Any]:
    result = list(base)
    places = {item.get(key): place for place, item in enumerate(result) if isinstance(item, Mapping)}
    for item in patch:
        place = places.get(item.get(key)) if isinstance(item, Mapping) else None
        if place is None:
            result.append(item)
        else:
            result[place] = item if whole else _merged(result[place], item)
    return result


def _check(patch: Mapping[str, Any], whose: str) -> None:
    for part in ("labels", "annotations"):
        for name in (patch.get("metadata") or {}).get(part) or {}:
            if name.startswith(names.PREFIX):
                raise _invalid(f"{whose}.metadata.{part}: {name} belongs to the operator")
    spec = patch.get("spec") or {}
    for part in ("containers", "initContainers"):
        for container in _items(spec, part, f"{whose}.spec.{part}"):
            _check_container(container, part, f"{whose}.spec.{part}")
    for volume in _items(spec, "volumes", f"{whose}.spec.volumes"):
        if volume.get("name") in _OWN_VOLUMES:
            raise _invalid(f"{whose}.spec.volumes: the name {volume['name']} belongs to the operator")


def _check_container(container: Mapping[str, Any], part: str, where: str) -> None:
    name = container.get("name")
    if not name:
        raise _invalid(f"{where}: every container needs a name")
    home = {"model": "containers", "fetch": "initContainers"}.get(name)
    if home is None:
        return
    if home != part:
        raise _invalid(f"{where}: container {name} belongs into {home}")
    for field in container:
        if field not in _OWN_CONTAINERS[name]:
            allowed = ", ".join(_OWN_CONTAINERS[name][1:])
            raise _invalid(f"{where}[{name}].{field} cannot be set here; of container {name} only {allowed} can")
    for variable in _items(container, "env", f"{where}[{name}].env"):
        if str(variable.get("name", "")).startswith("MODELMOOR_"):
            raise _invalid(f"{where}[{name}].env: names that start with MODELMOOR_ belong to the operator")
    for mount in _items(container, "volumeMounts", f"{where}[{name}].volumeMounts"):
        if _reserved(str(mount.get("mountPath", ""))):
            raise _invalid(f"{where}[{name}].volumeMounts: {mount['mountPath']} belongs to the operator")


def _items(holder: Mapping[str, Any], field: str, where: str) -> list[Mapping[str, Any]]:
    items = holder.get(field, [])
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise _invalid(f"{where} must be a list of objects")
    return items


def _reserved(path: str) -> bool:
    return any(path == own or path.startswith(own + "/") for own in _OWN_MOUNTS)


def _invalid(message: str) -> Stalled:
    return Stalled(Reason.InvalidPodTemplate, message + ".", hint=Reason.InvalidPodTemplate.hint)
