"""`modelmoor-server optimize`: the original copied, its fast form made beside it and compared, then one rename."""

import importlib
import json
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from modelmoor_server import artifact, facts
from modelmoor_server.errors import ModelError, Phase, Reason, cause_name
from modelmoor_server.inspection import Inspection, inspect
from modelmoor_server.optimized import FAST
from modelmoor_server.optimized.manifest import Manifest, write
from modelmoor_server.runtimes.base import Independence, Policy
from modelmoor_server.signature import Signature

Say = Callable[[str], None]
"""Takes a sentence of progress."""

MAKERS = {
    "sklearn": "modelmoor_server.optimized.flat",
}
"""Format -> the module whose `make(found, policy, into, say) -> Made` writes files into the folder `into` (`fast/`)."""


@dataclass(frozen=True)
class Made:
    """What a maker has made; the fields are those of the manifest."""

    framework: str
    engine: str
    made_with: Mapping[str, str]
    signature: Signature
    default_outputs: tuple[str, ...]
    independence: Independence
    checked: Mapping[str, Any]
    model: Mapping[str, Any]


def refused(message: str, hint: str) -> ModelError:
    """There is no fast form of this model; it can be served as it is."""
    return ModelError(Phase.VERIFY, Reason.LOAD_FAILED, message, hint)


def run(options: Namespace) -> int:
    """The verb; its exit code. stdout has the result alone, stderr how it goes."""

    def say(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - a command

    try:
        result = optimize(options.source, options.folder, say)
    except ModelError as error:
        if options.json:
            print(facts.failure(error).decode())  # noqa: T201 - a command
        else:
            say(f"{error.message} {error.hint}")
        return 1
    if options.json:
        print(json.dumps({"ok": True, **result}, indent=2))  # noqa: T201 - a command
    else:
        checks = ", ".join(f"{name} {count}" for name, count in result["checked"].items())
        print(  # noqa: T201 - a command
            f"{result['folder']}: {result['size'] / 1e6:.1f} MB, {result['fastSize'] / 1e6:.1f} of them the fast form\n"
            f"engine {result['engine']}, equal to the original ({checks})\ndigest {result['digest']}"
        )
    return 0


def optimize(source: Path, folder: Path, say: Say) -> dict[str, Any]:
    """Write the optimized artifact of `source` into the new `folder`. Raises ModelError; nothing half made stays."""
    begun = perf_counter()
    source, folder = source.expanduser().resolve(), folder.expanduser().absolute()
    if folder.exists() or folder.is_symlink():
        raise ModelError(
            Phase.VERIFY,
            Reason.INVALID_SETTINGS,
            f"{folder.name} is there already, and nothing is overwritten.",
            "Choose a new folder, or remove this one first.",
        )
    found = inspect(source)
    if found.format not in MAKERS or found.path.is_dir():
        raise refused(
            f"There is no fast form of {found.framework} artifacts.", "Serve it as it is; nothing would be gained."
        )
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        say(f"Copying {found.path.name} ({found.path.stat().st_size / 1e6:.1f} MB)")
        (partial / FAST).mkdir(parents=True)
        shutil.copyfile(found.path, partial / found.path.name)
        manifest = _make(found, partial, say)
        say("Writing")
        write(partial, manifest)
        sizes = {path: path.stat().st_size for path in artifact.plain_files(partial)}
        digest = artifact.digest(partial)
        partial.rename(folder)
    except OSError as error:
        raise ModelError(
            Phase.VERIFY,
            Reason.INVALID_SETTINGS,
            f"The folder {folder.name} cannot be written ({cause_name(error)}).",
            "Check that its parent may be written and that the disk is not full.",
        ) from None
    finally:
        artifact.remove(partial)
    return {
        "folder": str(folder),
        "engine": manifest.engine,
        "source": manifest.source,
        "sourceDigest": manifest.source_digest,
        "digest": digest,
        "size": sum(sizes.values()),
        "fastSize": sum(size for path, size in sizes.items() if path.parent.name == FAST),
        "checked": dict(manifest.checked),
        "seconds": round(perf_counter() - begun, 2),
    }


def _make(found: Inspection, partial: Path, say: Say) -> Manifest:
    """The fast form of the copy, so that what is described is what lies beside it."""
    copy = Inspection(found.format, found.framework, partial / found.path.name, found.version)
    made: Made = importlib.import_module(MAKERS[found.format]).make(copy, Policy(), partial / FAST, say)
    return Manifest(
        copy.path.name,
        artifact.digest(copy.path),
        found.format,
        made.framework,
        made.engine,
        {"modelmoor": version("modelmoor-server"), **made.made_with},
        made.signature,
        made.default_outputs,
        made.independence,
        made.checked,
        {path.name: artifact.file_sha256(path) for path in artifact.plain_files(partial / FAST)},
        made.model,
    )
