"""Generated files are the ones that the types make, and the check that says so can fail."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from modelmoor_operator.api import crd

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of all that is generated and of what it is made from."""
    for folder in ("crds", "charts", "docs/reference"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_the_generated_files_are_current() -> None:
    """The CRD, its copies in the charts and the field reference were generated from the types as they stand."""
    assert crd.differences(ROOT) == []


def test_a_changed_file_is_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An edit by hand fails the check, which says what to do."""
    target = copy / crd.CRD_FILE
    target.write_text(target.read_text(encoding="utf-8").replace("maximum: 1000", "maximum: 1001"), encoding="utf-8")

    assert crd.main(["--check", "--root", str(copy)]) == 1
    assert capsys.readouterr().out == f"{crd.CRD_FILE} is not current: run `make generate` and commit it\n"


def test_a_missing_and_a_foreign_file_are_found(copy: Path) -> None:
    """New files are seen as well: what stands in a generated folder and is not generated is an error."""
    (copy / crd.REFERENCE_FILE).unlink()
    (copy / "crds/other.yaml").write_text("{}", encoding="utf-8")

    assert crd.differences(copy) == [
        "crds/other.yaml is not generated: move it or delete it",
        f"{crd.REFERENCE_FILE} is missing: run `make generate`",
    ]


def test_the_vendored_chart_follows_its_source(copy: Path) -> None:
    """A change of charts/modelmoor-crds by hand reaches the copy inside charts/modelmoor."""
    chart = copy / crd.CRD_CHART / "Chart.yaml"
    chart.write_text(chart.read_text(encoding="utf-8").replace("version: 0.1.0", "version: 0.2.0"), encoding="utf-8")

    assert crd.differences(copy) == [
        f"{crd.VENDORED_CHART}/Chart.yaml is not current: run `make generate` and commit it"
    ]
    assert crd.main(["--root", str(copy)]) == 0
    assert crd.differences(copy) == []


def test_outside_the_repository_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the wrong folder the command says so and leaves no file behind."""
    with pytest.raises(SystemExit):
        crd.main(["--root", str(tmp_path)])

    assert "run it in the root of the repository" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_crd_is_small_enough_for_plain_apply() -> None:
    """Client-side apply keeps the object in an annotation of at most 256 KiB; ours stays under 100 KiB."""
    text = (ROOT / crd.CRD_FILE).read_text(encoding="utf-8")

    assert len(text.encode()) < 100 * 1024
    assert len(json.dumps(yaml.safe_load(text))) < 100 * 1024
