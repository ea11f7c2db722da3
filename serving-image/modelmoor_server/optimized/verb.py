"""`modelmoor-server optimize`: the original copied, its fast form made beside it and compared, then one rename."""

import importlib
import json
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from modelmoor_server import artifact, facts
from modelmoor_server.errors import ModelError, Phase, Reason, cause_name
from modelmoor_server.inspection import Inspection, inspect
from modelmoor_server.optimized import FAST
from modelmoor_server.optimized.manifest import Made, Manifest, write
from modelmoor_server.runtimes.base import Policy

VERSION = "1"  # a SavedModel's folder in the new one, as TensorFlow Serving numbers versions
Say = Callable[[str], None]
"""Takes a sentence of progress."""

MAKERS = {
    "sklearn": "modelmoor_server.optimized.flat",
    "keras": "modelmoor_server.runtimes.onnx.convert",
    "tensorflow": "modelmoor_server.runtimes.onnx.convert",
}
"""Format -> the module whose `make(found, policy, into, say) -> Made` writes files into the folder `into` (`fast/`)."""


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
    if found.format not in MAKERS:
        raise refused(
            f"There is no fast form of {found.framework} artifacts.", "Serve it as it is; nothing would be gained."
        )
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        (partial / FAST).mkdir(parents=True)
        manifest = _make(_copied(found, partial, say), partial, say)
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


def _copied(found: Inspection, partial: Path, say: Say) -> Inspection:
    """The original in the new folder: a file by its name, a SavedModel as the numbered version that it is to others."""
    if not found.path.is_dir():
        say(f"Copying {found.path.name} ({found.path.stat().st_size / 1e6:.1f} MB)")
        shutil.copyfile(found.path, partial / found.path.name)
        return replace(found, path=partial / found.path.name)
    files = [file.relative_to(found.path) for file in artifact.plain_files(found.path)]
    say(f"Copying {found.path.name} ({len(files)} files)")
    for file in files:
        (partial / VERSION / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.path / file, partial / VERSION / file)
    return replace(found, path=partial / VERSION)


def _make(copy: Inspection, partial: Path, say: Say) -> Manifest:
    """The fast form of the copy, so that what is described is what lies beside it."""
    made: Made = importlib.import_module(MAKERS[copy.format]).make(copy, Policy(), partial / FAST, say)
    return Manifest(
        source=copy.path.name,
        source_digest=artifact.digest(copy.path),
        format=copy.format,
        files={path.name: artifact.file_sha256(path) for path in artifact.plain_files(partial / FAST)},
        **{**vars(made), "made_with": {"modelmoor": version("modelmoor-server"), **made.made_with}},
    )
