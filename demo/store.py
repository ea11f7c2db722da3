"""The examples' S3 store inside the cluster: brought up, and given each artifact that it does not hold yet."""

import hashlib

import obstore
from demo.cluster import NAMESPACE, Cluster
from demo.console import ROOT, Console
from demo.models import Trained
from obstore.store import S3Store

_NAMESPACE_MANIFEST = f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels: {{pod-security.kubernetes.io/enforce: restricted}}
"""


def fill(console: Console, cluster: Cluster, trained: list[Trained]) -> None:
    """Puts each artifact into the bucket `models`; one that is there already is left alone."""
    console.step("An S3 store inside the cluster, and the models into it")
    cluster.kubectl("apply", "-f", "-", stdin=_NAMESPACE_MANIFEST)
    cluster.kubectl("-n", NAMESPACE, "apply", "-f", ROOT / "examples" / "store" / "store.yaml")
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/model-store", "--timeout=120s")
    with cluster.forwarded("model-store", 7070) as port:
        # the keys of examples/store/store.yaml, which stand in Git for everyone
        store = S3Store(
            "models",
            endpoint=f"http://127.0.0.1:{port}",
            access_key_id="modelmoor",
            secret_access_key="examples-only",
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        for model in trained:
            _put(console, cluster, store, model)


def _put(console: Console, cluster: Cluster, store: S3Store, model: Trained) -> None:
    content = model.artifact.read_bytes()
    held = _etag(store, model.key)
    if held == hashlib.md5(content, usedforsecurity=False).hexdigest():
        console.detail(f"s3://models/{model.key}: there already")
        return
    if held is not None:
        # A running model is held to the bytes it began with, and says ArtifactChanged when others stand at its URI.
        console.detail(f"{model.name}: trained anew, so the one that runs is deleted first")
        cluster.kubectl("-n", NAMESPACE, "delete", "modeldeployment", model.name, "--ignore-not-found", "--wait")
    obstore.put(store, model.key, content, use_multipart=False)
    console.detail(f"s3://models/{model.key}: {len(content):,} bytes put")


def _etag(store: S3Store, key: str) -> str | None:
    """The md5 of what the store holds under a key, or None; a store just begun holds no bucket either."""
    try:
        return (obstore.head(store, key)["e_tag"] or "").strip('"')
    except FileNotFoundError:
        return None
