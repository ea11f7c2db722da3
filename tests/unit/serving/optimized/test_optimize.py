"""`modelmoor-server optimize`: a folder with the original and a fast form, or nothing and a reason."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from modelmoor_server import artifact
from modelmoor_server.errors import ModelError
from modelmoor_server.inspection import inspect
from modelmoor_server.optimized import flat, manifest, verb
from unit.serving.optimized.conftest import TWO, X


def command(*words: object) -> subprocess.CompletedProcess[str]:
    """The verb in a process of its own."""
    line = [sys.executable, "-m", "modelmoor_server", "optimize", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.fixture
def logistic(tmp_path: Path) -> Path:
    """A file of a small model."""
    joblib.dump(LogisticRegression().fit(X, TWO), tmp_path / "two.joblib")
    return tmp_path / "two.joblib"


@pytest.mark.slow
def test_the_whole_story(logistic: Path, tmp_path: Path) -> None:
    """Progress on standard error, the result on standard output; the original is in the folder, byte for byte."""
    told = command(logistic, tmp_path / "fast", "--json")
    result = json.loads(told.stdout)

    assert told.returncode == 0
    assert "Comparing" in told.stderr
    assert {"ok": True, "engine": "Native", "source": "two.joblib"}.items() <= result.items()
    assert result["checked"]["rows"] > 4000
    assert result["digest"] == artifact.digest(tmp_path / "fast")
    assert (tmp_path / "fast" / "two.joblib").read_bytes() == logistic.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fast", "two.joblib"]
    plain = command(logistic, tmp_path / "again")
    assert "equal to the original" in plain.stdout
    assert f"digest {result['digest']}" in plain.stdout  # nothing in it depends on time or place


@pytest.mark.slow
def test_failures_say_what_to_do(logistic: Path, tmp_path: Path) -> None:
    """No model, no fast form for it, a folder that is there: exit code 1, a sentence, and nothing half made."""
    joblib.dump(KMeans(2, n_init=1).fit(X), tmp_path / "means.joblib")
    (tmp_path / "there").mkdir()
    before = sorted(tmp_path.iterdir())
    for words, said in (
        ((tmp_path / "nothing.joblib", tmp_path / "fast"), "There is no file"),
        ((tmp_path / "means.joblib", tmp_path / "fast"), "no fast form of this KMeans"),
        ((logistic, tmp_path / "there"), "there already"),
    ):
        told = command(*words)
        assert (told.returncode, told.stdout) == (1, "")
        assert said in told.stderr
        failure = json.loads(command(*words, "--json").stdout)
        assert failure["ok"] is False
        assert failure["hint"]
    assert sorted(tmp_path.iterdir()) == before


def test_help_teaches() -> None:
    """What it does, what it takes, and examples to copy."""
    shown = command("--help").stdout
    assert all(word in shown for word in ("bit for bit", "MODELMOOR_ENGINE", "examples:", "--json", "must not exist"))


def test_what_is_not_equal_is_refused(logistic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays that answer otherwise by one bit are not kept."""
    true = flat.methods_of

    def off(described: Any) -> Any:
        found = true(described)
        return found | {"predict_proba": lambda x: np.nextafter(found["predict_proba"](x), 1)}

    monkeypatch.setattr(flat, "methods_of", off)
    with pytest.raises(ModelError, match="predict_proba otherwise") as refusal:
        verb.optimize(logistic, tmp_path / "fast", lambda sentence: None)
    assert refusal.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["two.joblib"]


def test_nothing_half_made_stays(logistic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the process is interrupted in the middle."""

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(flat, "_compare", stop)
    with pytest.raises(KeyboardInterrupt):
        verb.optimize(logistic, tmp_path / "fast", lambda sentence: None)
    assert [path.name for path in tmp_path.iterdir()] == ["two.joblib"]


def test_it_is_still_the_original_for_whoever_looks(optimized: Path) -> None:
    """Format and framework are those of the original, also for a server that knows no fast forms."""
    for name in ("logistic", "forest"):
        one, other = inspect(optimized / name), inspect(optimized / f"{name}.joblib")
        assert (one.format, one.framework, one.version) == (other.format, other.framework, other.version)
        assert one.path == optimized / name / f"{name}.joblib"


def test_the_manifest_tells_everything(copied: Callable[[str], Path]) -> None:
    """What is written is what is read."""
    folder = copied("softmax")
    known = manifest.read(folder)
    before = manifest.path_in(folder).read_bytes()
    manifest.write(folder, known)

    assert manifest.path_in(folder).read_bytes() == before
    assert manifest.read(folder) == known
    assert known.made_with.keys() == {"modelmoor", "scikit-learn", "numpy"}
    assert known.files == {"arrays.bin": artifact.file_sha256(folder / "fast" / "arrays.bin")}


@pytest.mark.slow
def test_inspect_tells_of_the_fast_form(copied: Callable[[str], Path]) -> None:
    """Its engine and what was compared, or why it would not be used; format and digest stand beside it."""
    folder = copied("forest")

    def told() -> Any:
        line = [sys.executable, "-m", "modelmoor_server", "inspect", str(folder)]
        return json.loads(subprocess.run(line, capture_output=True, check=True).stdout)

    whole = told()
    assert whole["format"] == "sklearn"
    assert whole["fastForm"]["usable"] is True
    assert whole["fastForm"]["engine"] == "Native"
    (folder / "fast" / "arrays.bin").write_bytes(b"")
    assert told()["fastForm"] == {"usable": False, "reason": "fast/arrays.bin is damaged"}
