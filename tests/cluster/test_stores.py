"""Where models come from: each kind of store is fetched by a real pod, and the digest says that the bytes are whole."""

import base64
import hashlib

import pytest

from support.artifacts import REQUEST, answering
from support.load import Caller, python_pod
from support.manifests import Object
from support.namespace import Namespace, deployment
from support.store import Store, digest

pytestmark = pytest.mark.cluster
ARTIFACT = answering(42.0)
FILE_DIGEST = digest(ARTIFACT)
FOLDER = {"model.joblib": ARTIFACT, "docs/card.md": b"# A model card\n"}
FOLDER_DIGEST = digest(
    b"".join(f"{path}\0{hashlib.sha256(content).hexdigest()}\n".encode() for path, content in sorted(FOLDER.items()))
)
VOLUME = {
    "spec": {
        "volumes": [{"name": "baked", "configMap": {"name": "files"}}],
        "containers": [{"name": "model", "volumeMounts": [{"name": "baked", "mountPath": "/baked", "readOnly": True}]}],
    }
}
MODELS: dict[str, Object] = {
    "s3-file": deployment("s3-file", "s3://models/stores/file/model.joblib"),
    "s3-folder": deployment("s3-folder", "s3://models/stores/folder/"),
    "http": deployment("http", "http://files:8000/model.joblib"),
    "pvc-file": deployment("pvc-file", "pvc://model-store/models/stores/file/model.joblib"),
    "pvc-folder": deployment("pvc-folder", "pvc://model-store/models/stores/folder/"),
    "file": deployment("file", "file:///baked/model.joblib", podTemplate=VOLUME),
}


@pytest.fixture(scope="module")
def deployed(shared_store: Store) -> Namespace:
    """One artifact behind every kind of URI, and all models at once."""
    namespace = shared_store.namespace
    shared_store.put("stores/file/model.joblib", ARTIFACT)
    for path, content in FOLDER.items():
        shared_store.put(f"stores/folder/{path}", content)
    files = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"}}
    server = ["-m", "http.server", "8000", "--directory", "/script"]
    namespace.apply(
        files | {"binaryData": {"model.joblib": base64.b64encode(ARTIFACT).decode()}},
        python_pod("files", namespace.serving_image, server, volume={"configMap": {"name": "files"}}),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "files"},
            "spec": {"selector": {"app": "files"}, "ports": [{"port": 8000}]},
        },
    )
    namespace.kubectl("wait", "--for=condition=Ready", "pod/files", "--timeout=60s")
    namespace.apply(*MODELS.values())
    return namespace


@pytest.mark.parametrize("name", MODELS)
def test_a_model_from_each_store_is_served(deployed: Namespace, outsider: Caller, name: str) -> None:
    """Ready, with the digest of exactly what was put there, and it answers."""
    status = deployed.ready(name)["status"]

    answer = outsider.ask(f"{status['url']}/v1/models/{name}:predict", REQUEST)

    assert status["model"]["digest"] == (FOLDER_DIGEST if name.endswith("folder") else FILE_DIGEST)
    assert answer["predictions"] == pytest.approx([42.0])
