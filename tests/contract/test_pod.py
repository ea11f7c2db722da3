"""A rendered pod and the server in it: what one says the other understands, and nothing is said in vain."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from modelmoor_operator.api.reasons import Reason
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import desired
from modelmoor_operator.observed import pods as observed_pods
from modelmoor_operator.settings import Settings
from modelmoor_server import errors, init_container, settings
from modelmoor_server.errors import ModelError
from modelmoor_server.fetch import ARTIFACT

Body = dict[str, Any]


def containers(spec: Body, platform: Settings | None = None) -> dict[str, Body]:
    """The two containers of a model's pods, by name."""
    md = ModelDeployment.parse(
        {
            "apiVersion": "modelmoor.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "iris", "namespace": "default", "uid": "u"},
            "spec": spec,
        }
    )
    deployment = next(obj for obj in desired(md, platform or Settings()) if obj["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    return {container["name"]: container for container in pod["initContainers"] + pod["containers"]}


def environment(container: Body) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["env"]}


def mounts(container: Body) -> set[str]:
    return {mount["mountPath"] for mount in container["volumeMounts"]}


def ended(last_word: str, *, code: int) -> Body:
    """A pod whose `fetch` ended with these last words, as the API server shows it."""
    state = {"terminated": {"exitCode": code, "message": last_word, "reason": "Completed" if code == 0 else "Error"}}
    return {
        "metadata": {"name": "iris-1"},
        "status": {"phase": "Pending", "initContainerStatuses": [{"name": "fetch", "restartCount": 0, "state": state}]},
    }


EVERYTHING: Body = {
    "model": {
        "uri": "pvc://models/iris.joblib",
        "digest": f"sha256:{'a' * 64}",
        "format": "sklearn",
        "credentials": {"secretRef": {"name": "keys"}},
    },
    "storage": {"sizeLimit": "2Gi"},
    "runtime": {
        "workers": 2,
        "timeout": "1m30s",
        "batching": {"maxSize": 32, "maxDelay": "5ms", "exact": True, "rowsIndependent": True},
        "optimize": {"engine": "Native"},
    },
}


def test_each_container_reads_every_variable_that_it_is_told() -> None:
    """A variable that nobody reads is a misspelt one."""
    found = containers(EVERYTHING)

    assert environment(found["fetch"]).keys() <= {variable.name for variable in settings.FETCH_VARIABLES}
    assert environment(found["model"]).keys() <= {variable.name for variable in settings.VARIABLES}


def test_the_server_takes_the_values_as_they_are_written() -> None:
    """Durations, sizes and words of the manifest arrive as what was meant."""
    platform = Settings(pickle="AllowListed", legacy_keras="Deny", version_mismatch="Warn")
    found = containers(EVERYTHING, platform)
    told = settings.from_environment(environment(found["model"]))
    fetched = init_container._settings(
        {variable.name: variable.default for variable in settings.FETCH_VARIABLES} | environment(found["fetch"])
    )

    assert told.workers == 2
    assert told.timeout == 90.0
    assert told.batching == settings.Batching(max_size=32, max_delay=0.005, exact=True, rows_independent=True)
    assert told.engine == "Native"
    assert (told.pickle, told.legacy_keras, told.version_mismatch) == ("AllowListed", "Deny", "Warn")
    ports = {port["name"]: port["containerPort"] for port in found["model"]["ports"]}
    assert {"http": told.http_port, "grpc": told.grpc_port} == ports
    (model,) = told.models
    assert (model.name, model.format, model.fetched) == ("iris", "sklearn", True)
    assert (fetched.uri, fetched.size_limit) == ("pvc://models/iris.joblib", 2 << 30)
    assert fetched.digest == EVERYTHING["model"]["digest"]


def test_folders_are_mounted_where_the_server_looks() -> None:
    """`fetch` sees claim and credentials, `model` neither; both see the model."""
    found = containers(EVERYTHING)
    defaults = {variable.name: variable.default for variable in settings.FETCH_VARIABLES}
    fetch, model = environment(found["fetch"]), environment(found["model"])
    secret = {fetch["MODELMOOR_CREDENTIALS_DIR"], fetch["MODELMOOR_PVC_DIR"]}

    assert secret | {fetch["MODELMOOR_MODEL_DIR"]} <= mounts(found["fetch"])
    assert model["MODELMOOR_MODEL_DIR"] == fetch["MODELMOOR_MODEL_DIR"]
    assert model["MODELMOOR_MODEL_DIR"] in mounts(found["model"])
    assert not secret & mounts(found["model"])
    # the paths of the image's own defaults, so that `docker run` with the same volumes behaves alike
    for name in ("MODELMOOR_CREDENTIALS_DIR", "MODELMOOR_PVC_DIR", "MODELMOOR_MODEL_DIR"):
        assert fetch[name] == defaults[name]
    assert "terminationMessagePath" not in found["fetch"]  # Kubernetes' default is ours
    assert defaults["MODELMOOR_TERMINATION_LOG"] == "/dev/termination-log"


def test_what_fetch_leaves_is_what_serve_loads(tmp_path: Path) -> None:
    """The rendered environment, with its folders moved: fetch brings a model, and the server finds and loads it."""
    joblib.dump(LinearRegression().fit(np.eye(3), [1.0, 2.0, 3.0]), tmp_path / "iris.joblib")
    found = containers({"model": {"uri": (tmp_path / "iris.joblib").as_uri()}})
    moved = {"MODELMOOR_MODEL_DIR": str(tmp_path / "model"), "MODELMOOR_TERMINATION_LOG": str(tmp_path / "last-word")}
    facts = init_container.run(environment(found["fetch"]) | moved)

    (model,) = settings.from_environment(environment(found["model"]) | moved).models
    assert [path.name for path in (Path(model.location) / ARTIFACT).iterdir()] == ["iris.joblib"]
    told = observed_pods.facts([ended((tmp_path / "last-word").read_text(), code=0)])["iris-1"]
    assert (told["digest"], told["format"]) == (facts.digest, "sklearn")


def test_a_failure_of_the_server_is_read_by_the_operator(tmp_path: Path) -> None:
    """The termination message carries phase, reason, sentence and hint across."""
    pod = containers({"model": {"uri": (tmp_path / "none.joblib").as_uri()}})
    moved = {"MODELMOOR_MODEL_DIR": str(tmp_path / "model"), "MODELMOOR_TERMINATION_LOG": str(tmp_path / "last-word")}
    with pytest.raises(ModelError) as failed:
        init_container.run(environment(pod["fetch"]) | moved)

    text = (tmp_path / "last-word").read_text()
    assert len(text) <= 4096  # the kubelet cuts the rest off
    (found,) = observed_pods.problems([ended(text, code=1)])
    assert found.reason is Reason.ModelNotFound
    assert failed.value.message in found.message
    assert found.hint == failed.value.hint
    assert found.phase == failed.value.phase


def test_the_operator_knows_every_reason_of_the_server() -> None:
    """One word travels: each reason of the serving image is one of the operator's, with a hint."""
    words = {str(reason) for reason in errors.Reason}

    assert words <= {str(reason) for reason in Reason}


def test_the_contract_page_tells_the_same() -> None:
    """docs/pod-contract.md lists each variable with the container that is told it."""
    page = (Path(__file__).parents[2] / "docs/pod-contract.md").read_text()
    rows = [line.split("|")[1:4] for line in page.splitlines() if line.startswith("| `MODELMOOR_")]
    told = {name.strip(" `"): (fetch.strip() == "x", serve.strip() == "x") for name, fetch, serve in rows}
    found = containers(EVERYTHING)
    fetch, model = environment(found["fetch"]), environment(found["model"])
    left_to_the_image = {"MODELMOOR_CONNECTION_AGE", "MODELMOOR_TERMINATION_LOG"}

    assert {name: marks for name, marks in told.items() if name not in left_to_the_image} == {
        name: (name in fetch, name in model) for name in fetch.keys() | model.keys()
    }


def test_settings_of_the_chart_are_words_of_the_server() -> None:
    """Each policy that the chart's schema allows is one that the server takes."""
    schema = json.loads((Path(__file__).parents[2] / "charts/modelmoor/values.schema.json").read_text())["properties"]
    for key, variable in (
        ("pickle", "MODELMOOR_PICKLE"),
        ("legacyKeras", "MODELMOOR_LEGACY_KERAS"),
        ("versionMismatch", "MODELMOOR_VERSION_MISMATCH"),
    ):
        for word in schema[key]["enum"]:
            settings.from_environment({"MODELMOOR_MODEL_NAME": "m", variable: word})
