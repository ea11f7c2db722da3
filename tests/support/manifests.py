"""ModelDeployments as people write them."""

from typing import Any

Object = dict[str, Any]


def model(name: str = "iris", *, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    """A small ModelDeployment; `spec` lies over `model.uri`, whose default names an artifact that nobody fetches."""
    metadata: Object = {"name": name}
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "modelmoor.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": metadata,
        "spec": {"model": {"uri": f"file:///models/{name}.joblib"}} | spec,
    }


def condition(obj: Object, kind: str) -> Object:
    """One condition of an object's status; empty where it is absent."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})


def says(kind: str, status: str, reason: str | None = None) -> Any:
    """A condition for `ControlPlane.eventually`: this condition has this status, told of the present generation."""

    def holds(obj: Object) -> bool:
        found = condition(obj, kind)
        fits = found.get("status") == status and (reason is None or found.get("reason") == reason)
        return fits and obj["status"].get("observedGeneration") == obj["metadata"]["generation"]

    return holds


def seen(obj: Object) -> bool:
    """The status tells of the present generation."""
    return bool(obj["status"].get("observedGeneration") == obj["metadata"]["generation"])
