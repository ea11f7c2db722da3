"""KEDA as a model's autoscaler, with a real KEDA: it scales, comes and goes without a dip, and its absence is told.

Without nodes no pod runs, so the trigger is one that needs none: the clock.
"""

import json
import shlex
from typing import Any

import pytest

from support.audit import Audit
from support.control_plane import ControlPlane
from support.keda import Keda
from support.manifests import condition, model, says
from support.waiting import eventually
from support.watching import watching

pytestmark = pytest.mark.controlplane

HPA = "keda-hpa-iris"


def clock(replicas: int, **more: Any) -> dict[str, Any]:
    """A trigger that asks for so many pods all year, but for its last minute."""
    year = {"timezone": "UTC", "start": "0 0 1 1 *", "end": "59 23 31 12 *"}
    return {"type": "cron", "metadata": {**year, "desiredReplicas": str(replicas)}, **more}


BY_OPERATOR: dict[str, Any] = {"replicas": 4}
BY_HPA: dict[str, Any] = {"autoscaling": {"minReplicas": 2, "maxReplicas": 6}}
BY_KEDA: dict[str, Any] = {
    "autoscaling": {"engine": "KEDA", "minReplicas": 2, "maxReplicas": 6, "triggers": [clock(4)]}
}


def replicas(plane: ControlPlane, namespace: str, wanted: int, seconds: float = 60) -> None:
    plane.eventually(
        "deployment", "iris", lambda obj: obj["spec"]["replicas"] == wanted, namespace=namespace, seconds=seconds
    )


def stands(plane: ControlPlane, namespace: str, spec: dict[str, Any]) -> None:
    """Wait until the spec's autoscaler is there, and alone."""
    engine = spec["autoscaling"].get("engine", "HPA") if "autoscaling" in spec else "none"
    wanted = {"none": [], "HPA": ["hpa/iris"], "KEDA": [f"hpa/{HPA}", "so/iris"]}[engine]

    def found() -> list[str]:
        return [f"{kind}/{name}" for kind in ("hpa", "so") for name in plane.names(kind, namespace)]

    eventually(lambda: found() == wanted, seconds=60, why=lambda: f"{found()}, wanted {wanted}")
    plane.eventually(
        "mdep",
        "iris",
        lambda obj: condition(obj, "Ready").get("reason") not in ("Terminating", "KedaNotResponding", "ApplyRefused"),
        namespace=namespace,
    )


def begin(plane: ControlPlane, namespace: str, spec: dict[str, Any]) -> None:
    """A model with 4 pods under one owner of the number."""
    plane.apply(model(**spec), namespace=namespace)
    stands(plane, namespace, spec)
    if spec is BY_HPA:  # there are no measurements: it keeps the number that it finds
        plane.kubectl("-n", namespace, "scale", "deployment", "iris", "--replicas=4")
    replicas(plane, namespace, 4)


def test_keda_scales_a_model(control_plane: ControlPlane, namespace: str, audit: Audit) -> None:
    """ScaledObject, KEDA's own HPA, another number of pods; the operator writes the ScaledObject once and no number."""
    control_plane.apply(model(**BY_KEDA), namespace=namespace)
    replicas(control_plane, namespace, 4)

    scaler = control_plane.get("hpa", HPA, namespace)
    assert scaler is not None
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 6)
    control_plane.eventually("mdep", "iris", lambda obj: obj["status"].get("replicas") == 4, namespace=namespace)
    assert sum("/scaledobjects/" in line for line in audit.writes(namespace)) == 1, audit.writes(namespace)

    more = {**BY_KEDA["autoscaling"], "triggers": [clock(6)], "behavior": {"scaleUp": {"selectPolicy": "Max"}}}
    control_plane.apply(model(autoscaling=more), namespace=namespace)
    replicas(control_plane, namespace, 6)
    scaler = control_plane.get("hpa", HPA, namespace)
    assert scaler is not None
    assert scaler["spec"]["behavior"]["scaleUp"]["selectPolicy"] == "Max"


@pytest.mark.parametrize(
    ("before", "after"),
    [(BY_OPERATOR, BY_KEDA), (BY_KEDA, BY_OPERATOR), (BY_HPA, BY_KEDA), (BY_KEDA, BY_HPA)],
    ids=["operator to KEDA", "KEDA to operator", "HPA to KEDA", "KEDA to HPA"],
)
def test_the_number_stays_as_it_passes_from_hand_to_hand(
    control_plane: ControlPlane, namespace: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """4 pods by the old owner, 4 by the new one, and never another number; one autoscaler is left in the end."""
    begin(control_plane, namespace, before)
    with watching(control_plane, "deployment", "iris", ".spec.replicas", namespace=namespace) as told:
        control_plane.apply(model(**after), namespace=namespace)
        stands(control_plane, namespace, after)
        replicas(control_plane, namespace, 4)
        # the new owner's word counts: the number follows it, which also says that every state before was seen
        if after is BY_KEDA:
            control_plane.apply(model(autoscaling=after["autoscaling"] | {"triggers": [clock(5)]}), namespace=namespace)
        elif after is BY_OPERATOR:
            control_plane.apply(model(replicas=5), namespace=namespace)
        else:
            control_plane.kubectl("-n", namespace, "scale", "deployment", "iris", "--replicas=5")
        eventually(lambda: told()[-1] == "5", seconds=60, why=lambda: str(told()))

        assert set(told()) == {"4", "5"}


def test_keda_refuses_a_second_autoscaler(control_plane: ControlPlane, namespace: str) -> None:
    """The premise of the order: beside an HPA no ScaledObject is let in, so ours must be gone first."""
    begin(control_plane, namespace, BY_HPA)
    beside = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "beside", "namespace": namespace},
        "spec": {"scaleTargetRef": {"name": "iris"}, "triggers": [clock(4)]},
    }

    refusal = control_plane.kubectl("create", "-f", "-", input=json.dumps(beside), check=False)

    assert "already managed by the hpa 'iris'" in refusal


