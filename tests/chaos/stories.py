"""What people do: steps over a namespace, each of which the operator brings to an end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chaos.api import SNAPSHOT_KINDS, Api
from modelmoor_operator.kinds import DEPLOYMENT, DISRUPTION_BUDGET, MODEL_DEPLOYMENT, REVISION, SERVICE
from support.manifests import model

Object = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One thing that a person does."""

    name: str
    act: Callable[[Api, str], None]


@dataclass(frozen=True)
class Story:
    """Steps in their order; faults begin with step `begin`."""

    name: str
    steps: tuple[Step, ...]
    begin: int = 0


def write(*models: Object, name: str = "write") -> Step:
    """Apply these ModelDeployments."""

    def act(api: Api, namespace: str) -> None:
        for obj in models:
            api.apply(MODEL_DEPLOYMENT, namespace, obj)

    return Step(name, act)


def delete(*names: str, policy: str = "Background") -> Step:
    def act(api: Api, namespace: str) -> None:
        for name in names:
            api.delete(MODEL_DEPLOYMENT, namespace, name, policy=policy)

    return Step(f"delete {', '.join(names)}", act)


def replace(obj: Object) -> Step:
    """Delete a ModelDeployment and make it again at once, before its children are gone."""

    def act(api: Api, namespace: str) -> None:
        api.delete(MODEL_DEPLOYMENT, namespace, obj["metadata"]["name"])
        api.apply(MODEL_DEPLOYMENT, namespace, obj)

    return Step("delete and create again", act)


def _mark(api: Api, namespace: str) -> None:
    """A person's label and annotation on every child of ours."""
    change = {"metadata": {"labels": {"team": "vision"}, "annotations": {"example.org/note": "mine"}}}
    for kind in SNAPSHOT_KINDS:
        for obj in api.objects(kind, namespace):
            if kind is not MODEL_DEPLOYMENT and obj["metadata"].get("ownerReferences"):
                api.patch(kind, namespace, obj["metadata"]["name"], change)


MARK = Step("label and annotate the children", _mark)


def _strangers(api: Api, namespace: str) -> None:
    """Objects of somebody else, some of which look like ours: labels alone prove nothing."""
    looks = {"app.kubernetes.io/managed-by": "modelmoor", "modelmoor.dev/name": "iris"}
    pods = {"metadata": {"labels": {"app": "other"}}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    select = {"matchLabels": {"app": "other"}}
    specs: list[tuple[Any, Object]] = [
        (DEPLOYMENT, {"spec": {"replicas": 0, "selector": select, "template": pods}}),
        (SERVICE, {"spec": {"ports": [{"port": 80}], "selector": {"app": "other"}}}),
        (DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 1, "selector": select}}),
        (REVISION, {"revision": 7, "data": {"template": {}}}),
    ]
    for kind, rest in specs:
        for name, labels in (("other", {}), ("other-alike", looks)):
            metadata = {"name": name, "labels": labels}
            api.apply(
                kind, namespace, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}
            )


STRANGERS = Step("strangers move in", _strangers)

_SCALED = {"minReplicas": 2, "maxReplicas": 5}
_NEW = {"model": {"uri": "file:///models/new.joblib"}}

CREATE = Story("create", (STRANGERS, write(model(replicas=2))), begin=1)
UPDATE = Story(
    "update",
    (
        STRANGERS,
        write(model(replicas=2)),
        MARK,
        write(model(replicas=2, **_NEW), name="new model"),
        write(model(replicas=3, runtime={"image": "serving:2"}, **_NEW), name="new image and number"),
        write(model(autoscaling=_SCALED, runtime={"image": "serving:2"}, **_NEW), name="autoscaling on"),
        write(model(replicas=2, runtime={"image": "serving:2"}, **_NEW), name="autoscaling off"),
    ),
    begin=3,
)
DELETE = Story(
    "delete",
    (
        STRANGERS,
        write(model(autoscaling=_SCALED)),
        replace(model(replicas=2)),
        delete("iris"),
        write(model()),
    ),
    begin=2,
)
SEVERAL = Story(
    "several",
    (
        STRANGERS,
        write(model("iris", replicas=2), model("digits", autoscaling=_SCALED), model("wine")),
        MARK,
        write(model("iris", replicas=1, **_NEW), model("digits", replicas=2), model("wine", autoscaling=_SCALED)),
        delete("wine"),
        replace(model("digits", autoscaling=_SCALED)),
        write(
            model("wine", replicas=2, runtime={"env": [{"name": "TZ", "value": "UTC"}]}),
            model("iris", replicas=3, storage={"sizeLimit": "1Gi"}),
        ),
    ),
    begin=1,
)
