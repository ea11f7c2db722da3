"""The examples as the demo knows them: trained once per content, kept by hash, with an answer to compare."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from demo.console import ROOT, Console, DemoError

NAMES = ("iris", "diabetes", "rents", "digits")
_SHAPING = ("scikit-learn", "pandas", "numpy", "joblib", "keras", "tensorflow-cpu")
"""Packages whose version shapes an artifact, as the training script's own text does."""
_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class Trained:
    """One example after training: its artifact on this machine, and what train.py wrote into truth.json."""

    name: str
    artifact: Path
    request: dict[str, Any]
    predictions: list[Any]
    truth: list[Any]

    @property
    def manifest(self) -> Path:
        return folder(self.name) / "modeldeployment.yaml"

    @property
    def key(self) -> str:
        """Key of the artifact in the bucket `models`, as the manifest names it."""
        return f"{self.name}/{self.artifact.name}"


def folder(name: str) -> Path:
    return ROOT / "examples" / name


def train(console: Console, name: str) -> Trained:
    """The example's model from the cache, or trained now; raises DemoError where training fails."""
    kept = _cache() / f"{name}-{_fingerprint(name)}"
    if (kept / "truth.json").exists():
        console.detail(f"{name}: trained before, kept in {kept}")
        return _read(name, kept)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=f".{name}-") as temporary:
        out = Path(temporary) / "out"
        _run_training(console, name, out)
        try:
            out.rename(kept)
        except OSError:  # another demo was quicker: its result is as good
            if not (kept / "truth.json").exists():
                raise
    return _read(name, kept)


class Training(threading.Thread):
    """Trains all examples one after another beside the cluster's start; `result` waits for them."""

    def __init__(self, console: Console) -> None:
        super().__init__(name="training", daemon=True)
        self._console = console
        self._trained: list[Trained] = []
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._trained = [train(self._console, name) for name in NAMES]
        except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
            self._error = error

    def result(self) -> list[Trained]:
        """All examples in order; raises what the training raised."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._trained


def _run_training(console: Console, name: str, out: Path) -> None:
    command = [sys.executable, str(folder(name) / "train.py"), "--out", str(out)]
    nice = ["nice", *command] if shutil.which("nice") else command
    started = told = time.monotonic()
    with subprocess.Popen(nice, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as child:
        errors: list[str] = []
        drain = threading.Thread(target=lambda: errors.extend(child.stderr or ()), daemon=True)
        drain.start()
        last = ""
        for line in child.stdout or ():
            if last and time.monotonic() - told >= _PROGRESS_SECONDS:
                told = time.monotonic()
                console.detail(last)
            last = line.strip()
        code = child.wait()
        drain.join()
    if code:
        raise DemoError(f"training {name} ended with exit code {code}:\n{''.join(errors)[-2000:]}")
    console.detail(f"{last} (trained in {time.monotonic() - started:.0f} s)")


def _read(name: str, kept: Path) -> Trained:
    told = json.loads((kept / "truth.json").read_text(encoding="utf-8"))
    return Trained(name, kept / told["artifact"], told["request"], told["predictions"], told["truth"])


def _fingerprint(name: str) -> str:
    digest = hashlib.sha256((folder(name) / "train.py").read_bytes())
    for package in _SHAPING:
        digest.update(f"{package} {metadata.version(package)}\n".encode())
    return digest.hexdigest()[:12]


def _cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelmoor"
    return Path(os.environ.get("MODELMOOR_CACHE") or default) / "examples"
