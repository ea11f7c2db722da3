"""Each example's training script does what its folder promises: an artifact, a truth to compare with, a good model."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
SCORES = {"iris": 0.93, "diabetes": 0.3, "rents": 0.95, "digits": 0.97}
"""Least accuracy or R2 on held-out rows. Ten measurements tell little of diabetes: its R2 is 0.36 everywhere."""


@dataclass(frozen=True)
class Result:
    """What one run of train.py left behind."""

    name: str
    out: Path
    printed: str
    truth: dict[str, Any]


@pytest.fixture(scope="module", params=sorted(SCORES))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One training of each example, as a user runs it."""
    name, out = request.param, tmp_path_factory.mktemp(request.param) / "new"
    command = [sys.executable, str(EXAMPLES / name / "train.py"), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return Result(name, out, ended.stdout, json.loads((out / "truth.json").read_text()))


def test_the_model_is_good_on_rows_it_never_saw(trained: Result) -> None:
    """The script prints its score on held-out rows, and the score is worth serving."""
    score = float(re.findall(r"held-out \w+: ([0-9.]+)$", trained.printed, re.MULTILINE)[-1])

    assert score >= SCORES[trained.name]


def test_the_committed_request_is_the_one_the_truth_was_made_for(trained: Result) -> None:
    """request.json in Git and truth.json of a fresh training hold the same rows: the data are the same everywhere."""
    committed = json.loads((EXAMPLES / trained.name / "request.json").read_text())

    assert committed == trained.truth["request"]
    assert len(trained.truth["predictions"]) == len(trained.truth["truth"]) == 3


def test_the_manifest_names_the_artifact_that_training_writes(trained: Result) -> None:
    """The demo puts the artifact where the manifest looks for it."""
    manifest = (EXAMPLES / trained.name / "modeldeployment.yaml").read_text()

    assert (trained.out / trained.truth["artifact"]).stat().st_size > 0
    assert f"models/{trained.name}/{trained.truth['artifact']}\n" in manifest


def test_the_saved_artifact_answers_the_request_as_written_down(trained: Result) -> None:
    """truth.json is no wish: the file on disk, loaded anew, gives these predictions for the request's rows."""
    request = trained.truth["request"]
    if trained.name == "digits":
        pytest.skip("Keras in this process would slow every test after it; the served model is compared by the demo")
    model = joblib.load(trained.out / trained.truth["artifact"])
    columns = (
        pd.DataFrame(request["instances"])
        if "instances" in request
        else pd.DataFrame({tensor["name"]: tensor["data"] for tensor in request["inputs"]})
    )

    assert model.predict(columns).tolist() == trained.truth["predictions"]
