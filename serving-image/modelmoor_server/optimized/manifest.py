"""What `fast/manifest.json` says of a fast form, and the checks without which not a word of it is believed.

FOLDER/
  model.joblib         the original, unchanged; a server that knows no fast forms serves it
  fast/manifest.json   this
  fast/...             the files that it names, each with its SHA-256
"""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelmoor_server import artifact
from modelmoor_server.errors import ModelError
from modelmoor_server.optimized import FAST, MANIFEST, signatures
from modelmoor_server.optimized.signatures import text
from modelmoor_server.runtimes.base import Independence
from modelmoor_server.signature import Signature

LAYOUT = 1
LIMIT = 64 << 20  # bytes of a manifest: labels and the places of some thousand trees fit many times
ENGINES = ("Native", "ONNX")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Unusable(Exception):
    """The fast form cannot be used; `str(error)` is a clause that says why. The original is as good as ever."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a maker tells of the fast form that it made.

    framework: of the original. engine: one of ENGINES. made_with: name -> version of what made it.
    checked: what was compared with the original, in numbers. model: what the engine needs, in the engine's own words.
    """

    framework: str
    engine: str
    made_with: Mapping[str, str]
    signature: Signature
    default_outputs: tuple[str, ...]
    independence: Independence
    checked: Mapping[str, Any]
    model: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Manifest(Made):
    """What is known of a fast form.

    source: the original's path in the folder. source_digest: `sha256:...` of it, as artifact.digest tells.
    format: of the original. files: name in `fast/` -> SHA-256 in hex.
    """

    source: str
    source_digest: str
    format: str
    files: Mapping[str, str]


def path_in(folder: Path) -> Path:
    """Where in an optimized artifact its manifest is."""
    return folder / FAST / MANIFEST


def is_there(folder: Path) -> bool:
    """Whether a folder claims to be an optimized artifact."""
    return path_in(folder).is_file()


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder whose `fast/` holds every other file already."""
    body = {
        "layout": LAYOUT,
        "source": manifest.source,
        "sourceDigest": manifest.source_digest,
        "format": manifest.format,
        "framework": manifest.framework,
        "engine": manifest.engine,
        "madeWith": dict(manifest.made_with),
        "signature": signatures.as_json(manifest.signature),
        "defaultOutputs": list(manifest.default_outputs),
        "independence": manifest.independence,
        "checked": dict(manifest.checked),
        "files": {name: f"sha256:{sha256}" for name, sha256 in manifest.files.items()},
        "model": dict(manifest.model),
    }
    path_in(folder).write_text(json.dumps(body, indent=1, allow_nan=False) + "\n", encoding="ascii")


def read(folder: Path) -> Manifest:
    """The manifest of an optimized artifact, as it claims. Raises Unusable."""
    path = path_in(folder)
    try:
        if path.stat().st_size > LIMIT:
            raise Unusable("its manifest is too large")
        body = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise Unusable("its manifest cannot be read") from None
    if not isinstance(body, dict) or body.get("layout") != LAYOUT:
        raise Unusable(f"its manifest is not of layout {LAYOUT}, the one that this server knows")
    try:
        manifest = Manifest(
            source=text(body["source"]),
            source_digest=text(body["sourceDigest"]),
            format=text(body["format"]),
            framework=text(body["framework"]),
            engine=text(body["engine"]),
            made_with={text(name): text(version) for name, version in body["madeWith"].items()},
            signature=signatures.from_json(body["signature"]),
            default_outputs=tuple(text(name) for name in body["defaultOutputs"]),
            independence=Independence(body["independence"]),
            checked=dict(body["checked"]),
            files={text(name): text(digest).removeprefix("sha256:") for name, digest in body["files"].items()},
            model=dict(body["model"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unusable("its manifest lacks a part, or has one of another kind") from None
    outputs = {field.name for field in manifest.signature.outputs}
    plain = all(_FILE.fullmatch(name) for name in manifest.files) and _FILE.fullmatch(manifest.source)
    if manifest.engine not in ENGINES or not plain or not manifest.default_outputs:
        raise Unusable("its manifest names an engine, a file or an output that cannot be")
    if not set(manifest.default_outputs) <= outputs:
        raise Unusable("its manifest names an engine, a file or an output that cannot be")
    return manifest


def verify(folder: Path, manifest: Manifest, original: Path) -> None:
    """Compare the original and every file of the fast form with what was written down of them. Raises Unusable.

    original: what the server would load without the fast form; it has to be the one that this was made from.
    """
    if original != folder / manifest.source:
        raise Unusable("it was made from another file than the one that would be served")
    try:
        if not hmac.compare_digest(artifact.digest(original), manifest.source_digest):
            raise Unusable("the original has changed since it was made")
        for name, sha256 in manifest.files.items():
            path = folder / FAST / name
            artifact.check_plain(path)
            if not hmac.compare_digest(artifact.file_sha256(path), sha256):
                raise Unusable(f"{FAST}/{name} is damaged")
    except (OSError, ModelError, TypeError):
        raise Unusable("a file that its manifest names is not there") from None


def told(folder: Path, original: Path) -> dict[str, Any]:
    """What a person who looks into an optimized artifact wants to know of its fast form, as JSON."""
    try:
        manifest = read(folder)
        verify(folder, manifest, original)
    except Unusable as reason:
        return {"usable": False, "reason": str(reason)}
    made_with, checked = dict(manifest.made_with), dict(manifest.checked)
    return {"usable": True, "engine": manifest.engine, "madeWith": made_with, "checked": checked}
