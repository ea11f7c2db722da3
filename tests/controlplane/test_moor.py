"""`moor` beside a real API server: its verdict on a manifest, how models are, and clear words for what is not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.control_plane import ControlPlane
from support.manifests import model, says
from support.operator import Operator

pytestmark = pytest.mark.controlplane

MOOR = [sys.executable, "-c", "import sys; from modelmoor_operator.cli import main; sys.exit(main())"]


def moor(plane: ControlPlane, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig)}
    return subprocess.run([*MOOR, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)


def written(folder: Path, **spec: object) -> str:
    path = folder / "modeldeployment.yaml"
    path.write_text(json.dumps(model(**spec)))
    return str(path)


def test_the_api_servers_rules_are_asked_for(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """A rule between two fields is CEL: the schema alone takes the manifest, the API server does not."""
    file = written(tmp_path, autoscaling={"minReplicas": 5, "maxReplicas": 2})

    alone = moor(control_plane, "validate", "-f", file, "-n", namespace)
    asked = moor(control_plane, "validate", "-f", file, "-n", namespace, "--server", "-o", "json")

    assert alone.returncode == 0
    (told,) = json.loads(asked.stdout)
    assert (asked.returncode, told["valid"]) == (1, False)
    assert "minReplicas must not exceed maxReplicas" in told["problems"][0]["message"]
    assert "spec.autoscaling" in told["problems"][0]["message"]


def test_a_valid_manifest_is_agreed_upon_and_not_written(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """A dry run leaves nothing behind."""
    ended = moor(control_plane, "validate", "-f", written(tmp_path), "-n", namespace, "--server")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "valid; the API server agrees" in ended.stdout
    assert control_plane.names("mdep", namespace) == []


def test_a_namespace_that_is_not_there_is_told(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Where the object could never be written, "valid" would be a lie."""
    ended = moor(control_plane, "validate", "-f", written(tmp_path), "-n", "nowhere", "--server")

    assert ended.returncode == 1
    assert "namespace nowhere" in ended.stdout


@pytest.mark.usefixtures("operator")
def test_status_tells_what_the_operator_wrote(control_plane: ControlPlane, namespace: str, operator: Operator) -> None:
    """A table for a person, JSON for a script, an exit code for a shell. No node runs a pod here: not Ready."""
    control_plane.apply(model(), namespace=namespace)
    # the last word that comes without a node: what stands before it may move between two looks
    stays = says("Ready", "False", "PodsStarting")
    live = control_plane.eventually("mdep", "iris", stays, namespace=namespace)

    table = moor(control_plane, "status", "-n", namespace)
    script = moor(control_plane, "status", "iris", "-n", namespace, "-o", "json", "--exit-code")

    (fact,) = json.loads(script.stdout)
    assert script.returncode == 1
    assert (fact["name"], fact["ready"], fact["url"]) == ("iris", "False", live["status"]["url"])
    assert live["status"]["summary"] in table.stdout
    assert table.stdout.split()[:6] == ["NAME", "AVAILABLE", "READY", "REASON", "REPLICAS", "SUMMARY"]


def test_what_is_not_there_is_a_sentence(control_plane: ControlPlane, namespace: str) -> None:
    """No trace back and no bare 404."""
    nothing = moor(control_plane, "status", "-n", namespace)
    status = moor(control_plane, "status", "ghost", "-n", namespace)
    predict = moor(control_plane, "predict", "ghost", "-n", namespace, "-d", '{"instances": [1]}')
    context = moor(control_plane, "status", "--context", "elsewhere")

    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr == f"No ModelDeployments in namespace {namespace}.\n"
    assert status.stderr.startswith(f"moor: no ModelDeployment ghost in namespace {namespace}")
    assert predict.stderr.startswith(f"moor: no model ghost in namespace {namespace}")
    assert context.stderr.startswith("moor: context elsewhere cannot be used")
    assert [status.returncode, predict.returncode, context.returncode] == [1, 1, 1]


@pytest.mark.usefixtures("operator")
def test_a_model_without_a_ready_pod_is_told_as_such(control_plane: ControlPlane, namespace: str) -> None:
    """The Service is there and nobody behind it: `moor status` says why."""
    control_plane.apply(model(), namespace=namespace)
    control_plane.eventually("service", "iris", lambda _: True, namespace=namespace)

    ended = moor(control_plane, "predict", "iris", "-n", namespace, "-d", '{"instances": [1]}')

    assert (ended.returncode, ended.stderr) == (1, "moor: no pod of iris is ready: `moor status iris` says why\n")


def test_a_cluster_that_does_not_answer_is_told_with_the_next_step(control_plane: ControlPlane, tmp_path: Path) -> None:
    """A kubeconfig of a cluster that is gone."""
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))

    ended = moor(ControlPlane(tmp_path / "kubeconfig"), "status")

    assert ended.returncode == 1
    assert ended.stderr.startswith("moor: the API server does not answer (")
