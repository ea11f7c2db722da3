"""A rendered pod as local processes: every variable stays, folders and port are this machine's."""

from pathlib import Path
from typing import Any

import pytest

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.cli import local
from modelmoor_operator.cli.errors import CommandError
from modelmoor_operator.cli.local import Places
from modelmoor_operator.cli.manifests import Document, Manifests
from modelmoor_operator.desired import desired
from modelmoor_operator.settings import Settings

NOTHING = Manifests((), ())


def template(**spec: Any) -> dict[str, Any]:
    """The pod template that the operator itself renders."""
    whole = {"metadata": {"name": "iris", "namespace": "default"}, "spec": spec}
    objects = desired(ModelDeployment.parse(whole), Settings())
    pod: dict[str, Any] = next(item for item in objects if item["kind"] == "Deployment")["spec"]["template"]
    return pod


def beside(**secret: Any) -> Manifests:
    body = {"kind": "Secret", "metadata": {"name": "store"}} | secret
    return Manifests((), (Document("store.yaml", body),))


S3 = {"uri": "s3://models/iris.joblib", "credentials": {"secretRef": {"name": "store"}}}


def test_both_processes_get_every_variable_of_their_container(tmp_path: Path) -> None:
    """Nothing is invented and nothing is lost: only folders, port and the termination log are local."""
    pod = template(model=S3 | {"format": "sklearn"}, runtime={"timeout": "7s", "env": [{"name": "TZ", "value": "UTC"}]})
    containers = (pod["spec"]["initContainers"][0], pod["spec"]["containers"][0])

    told = local.environments(pod, Places(tmp_path, 9090), NOTHING)

    for container, environment in zip(containers, told, strict=True):
        rendered = {item["name"]: item["value"] for item in container["env"]}
        assert environment.keys() == rendered.keys() | {"MODELMOOR_TERMINATION_LOG"}
        moved = {name for name in rendered if rendered[name] != environment[name]}
        assert moved <= {
            "MODELMOOR_MODEL_DIR",
            "MODELMOOR_CREDENTIALS_DIR",
            "MODELMOOR_HTTP_PORT",
            "MODELMOOR_GRPC_PORT",
        }
    fetch, serve = told
    assert fetch["MODELMOOR_MODEL_DIR"] == serve["MODELMOOR_MODEL_DIR"] == str(tmp_path / "model")
    assert serve["MODELMOOR_GRPC_PORT"] == ""
    assert (serve["MODELMOOR_HTTP_PORT"], serve["MODELMOOR_TIMEOUT"], serve["TZ"]) == ("9090", "7s", "UTC")


def test_a_model_of_this_machine_needs_neither_keys_nor_claim(tmp_path: Path) -> None:
    """--set-uri takes the place of the store, so nobody is asked for its credentials."""
    artifact = tmp_path / "iris.joblib"
    artifact.write_bytes(b"x")

    fetch, _ = local.environments(template(model=S3), Places(tmp_path, 1, uri=str(artifact)), NOTHING)

    assert fetch["MODELMOOR_MODEL_URI"] == f"file://{artifact}"
    assert "MODELMOOR_CREDENTIALS_DIR" not in fetch


def test_a_local_folder_is_a_folder_uri(tmp_path: Path) -> None:
    """A SavedModel is a folder, and a folder's URI ends in a slash."""
    fetch, _ = local.environments(template(model=S3), Places(tmp_path / "work", 1, uri=str(tmp_path)), NOTHING)

    assert fetch["MODELMOOR_MODEL_URI"] == f"file://{tmp_path}/"


def test_a_local_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Before anything starts."""
    with pytest.raises(CommandError, match="does not exist"):
        local.environments(template(model=S3), Places(tmp_path, 1, uri=str(tmp_path / "none")), NOTHING)


def test_a_claim_is_a_folder_here_or_the_next_step_is_told(tmp_path: Path) -> None:
    """A PersistentVolumeClaim exists in a cluster alone."""
    pod = template(model={"uri": "pvc://shelf/iris.joblib"})

    fetch, _ = local.environments(pod, Places(tmp_path, 1, claims={"shelf": tmp_path}), NOTHING)

    assert fetch["MODELMOOR_PVC_DIR"] == str(tmp_path)
    with pytest.raises(CommandError, match="--claim shelf=FOLDER"):
        local.environments(pod, Places(tmp_path, 1), NOTHING)


def test_the_secrets_keys_come_from_its_manifest() -> None:
    """stringData wins over data, as at the API server."""
    secret = beside(data={"A": "b25l", "B": "dHdv"}, stringData={"B": "2"})

    assert local.secret_files(template(model=S3), secret) == {"A": b"one", "B": b"2"}
    assert local.secret_files(template(model=S3), NOTHING) is None


def test_a_secret_that_is_not_base64_is_told_without_its_value() -> None:
    """The value is a secret even when it is malformed."""
    with pytest.raises(CommandError, match="must be base64") as told:
        local.secret_files(template(model=S3), beside(data={"A": "hunter2!"}))

    assert "hunter2" not in str(told.value)


def test_variables_from_secrets_and_config_maps_come_from_the_files(tmp_path: Path) -> None:
    """runtime.env may name other objects; those of the same files are read, an absent one is asked for."""
    reference = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "store", "key": "A"}}}
    pod = template(model={"uri": "file:///m"}, runtime={"env": [reference]})

    _, serve = local.environments(pod, Places(tmp_path, 1), beside(data={"A": "b25l"}))

    assert serve["KEY"] == "one"
    with pytest.raises(CommandError, match="key A of Secret store"):
        local.environments(pod, Places(tmp_path, 1), NOTHING)
