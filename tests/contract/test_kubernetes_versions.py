"""The Kubernetes versions that the charts promise are those that `make test-versions` runs against."""

import re
import subprocess

import pytest
import yaml

from support.machine import INFRA, ROOT


@pytest.mark.parametrize("chart", ["modelmoor", "modelmoor-crds"])
def test_the_oldest_promised_version_is_the_oldest_tested(chart: str) -> None:
    """Whoever lowers or raises the one has to do so with the other."""
    promised = yaml.safe_load((ROOT / "charts" / chart / "Chart.yaml").read_text())["kubeVersion"]
    ran = subprocess.run([INFRA / "program.sh", "kubernetes"], capture_output=True, text=True, check=True)

    assert promised == f">={ran.stdout.split()[0]}-0"


def test_every_module_has_the_libraries_of_its_version() -> None:
    """The staging repositories are replaced by the very patch version of k8s.io/kubernetes, each of them."""
    for path in sorted((INFRA / "go").glob("kubernetes*/go.mod")):
        text = path.read_text()
        patch = re.search(r"k8s\.io/kubernetes v1\.(\S+)", text)
        replaced = re.findall(r"=> (k8s\.io/\S+) v0\.(\S+)", text)
        assert patch is not None
        assert len(replaced) > 20
        assert {version for _, version in replaced} == {patch[1]}, path
