"""A mirror of the watched objects, fed by events, by the answers to our own writes, and by the resync."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelmoor_operator.kinds import AUTOSCALER, MODEL_DEPLOYMENT, REVISION, SERVICE, Kind
from modelmoor_operator.queue import Key

MANAGER = "modelmoor"
"""The server-side apply manager of every child; whose fields are whose is told by it."""

_GROUP_PREFIX = "modelmoor.dev/"
_STATUS_UNREAD = (REVISION, SERVICE, AUTOSCALER)  # their status moves often and says nothing to us


@dataclass(frozen=True)
class Entry:
    """One live object as last seen, and what its managedFields said of us.

    `owned` is a hash of the fields that manager `modelmoor` applied: a foreign change of one of them takes it out of
    that entry, so the hash moves (measured on a real API server; research/operator.md 7b).
    """

    kind: Kind
    body: Mapping[str, Any]
    owned: str
    managers: frozenset[str]
    owns_replicas: bool

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.body["metadata"]  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        return str(self.metadata["name"])

    @property
    def uid(self) -> str:
        return str(self.metadata.get("uid", ""))

    @property
    def version(self) -> int:
        """The resource version as a number: comparable, as Kubernetes promises since 1.35 and etcd always did."""
        text = str(self.metadata.get("resourceVersion", ""))
        return int(text) if text.isdigit() else 0

    @property
    def deleting(self) -> bool:
        return "deletionTimestamp" in self.metadata


def entry(kind: Kind, body: Mapping[str, Any]) -> Entry:
    """Read an object as the API server sent it; managedFields are digested here and not kept."""
    metadata = dict(body["metadata"])
    fields = metadata.pop("managedFields", None) or []
    ours = [item for item in fields if item.get("manager") == MANAGER and item.get("operation") == "Apply"]
    owned = ours[0].get("fieldsV1", {}) if ours else {}
    return Entry(
        kind=kind,
        body={**body, "metadata": metadata},
        owned=hashlib.sha256(json.dumps(owned, sort_keys=True).encode()).hexdigest()[:16] if ours else "",
        managers=frozenset(str(item.get("manager")) for item in fields),
        owns_replicas="f:replicas" in owned.get("f:spec", {}),
    )


def owner_key(body: Mapping[str, Any]) -> Key | None:
    """The ModelDeployment that a child belongs to: by its controller reference, else by our label."""
    metadata = body["metadata"]
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller") and reference.get("kind") == MODEL_DEPLOYMENT.kind:
            return metadata["namespace"], reference["name"]
    name = (metadata.get("labels") or {}).get(_GROUP_PREFIX + "name")
    return (metadata["namespace"], name) if name else None


class Cache:
    """Objects by kind, namespace and name, with the children of each ModelDeployment at hand."""

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[Key, Entry]] = {}
        self._children: dict[Key, dict[tuple[Kind, str], None]] = {}

    def upsert(self, kind: Kind, body: Mapping[str, Any]) -> bool:
        """Keep a newer state of an object; True where something changed that a pass would read."""
        new = entry(kind, body)
        key = (str(new.metadata["namespace"]), new.name)
        known = self._objects.setdefault(kind, {}).get(key)
        if known is not None and known.uid == new.uid and new.version < known.version:
            return False  # an event older than the answer to our own write
        self._objects[kind][key] = new
        if kind is not MODEL_DEPLOYMENT:
            owner = owner_key(body)
            if owner is not None:
                self._children.setdefault(owner, {})[(kind, new.name)] = None
        return known is None or _meaning(known) != _meaning(new)

    def remove(self, kind: Kind, body: Mapping[str, Any]) -> bool:
        """Forget an object that was deleted; False where a later object of that name is already known."""
        metadata = body["metadata"]
        key = (str(metadata["namespace"]), str(metadata["name"]))
        known = self._objects.get(kind, {}).get(key)
        if known is None or known.uid != str(metadata.get("uid", known.uid)):
            return False
        del self._objects[kind][key]
        owner = owner_key(known.body)
        if owner is not None and owner in self._children:
            self._children[owner].pop((kind, known.name), None)
            if not self._children[owner]:
                del self._children[owner]
        return True

    def get(self, kind: Kind, namespace: str, name: str) -> Entry | None:
        return self._objects.get(kind, {}).get((namespace, name))

    def children(self, key: Key) -> list[Entry]:
        """Every cached child of a ModelDeployment, in the order in which they were first seen."""
        found = (self.get(kind, key[0], name) for kind, name in self._children.get(key, {}))
        return [child for child in found if child is not None]

    def entries(self, kind: Kind) -> Iterator[tuple[Key, Entry]]:
        return iter(list(self._objects.get(kind, {}).items()))

    def models(self) -> list[Key]:
        """Every ModelDeployment, and every one that only its children still speak of."""
        return list({**self._objects.get(MODEL_DEPLOYMENT, {}), **self._children})


def _meaning(known: Entry) -> object:
    """The part of an object whose change is worth a pass."""
    metadata = known.metadata
    if known.kind is MODEL_DEPLOYMENT:
        ours = {k: v for k, v in (metadata.get("annotations") or {}).items() if k.startswith(_GROUP_PREFIX)}
        return known.uid, metadata.get("generation"), known.deleting, ours
    status = None if known.kind in _STATUS_UNREAD else known.body.get("status")
    rest = {k: v for k, v in known.body.items() if k not in ("metadata", "status")}
    shown = {k: metadata.get(k) for k in ("uid", "labels", "ownerReferences", "deletionTimestamp", "generation")}
    return shown, known.owned, rest, status
