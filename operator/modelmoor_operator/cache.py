"""A mirror of the watched objects, fed by events, by the answers to our own writes, and by the resync.

Objects are kept as compressed JSON: as Python objects, those of ten thousand models would take ten times the memory.
Objects of one kind are much alike, so the first one seen is the dictionary of the others: they shrink to a fifth.
"""

import hashlib
import json
import sys
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from modelmoor_operator.desired import names
from modelmoor_operator.kinds import (
    AUTOSCALER,
    MODEL_DEPLOYMENT,
    PROMETHEUS_RULE,
    REVISION,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_MONITOR,
    Kind,
)
from modelmoor_operator.queue import Key

MANAGER = "modelmoor"
"""The server-side apply manager of every child; whose fields are whose is told by it."""

_UNPACKED = 64
"""So many objects stay readable, those of the passes that run now among them."""
# their status moves often, or is another operator's, and says nothing to us
_STATUS_UNREAD = (REVISION, SERVICE, AUTOSCALER, SCALED_OBJECT, SERVICE_MONITOR, PROMETHEUS_RULE)


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
        return _version(self.metadata)

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
    name = (metadata.get("labels") or {}).get(names.NAME_LABEL)
    return (metadata["namespace"], name) if name else None


class _Packed(NamedTuple):
    """An entry at rest; what is compared without looking into the object stands beside its bytes."""

    text: bytes
    uid: str
    version: int
    owned: str
    managers: frozenset[str]
    owns_replicas: bool
    owner: Key | None
    meaning: bytes


class Cache:
    """Objects by kind, namespace and name, with the children of each ModelDeployment at hand."""

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[Key, _Packed]] = {}
        self._children: dict[Key, dict[tuple[Kind, str], None]] = {}
        self._managers: dict[frozenset[str], frozenset[str]] = {}
        self._dictionaries: dict[Kind, bytes] = {}
        self._unpacked: OrderedDict[tuple[Kind, Key], tuple[_Packed, Entry]] = OrderedDict()

    def upsert(self, kind: Kind, body: Mapping[str, Any]) -> bool:
        """Keep a newer state of an object; True where something changed that a pass would read."""
        metadata = body["metadata"]
        key = (sys.intern(str(metadata["namespace"])), str(metadata["name"]))
        known = self._objects.setdefault(kind, {}).get(key)
        if known is not None and known.uid == metadata.get("uid") and _version(metadata) <= known.version:
            return False  # an event no younger than the answer to our own write
        new = entry(kind, body)
        packed = self._packed(new)
        self._objects[kind][key] = packed
        if known is not None and known.owner is not None and known.owner != packed.owner:
            self._let_go(known.owner, kind, new.name)
        if packed.owner is not None:
            self._children.setdefault(packed.owner, {})[(kind, new.name)] = None
        return known is None or known.meaning != packed.meaning

    def remove(self, kind: Kind, body: Mapping[str, Any]) -> bool:
        """Forget an object that was deleted; False where a later object of that name is already known."""
        metadata = body["metadata"]
        key = (str(metadata["namespace"]), str(metadata["name"]))
        known = self._objects.get(kind, {}).get(key)
        if known is None or known.uid != str(metadata.get("uid", known.uid)):
            return False
        del self._objects[kind][key]
        self._unpacked.pop((kind, key), None)
        if known.owner is not None:
            self._let_go(known.owner, kind, key[1])
        return True

    def _let_go(self, owner: Key, kind: Kind, name: str) -> None:
        children = self._children.get(owner, {})
        children.pop((kind, name), None)
        if not children:
            self._children.pop(owner, None)

    def get(self, kind: Kind, namespace: str, name: str) -> Entry | None:
        place = (kind, (namespace, name))
        packed = self._objects.get(kind, {}).get(place[1])
        if packed is None:
            return None
        known = self._unpacked.get(place)
        if known is not None and known[0] is packed:
            self._unpacked.move_to_end(place)
            return known[1]
        body = json.loads(zlib.decompressobj(zdict=self._dictionaries[kind]).decompress(packed.text))
        found = Entry(kind, body, packed.owned, packed.managers, packed.owns_replicas)
        self._unpacked[place] = (packed, found)
        if len(self._unpacked) > _UNPACKED:
            self._unpacked.popitem(last=False)
        return found

    def knows(self, kind: Kind, namespace: str, name: str) -> bool:
        return (namespace, name) in self._objects.get(kind, {})

    def owner(self, kind: Kind, namespace: str, name: str) -> Key | None:
        """The ModelDeployment that a cached child belongs to."""
        packed = self._objects.get(kind, {}).get((namespace, name))
        return packed.owner if packed else None

    def children(self, key: Key) -> list[Entry]:
        """Every cached child of a ModelDeployment, in the order in which they were first seen."""
        found = (self.get(kind, key[0], name) for kind, name in self._children.get(key, {}))
        return [child for child in found if child is not None]

    def versions(self, kind: Kind) -> dict[Key, tuple[str, int]]:
        """The uid and resource version of every object of a kind."""
        return {key: (packed.uid, packed.version) for key, packed in self._objects.get(kind, {}).items()}

    def models(self) -> list[Key]:
        """Every ModelDeployment, and every one that only its children still speak of."""
        return list({**self._objects.get(MODEL_DEPLOYMENT, {}), **self._children})

    def _packed(self, new: Entry) -> _Packed:
        owner = None if new.kind is MODEL_DEPLOYMENT else owner_key(new.body)
        told = json.dumps(_meaning(new), sort_keys=True).encode()
        text = json.dumps(new.body, separators=(",", ":")).encode()
        compressor = zlib.compressobj(1, zdict=self._dictionaries.setdefault(new.kind, text))
        return _Packed(
            text=compressor.compress(text) + compressor.flush(),
            uid=new.uid,
            version=new.version,
            owned=new.owned,
            managers=self._managers.setdefault(new.managers, new.managers),
            owns_replicas=new.owns_replicas,
            owner=owner and (sys.intern(owner[0]), sys.intern(owner[1])),
            meaning=hashlib.blake2b(told, digest_size=12).digest(),
        )


def _version(metadata: Mapping[str, Any]) -> int:
    text = str(metadata.get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


def _meaning(known: Entry) -> object:
    """The part of an object whose change is worth a pass."""
    metadata = known.metadata
    if known.kind is MODEL_DEPLOYMENT:
        ours = {k: v for k, v in (metadata.get("annotations") or {}).items() if k.startswith(names.PREFIX)}
        return known.uid, metadata.get("generation"), known.deleting, ours
    status = None if known.kind in _STATUS_UNREAD else known.body.get("status")
    rest = {k: v for k, v in known.body.items() if k not in ("metadata", "status")}
    shown = {k: metadata.get(k) for k in ("uid", "labels", "ownerReferences", "deletionTimestamp", "generation")}
    return shown, known.owned, rest, status
