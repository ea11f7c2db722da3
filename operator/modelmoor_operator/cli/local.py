"""A rendered pod becomes two local processes: the same environment, with this machine's folders and port put in."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelmoor_operator.cli.errors import CommandError
from modelmoor_operator.cli.manifests import Manifests

Body = Mapping[str, Any]

_MOVED = {
    "MODELMOOR_MODEL_DIR": "model",
    "MODELMOOR_CREDENTIALS_DIR": "credentials",
    "MODELMOOR_PVC_DIR": "pvc",
}
"""Folders of the pod, and what they are called below the work folder."""


@dataclass(frozen=True)
class Places:
    """Where things are on this machine: `work` is created and removed by the caller."""

    work: Path
    port: int
    uri: str | None = None
    """A local path or a URI in place of the manifest's own."""
    credentials: Path | None = None
    """A folder with one file per key, as the Secret is mounted."""
    claims: Mapping[str, Path] | None = None
    """Folders that stand in for PersistentVolumeClaims, by the claim's name."""

    @property
    def termination_log(self) -> Path:
        return self.work / "termination-log"


def environments(template: Body, places: Places, beside: Manifests) -> tuple[dict[str, str], dict[str, str]]:
    """What `fetch` and `serve` are told here: every variable of the rendered containers, with folders replaced."""
    spec = template["spec"]
    fetch = _variables(_container(spec["initContainers"], "fetch"), beside)
    serve = _variables(_container(spec["containers"], "model"), beside)
    model = serve["MODELMOOR_MODEL_NAME"]
    # no gRPC: the pod's number for it may be taken here, and nobody asked for one
    ports = {"MODELMOOR_HTTP_PORT": str(places.port), "MODELMOOR_GRPC_PORT": ""}
    return _fetched(model, fetch, spec, places), _moved(serve, places) | ports


def secret_files(template: Body, beside: Manifests) -> dict[str, bytes] | None:
    """The keys of the store's Secret from the same files; None where the pod has none or the files do not hold it."""
    name = next((v["secret"]["secretName"] for v in template["spec"]["volumes"] if v["name"] == "credentials"), None)
    secret = beside.other("Secret", name) if name else None
    if secret is None:
        return None
    plain = {key: str(value).encode() for key, value in (secret.get("stringData") or {}).items()}
    try:
        return {
            key: base64.b64decode(value, validate=True) for key, value in (secret.get("data") or {}).items()
        } | plain
    except (binascii.Error, TypeError, ValueError) as error:
        raise CommandError(f"Secret {name}: data must be base64; plain text belongs into stringData") from error


def _fetched(model: str, told: dict[str, str], spec: Body, places: Places) -> dict[str, str]:
    moved = _moved(told, places)
    if places.uri is not None:
        # the store of the manifest is not asked, so neither its keys nor its claim is needed
        for name in ("MODELMOOR_CREDENTIALS_DIR", "MODELMOOR_PVC_DIR"):
            moved.pop(name, None)
        return moved | {"MODELMOOR_MODEL_URI": _as_uri(places.uri)}
    if "MODELMOOR_PVC_DIR" in told:
        claim = next(v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"] if v["name"] == "pvc")
        folder = (places.claims or {}).get(claim)
        if folder is None:
            raise CommandError(
                f"claim {claim} is in the cluster, not here: give a folder in its place with --claim {claim}=FOLDER,"
                f" or the model itself with --set-uri {model}=PATH"
            )
        moved["MODELMOOR_PVC_DIR"] = str(folder.resolve())
    if places.credentials is not None:
        moved["MODELMOOR_CREDENTIALS_DIR"] = str(places.credentials.resolve())
    return moved


def _moved(told: Mapping[str, str], places: Places) -> dict[str, str]:
    moved = {name: str(places.work / _MOVED[name]) if name in _MOVED else value for name, value in told.items()}
    return moved | {"MODELMOOR_TERMINATION_LOG": str(places.termination_log)}


def _as_uri(path: str) -> str:
    if "://" in path:
        return path
    local = Path(path).expanduser()
    if not local.exists():
        raise CommandError(f"{path} does not exist: --set-uri takes NAME=PATH of a model on this machine, or NAME=URI")
    uri = f"file://{local.resolve()}"
    return f"{uri}/" if local.is_dir() else uri


def _container(containers: list[Body], name: str) -> Body:
    return next(container for container in containers if container["name"] == name)


def _variables(container: Body, beside: Manifests) -> dict[str, str]:
    return {item["name"]: _value(item, beside) for item in container.get("env", []) if _is_told(item)}


def _is_told(item: Body) -> bool:
    """A field of the pod has no meaning without a pod."""
    return "fieldRef" not in (item.get("valueFrom") or {})


def _value(item: Body, beside: Manifests) -> str:
    source = item.get("valueFrom")
    if not source:
        return str(item.get("value", ""))
    kind, reference = ("Secret", "secretKeyRef") if "secretKeyRef" in source else ("ConfigMap", "configMapKeyRef")
    wanted = source[reference]
    held = beside.other(kind, wanted["name"]) or {}
    plain = (held.get("stringData") if kind == "Secret" else held.get("data")) or {}
    if wanted["key"] in plain:
        return str(plain[wanted["key"]])
    if kind == "Secret" and wanted["key"] in (held.get("data") or {}):
        return base64.b64decode(held["data"][wanted["key"]]).decode()
    if wanted.get("optional"):
        return ""
    raise CommandError(
        f"{item['name']} comes from key {wanted['key']} of {kind} {wanted['name']}: give its manifest with another -f"
    )