@pytest.mark.parametrize(
    ("triggers", "says_so"),
    [
        ([{"type": "cron"}], "metadata: Required value"),
        ([{**clock(4), "interval": 5}], "field not declared in schema"),
        ([clock(4, name="same"), clock(5, name="same")], "denied the request"),
    ],
    ids=["a trigger without metadata", "a field that is not there", "what the webhook refuses"],
)
def test_a_trigger_that_keda_refuses_is_told(
    control_plane: ControlPlane, namespace: str, triggers: list[dict[str, Any]], says_so: str
) -> None:
    """Stalled with the refusal's own sentence; the pods stay as many as they were until it is mended."""
    begin(control_plane, namespace, BY_OPERATOR)
    with watching(control_plane, "deployment", "iris", ".spec.replicas", namespace=namespace) as told:
        wrong = BY_KEDA["autoscaling"] | {"triggers": triggers}
        control_plane.apply(model(autoscaling=wrong), namespace=namespace)
        refused = control_plane.eventually(
            "mdep", "iris", says("Ready", "False", "InvalidAutoscaling"), namespace=namespace
        )
        assert says_so in condition(refused, "Stalled")["message"]

        control_plane.apply(model(**BY_KEDA), namespace=namespace)
        stands(control_plane, namespace, BY_KEDA)
        assert set(told()) == {"4"}


def test_a_scaled_object_that_somebody_edits_or_deletes_is_put_right(
    control_plane: ControlPlane, namespace: str
) -> None:
    """As every other child; KEDA's own marks on it (label, finalizer) are left."""
    begin(control_plane, namespace, BY_KEDA)
    patch = {"spec": {"maxReplicaCount": 60}}
    control_plane.kubectl("-n", namespace, "patch", "so", "iris", "--type=merge", "-p", json.dumps(patch))
    healed = control_plane.eventually(
        "so", "iris", lambda obj: obj["spec"]["maxReplicaCount"] == 6, namespace=namespace, seconds=5
    )
    assert healed["metadata"]["finalizers"] == ["finalizer.keda.sh"]

    control_plane.kubectl("-n", namespace, "delete", "so", "iris")
    control_plane.eventually(
        "so", "iris", lambda obj: obj["metadata"]["uid"] != healed["metadata"]["uid"], namespace=namespace
    )
    stands(control_plane, namespace, BY_KEDA)


def test_while_keda_is_down_nothing_else_scales_the_model(
    control_plane: ControlPlane, namespace: str, keda: Keda
) -> None:
    """Its finalizer keeps the ScaledObject: the hint says what to do, the number stays, other changes go on."""
    begin(control_plane, namespace, BY_KEDA)
    after = {"replicas": 5, "serviceAccountName": "other"}
    with watching(control_plane, "deployment", "iris", ".spec.replicas", namespace=namespace) as told:
        with keda.frozen():
            control_plane.apply(model(**after), namespace=namespace)
            control_plane.eventually("mdep", "iris", says("Ready", "False", "Terminating"), namespace=namespace)
            control_plane.eventually(
                "deployment",
                "iris",
                lambda obj: obj["spec"]["template"]["spec"]["serviceAccountName"] == "other",
                namespace=namespace,
            )
            stuck = control_plane.eventually(
                "mdep", "iris", says("Ready", "False", "KedaNotResponding"), namespace=namespace, seconds=60
            )
            assert "patch scaledobject iris" in stuck["status"]["hint"]
            assert set(told()) == {"4"}
        replicas(control_plane, namespace, 5)
        stands(control_plane, namespace, after)
        assert set(told()) == {"4", "5"}


def test_where_keda_was_removed_for_good_the_hint_frees_the_model(
    control_plane: ControlPlane, namespace: str, keda: Keda
) -> None:
    """Its commands are copied from the status and run as they stand; then the operator has the number again."""
    begin(control_plane, namespace, BY_KEDA)
    with keda.frozen():
        control_plane.apply(model(replicas=5), namespace=namespace)
        stuck = control_plane.eventually(
            "mdep", "iris", says("Ready", "False", "KedaNotResponding"), namespace=namespace, seconds=60
        )
        for command in commands(stuck["status"]["hint"]):
            control_plane.kubectl(*command)
        replicas(control_plane, namespace, 5)
        stands(control_plane, namespace, BY_OPERATOR | {"replicas": 5})


def commands(hint: str) -> list[list[str]]:
    """The kubectl commands of a hint, as a shell would split them."""
    return [shlex.split(part.removesuffix("&& ")) for part in hint.split("kubectl ")[1:]]
