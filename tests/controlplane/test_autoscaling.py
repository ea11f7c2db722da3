"""What `autoscaling` passes through reaches the autoscaler, and a refusal is told in the API server's own words."""

import pytest

from support.control_plane import ControlPlane
from support.manifests import condition, model, says
from support.watching import watching

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("operator")]

CRON = {"type": "cron", "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 20 * * *"}}
QUEUE = {"type": "Pods", "pods": {"metric": {"name": "queued"}, "target": {"type": "AverageValue", "averageValue": 4}}}


def begin(plane: ControlPlane, namespace: str, **spec: object) -> None:
    plane.apply(model(**spec), namespace=namespace)
    plane.eventually("deployment", "iris", lambda _: True, namespace=namespace)


def test_metrics_and_behavior_reach_the_autoscaler(control_plane: ControlPlane, namespace: str) -> None:
    """Metrics take the place of the CPU that nobody asked for; behavior is Kubernetes' to fill up."""
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60, "selectPolicy": "Min"}}
    begin(control_plane, namespace, autoscaling={"maxReplicas": 6, "metrics": [QUEUE], "behavior": behavior})

    spec = control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)["spec"]

    assert [metric["type"] for metric in spec["metrics"]] == ["Pods"]
    assert spec["behavior"]["scaleDown"].items() >= behavior["scaleDown"].items()

    asked = {"maxReplicas": 6, "metrics": [QUEUE], "cpuUtilization": 50}
    control_plane.apply(model(autoscaling=asked), namespace=namespace)
    scaled = control_plane.eventually("hpa", "iris", lambda obj: len(obj["spec"]["metrics"]) == 2, namespace=namespace)

    assert scaled["spec"]["metrics"][0]["containerResource"]["container"] == "model"
    assert "behavior" not in scaled["spec"], "what the spec no longer says goes"


@pytest.mark.parametrize(
    ("wrong", "says_so"),
    [
        ({"metrics": [{"type": "Pods"}]}, "must populate information for the given metric source"),
        ({"metrics": [{"type": "Pods", "pod": {}}]}, "field not declared in schema"),
        ({"behavior": {"scaleUp": {"stabilizationWindowSeconds": -1}}}, "must be greater than or equal to zero"),
        ({"behavior": {"scaleUp": "quickly"}}, "expected map"),
    ],
    ids=["a metric of nothing", "a field that is not there", "a window before now", "a text for an object"],
)
def test_a_refused_autoscaler_is_told_and_changes_no_number(
    control_plane: ControlPlane, namespace: str, wrong: dict[str, object], says_so: str
) -> None:
    """Stalled with the API server's sentence; the pods stay as many as they were until somebody mends it."""
    begin(control_plane, namespace, replicas=3)

    with watching(control_plane, "deployment", "iris", ".spec.replicas", namespace=namespace) as told:
        control_plane.apply(model(autoscaling={"maxReplicas": 6, **wrong}), namespace=namespace)
        refused = control_plane.eventually(
            "mdep", "iris", says("Ready", "False", "InvalidAutoscaling"), namespace=namespace
        )
        assert says_so in condition(refused, "Stalled")["message"]
        assert "spec.autoscaling" in refused["status"]["hint"]
        assert control_plane.get("hpa", "iris", namespace) is None

        control_plane.apply(model(autoscaling={"maxReplicas": 6}), namespace=namespace)
        control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
        assert set(told()) == {"3"}


def test_keda_is_chosen_where_there_is_none(control_plane: ControlPlane, namespace: str) -> None:
    """It says so and what to do; the pods stay as many as they are, and the other engine works at once."""
    begin(control_plane, namespace, replicas=3)
    with watching(control_plane, "deployment", "iris", ".spec.replicas", namespace=namespace) as told:
        chosen = {"engine": "KEDA", "minReplicas": 2, "maxReplicas": 6, "triggers": [CRON]}
        control_plane.apply(model(autoscaling=chosen), namespace=namespace)
        waiting = control_plane.eventually(
            "mdep", "iris", says("Ready", "False", "KedaNotInstalled"), namespace=namespace
        )
        assert condition(waiting, "Reconciling")["status"] == "True"
        assert "Install KEDA" in waiting["status"]["hint"]

        # what is no matter of scaling goes on
        control_plane.apply(model(autoscaling=chosen, serviceAccountName="other"), namespace=namespace)
        control_plane.eventually(
            "deployment",
            "iris",
            lambda obj: obj["spec"]["template"]["spec"]["serviceAccountName"] == "other",
            namespace=namespace,
        )

        control_plane.apply(model(autoscaling={"minReplicas": 2, "maxReplicas": 6}), namespace=namespace)
        control_plane.eventually("hpa", "iris", lambda _: True, namespace=namespace)
        assert set(told()) == {"3"}


def test_a_new_model_without_keda_starts_at_its_minimum(control_plane: ControlPlane, namespace: str) -> None:
    """There is nobody to lift it later."""
    chosen = {"engine": "KEDA", "minReplicas": 2, "maxReplicas": 6, "triggers": [CRON]}
    begin(control_plane, namespace, autoscaling=chosen)

    control_plane.eventually("mdep", "iris", says("Ready", "False", "KedaNotInstalled"), namespace=namespace)

    deployment = control_plane.get("deployment", "iris", namespace)
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 2
