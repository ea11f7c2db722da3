"""The story that the demo tells: four examples by kubectl apply, each with the answers it gave where it was trained."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from demo import cluster as demo_cluster
from demo import models, store, watch
from demo.console import Console
from demo.models import Trained

from modelmoor_operator.cli import request
from modelmoor_operator.desired.names import GRPC_PORT
from support.cluster import OPEN, Cluster
from support.load import Caller
from support.namespace import Namespace
from support.store import digest

pytestmark = [pytest.mark.cluster, pytest.mark.first]


@dataclass(frozen=True)
class Story:
    """The examples, deployed."""

    namespace: Namespace
    models: dict[str, Trained]


@pytest.fixture(scope="module")
def story(cluster: Cluster) -> Iterator[Story]:
    """The demo's own steps in the demo's own namespace; a demo that runs already is left running."""
    console, found = Console(), demo_cluster.found()
    there = cluster.get("namespace", demo_cluster.NAMESPACE) is not None
    namespace = Namespace(cluster, demo_cluster.NAMESPACE, cluster.serving_image)
    OPEN.append(namespace)
    try:
        trained = [models.train(console, name) for name in models.NAMES]
        store.fill(console, found, trained)
        watch.deploy(console, found, trained, 300)
        yield Story(namespace, {model.name: model for model in trained})
    finally:
        OPEN.remove(namespace)
        if not there:
            cluster.kubectl("delete", "namespace", demo_cluster.NAMESPACE, "--wait=false", "--ignore-not-found")


@pytest.mark.parametrize("name", models.NAMES)
def test_an_example_answers_as_in_process(story: Story, outsider: Caller, name: str) -> None:
    """Asked at the URL of its status, from a pod of another namespace, it answers what train.py wrote down."""
    model = story.models[name]
    status = story.namespace.ready(name)["status"]

    answer = outsider.ask(status["url"] + request.path(name, model.request), model.request)

    assert status["model"]["digest"] == digest(model.artifact.read_bytes())
    _assert_same(answer, model)


def test_an_example_answers_over_grpc(story: Story, outsider: Caller) -> None:
    """The Service of a model has the gRPC port as well; typed contents, answered as over HTTP."""
    model = story.models["diabetes"]
    host = story.namespace.ready("diabetes")["status"]["url"].removeprefix("http://")
    inputs = [
        {key: value for key, value in tensor.items() if key != "data"} | {"contents": {"fp64_contents": tensor["data"]}}
        for tensor in model.request["inputs"]
    ]
    (output,) = outsider.infer(f"{host}:{GRPC_PORT}", {"model_name": "diabetes", "inputs": inputs})["outputs"]

    assert (output["name"], output["datatype"]) == ("predict", "FP64")
    np.testing.assert_array_equal(output["contents"]["fp64_contents"], np.ravel(model.predictions))


def test_a_person_sees_every_model_at_a_glance(story: Story) -> None:
    """`kubectl get mdep` shows whether each one answers, is ready, why, how many, what and where."""
    lines = [re.split(r"\s{2,}", line) for line in story.namespace.kubectl("get", "mdep").splitlines()]

    assert lines[0] == ["NAME", "AVAILABLE", "READY", "REASON", "REPLICAS", "FORMAT", "URL", "AGE"]
    rows = {line[0]: line[1:7] for line in lines[1:]}
    for name, replicas, format in (
        ("iris", "1", "sklearn"),
        ("diabetes", "2", "sklearn"),
        ("rents", "1", "sklearn"),
        ("digits", "1", "keras"),
    ):
        url = f"http://{name}.{story.namespace.name}.svc"
        assert rows[name] == ["True", "True", "ModelReady", replicas, format, url]


def test_scripts_need_kubectl_wait_alone(story: Story) -> None:
    """The condition is a plain one: no tool of ours is needed to wait for a model."""
    story.namespace.kubectl(
        "wait", "--for=condition=Ready", "--timeout=60s", *(f"mdep/{name}" for name in story.models)
    )


def test_the_namespace_admits_restricted_pods_alone(story: Story) -> None:
    """All of this ran under the strictest pod security standard, and not one pod was refused or warned of."""
    labels = story.namespace.cluster.get("namespace", story.namespace.name)["metadata"]["labels"]
    refused = [event for event in story.namespace.objects("events") if "violates PodSecurity" in event["message"]]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert refused == []


def _assert_same(answer: dict, model: Trained) -> None:
    """Bit for bit, but for single-precision sums, which another batch or machine may order otherwise."""
    if "predictions" in answer:
        assert answer["predictions"] == model.predictions
        return
    (tensor,) = answer["outputs"]
    expected = np.asarray(model.predictions)
    got = np.asarray(tensor["data"]).reshape(tensor["shape"]).reshape(expected.shape)
    if tensor["datatype"] == "FP32":
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
    else:
        np.testing.assert_array_equal(got, expected)
