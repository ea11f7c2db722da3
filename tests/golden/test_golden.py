"""What a ModelDeployment becomes, object by object: `out.yaml` is reviewed like prose.

MODELMOOR_UPDATE_GOLDEN=1 writes the files anew; read the difference before it is committed.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import desired
from modelmoor_operator.settings import load

FOLDER = Path(__file__).parent
CASES = sorted(path.parent for path in FOLDER.glob("*/in.yaml"))
UID = "00000000-0000-0000-0000-000000000000"


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: no anchors, nothing folded."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def rendered(case: Path) -> str:
    """Every object of a case as YAML documents."""
    body = yaml.safe_load((case / "in.yaml").read_text())
    body["metadata"] = {"namespace": "default", "uid": UID} | body["metadata"]
    settings = case / "settings.yaml"
    objects = desired(ModelDeployment.parse(body), load(settings if settings.exists() else None))
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=200)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_a_model_becomes_these_objects(case: Path) -> None:
    """The rendered objects are those that were reviewed; a difference is a change that every model's owner will see."""
    out = case / "out.yaml"
    text = rendered(case)
    if os.environ.get("MODELMOOR_UPDATE_GOLDEN") == "1":
        out.write_text(text)
    assert text == out.read_text(), f"{out.relative_to(FOLDER)} differs; see the head of this file"
