"""The demo trains once per content: the same script and libraries are never trained with twice."""

from pathlib import Path

import pytest
from demo import models
from demo.console import Console, DemoError

SCRIPT = """
import argparse, json, pathlib
parser = argparse.ArgumentParser(); parser.add_argument("--out", type=pathlib.Path)
out = parser.parse_args().out
out.mkdir(parents=True)
(out / "toy.joblib").write_bytes(b"toy")
(out / "truth.json").write_text(json.dumps({"artifact": "toy.joblib", "request": {}, "predictions": [1], "truth": [1]}))
print("toy: trained")
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A training script of a toy example, and a cache of this test alone."""
    monkeypatch.setenv("MODELMOOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "folder", lambda name: tmp_path / name)
    path = tmp_path / "toy" / "train.py"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    return path


def test_a_second_demo_trains_nothing(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The artifact keeps its bytes, so the cluster sees no change."""
    first = models.train(Console(), "toy")
    again = models.train(Console(), "toy")

    assert again == first
    assert first.artifact.read_bytes() == b"toy"
    assert capsys.readouterr().out.count("toy: trained (trained in") == 1


def test_a_changed_script_trains_anew_beside_the_old_result(script: Path) -> None:
    """The key is the content: going back to the old script finds the old artifact."""
    first = models.train(Console(), "toy")
    script.write_text(SCRIPT + "# changed\n")

    second = models.train(Console(), "toy")

    assert second.artifact != first.artifact
    assert first.artifact.exists()


def test_a_training_that_fails_leaves_nothing_and_tells_its_last_words(script: Path) -> None:
    """A half-written result must never be taken for a model."""
    script.write_text("raise SystemExit('no data today')")

    with pytest.raises(DemoError, match="exit code 1:\nno data today"):
        models.train(Console(), "toy")

    assert list((script.parents[1] / "cache" / "examples").iterdir()) == []
