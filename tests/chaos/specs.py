"""Specs made from the CRD's own schema. What its CEL rules refuse is thrown away by asking the API server (dry run)."""

from typing import Any

import yaml
from hypothesis import strategies as st

from support.control_plane import CRD

Object = dict[str, Any]
Specs = st.SearchStrategy[Any]

_WORDS = st.from_regex(r"\A[a-z]([a-z0-9-]{0,6}[a-z0-9])?\Z")
_QUANTITIES = st.sampled_from(["0", 1, "100m", "0.5", "1e3", "2", "64Mi", "1.5Gi", "0.1G"])
_RESOURCES = st.dictionaries(st.sampled_from(["cpu", "memory", "example.org/gpu"]), _QUANTITIES, max_size=2)
_POD_SPECS = st.sampled_from(
    [
        {},
        {"nodeSelector": {"disk": "ssd"}},
        {"imagePullSecrets": [{"name": "regcred"}], "hostname": "low"},
        {"volumes": [{"name": "scratch", "emptyDir": {}}]},
        {"containers": [{"name": "model", "lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}]},
        {"tolerations": [{"key": "gpu", "operator": "Exists"}], "terminationGracePeriodSeconds": 90},
        {"noSuchField": True},
        {"containers": [{"name": "sidecar", "image": "sidecar:1"}]},
    ]
)
_ENTRIES = st.tuples(_WORDS, st.sampled_from(["", "a", "B-c.d"])).map(lambda pair: {pair[0]: pair[1]})

_KNOWN: dict[str, Specs] = {
    # a schema says what may be written; these say what somebody would write, and bound the number of pods
    "spec.model.uri": st.sampled_from(
        ["file:///m.joblib", "s3://b/k/", "pvc://claim/m.h5", "https://e.org/m?v=1", "gs://b/k", "az://c/p", "ftp://x"]
    ),
    "spec.replicas": st.just(1),  # an autoscaler takes over the number that it finds: another would show, rightly
    "spec.autoscaling.minReplicas": st.just(1),
    "spec.autoscaling.maxReplicas": st.integers(1, 5),
    "spec.runtime.image": st.sampled_from(["serving:1", "registry.example/serving:2"]),
    "spec.podTemplate.spec": _POD_SPECS,
    "spec.podTemplate.metadata.labels": _ENTRIES,
    "spec.podTemplate.metadata.annotations": _ENTRIES,
    "spec.serviceAccountName": st.just("default"),  # without the account no pod is made, and the status never rests
    "spec.suspend": st.just(False),  # a suspended model stays where it was, so B would show through
    "spec.rollout.progressDeadline": st.sampled_from(["10s", "90s", "1h30m"]),
    "spec.runtime.timeout": st.sampled_from(["1ms", "500ms", "30s", "0s"]),
}


def schema() -> Object:
    """The schema of `spec`, as the CRD publishes it."""
    versions = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    found: Object = versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def specs() -> Specs:
    """Whole specs; a field that the CRD gains is in here by itself."""
    return _made(schema(), "spec")


def _made(part: Object, path: str) -> Specs:
    if path in _KNOWN:
        return _KNOWN[path]
    if path.endswith((".requests", ".limits")):
        return _RESOURCES
    if "enum" in part:
        return st.sampled_from(part["enum"])
    if part.get("x-kubernetes-int-or-string"):
        percent = "%" in part.get("pattern", "")
        return st.one_of(st.integers(0, 4), st.sampled_from(["0%", "25%", "100%"])) if percent else _QUANTITIES
    kind = part.get("type")
    if kind == "object":
        return _object(part, path)
    if kind == "array":
        return _array(part, path)
    if kind == "integer":
        low, high = int(part.get("minimum", 0)), int(part.get("maximum", 100))
        return st.integers(low, high)
    if kind == "boolean":
        return st.booleans()
    if kind == "string":
        return _string(part)
    raise AssertionError(f"{path}: a schema that this generator does not know: {sorted(part)}")


def _object(part: Object, path: str) -> Specs:
    fields = {name: _made(field, f"{path}.{name}") for name, field in part.get("properties", {}).items()}
    if not fields:
        return _ENTRIES if isinstance(part.get("additionalProperties"), dict) else st.just({})
    required = set(part.get("required", ()))
    return st.fixed_dictionaries(
        {name: made for name, made in fields.items() if name in required},
        optional={name: made for name, made in fields.items() if name not in required},
    )


def _array(part: Object, path: str) -> Specs:
    items = _made(part["items"], f"{path}[]")
    keys = part.get("x-kubernetes-list-map-keys")
    if not keys:
        return st.lists(items, max_size=2)
    return st.lists(items, max_size=2, unique_by=lambda item: tuple(str(item.get(key)) for key in keys))


def _string(part: Object) -> Specs:
    pattern, longest = part.get("pattern"), int(part.get("maxLength", 20))
    if pattern:
        found = st.from_regex(pattern.replace("^", r"\A", 1).removesuffix("$") + r"\Z", fullmatch=True)
        return found.filter(lambda text: len(text) <= min(longest, 80) and text.isascii())
    return st.text("abcXYZ019-._ äß", min_size=int(part.get("minLength", 0)), max_size=min(longest, 12))
