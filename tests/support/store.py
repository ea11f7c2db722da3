"""The examples' S3 store inside the cluster, and artifacts into it."""

import hashlib
from dataclasses import dataclass

import obstore
import yaml
from obstore.store import S3Store

from support.machine import ROOT
from support.manifests import Object
from support.namespace import Namespace

MANIFEST = ROOT / "examples" / "store" / "store.yaml"
BUCKET = "models"
PORT = 7070


@dataclass(frozen=True)
class Store:
    """The store in its namespace. Other namespaces reach it by the Secret of `secret()`."""

    namespace: Namespace

    def put(self, key: str, content: bytes) -> str:
        """Put an artifact; returns its digest as status tells it.

        By a way of its own each time: `kubectl port-forward` ends with a connection that is broken off.
        """
        keys = secret_of_the_examples()["stringData"]
        with self.namespace.forwarded("service/model-store", PORT) as port:
            bucket = S3Store(
                BUCKET,
                endpoint=f"http://127.0.0.1:{port}",
                access_key_id=keys["AWS_ACCESS_KEY_ID"],
                secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
                region=keys["AWS_REGION"],
                virtual_hosted_style_request=False,
                client_options={"allow_http": True},
            )
            obstore.put(bucket, key, content, use_multipart=False)
        return digest(content)

    def secret(self, **more: str) -> Object:
        """The Secret of the examples with an address that every namespace resolves; `more` lies over its keys."""
        found = secret_of_the_examples()
        endpoint = f"http://model-store.{self.namespace.name}.svc:{PORT}"
        return found | {"stringData": found["stringData"] | {"AWS_ENDPOINT_URL": endpoint} | more}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifests() -> list[Object]:
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def secret_of_the_examples() -> Object:
    return next(item for item in manifests() if item["kind"] == "Secret")


def store(namespace: Namespace) -> Store:
    """The store of the examples in a namespace, with an empty bucket `models`."""
    namespace.apply(*manifests())
    namespace.kubectl("rollout", "status", "deployment/model-store", "--timeout=120s")
    return Store(namespace)
