"""A cache that lags behind: what is written is bound to what was judged, so a late view harms nobody."""

import json
from collections.abc import Iterator

import pytest

from chaos.api import Api
from chaos.bench import Bench, bench
from chaos.proxy import quiet
from modelmoor_operator.kinds import CHILD_KINDS, DEPLOYMENT, MODEL_DEPLOYMENT, SERVICE
from support.account import Account
from support.control_plane import ControlPlane
from support.manifests import model, says
from support.waiting import eventually

pytestmark = pytest.mark.controlplane

LATE_SECONDS = 4.0


@pytest.fixture(scope="module")
def behind(control_plane: ControlPlane, account: Account) -> Iterator[Bench]:
    """An operator behind the proxy, whose resync comes only every five minutes."""
    with bench(control_plane, account, seed=1, resyncSeconds=300) as made:
        yield made


@pytest.fixture
def late(behind: Bench) -> Iterator[Bench]:
    """All goes well again afterwards."""
    yield behind
    behind.faults.stop()


def begin(bench: Bench, namespace: str, **spec: object) -> None:
    bench.api.apply(MODEL_DEPLOYMENT, namespace, model(**spec))
    bench.settled(namespace)


def test_an_object_that_a_stranger_put_in_place_of_ours_is_not_touched(late: Bench, namespace: str) -> None:
    """Ours was deleted and the name taken before the watch told: the write that was meant for ours does not happen."""
    begin(late, namespace)
    late.audit.mark()
    late.faults.delay = {"services": LATE_SECONDS * 2}
    late.api.delete(SERVICE, namespace, "iris")
    stranger = {"metadata": {"name": "iris"}, "spec": {"ports": [{"port": 5000}], "selector": {"app": "other"}}}
    late.api.call("POST", SERVICE.path(namespace), {"apiVersion": "v1", "kind": "Service", **stranger})
    before = late.api.get(SERVICE, namespace, "iris")

    # the port of the Service follows from nothing in the spec, so its owner is what changes
    late.api.apply(MODEL_DEPLOYMENT, namespace, model(deletionPolicy="Orphan"))
    late.plane.eventually("mdep", "iris", says("Stalled", "True", "NameConflict"), namespace=namespace)

    assert before is not None
    assert late.api.get(SERVICE, namespace, "iris") == before
    assert not [line for line in late.audit.writes(namespace) if "services/iris?" in line and line.endswith(" 200")]


def test_children_that_are_let_go_of_stay_let_go(late: Bench, namespace: str) -> None:
    """`--cascade=orphan`, told late: no owner reference is put back, so the collector takes nothing."""
    begin(late, namespace)
    before = {obj["metadata"]["uid"] for kind in CHILD_KINDS for obj in late.api.objects(kind, namespace)}
    late.faults.delay = {"modeldeployments": LATE_SECONDS}
    late.api.delete(MODEL_DEPLOYMENT, namespace, "iris", policy="Orphan")
    late.plane.gone("mdep", "iris", namespace=namespace)
    eventually(lambda: not owners(late.api, namespace), seconds=20, why=lambda: str(owners(late.api, namespace)))
    quiet(late.proxy, LATE_SECONDS + 1)

    assert owners(late.api, namespace) == []
    after = {obj["metadata"]["uid"] for kind in CHILD_KINDS for obj in late.api.objects(kind, namespace)}
    assert after == before


def owners(api: Api, namespace: str) -> list[str]:
    """Children that still say whose they are."""
    found = (obj["metadata"] for kind in CHILD_KINDS for obj in api.objects(kind, namespace))
    return [metadata["name"] for metadata in found if metadata.get("ownerReferences")]


def test_a_deletion_that_the_watch_lost_makes_no_ghost(late: Bench, namespace: str) -> None:
    """The model is gone and the watch never said so: no child is made again for it, and nothing is tried for ever."""
    begin(late, namespace)
    late.faults.drop = {"modeldeployments": 1.0}
    late.api.delete(MODEL_DEPLOYMENT, namespace, "iris")
    late.plane.empty("deployment,service,pdb,controllerrevision", namespace=namespace)
    quiet(late.proxy, 2.0)
    late.audit.mark()
    quiet(late.proxy, 3.0)

    assert late.audit.writes(namespace) == []
    assert [obj for kind in CHILD_KINDS for obj in late.api.objects(kind, namespace)] == []
    said = [line for line in late.operator.said().splitlines() if namespace in line and '"warning"' in line.lower()]
    assert said == []


def test_an_autoscaled_number_survives_an_operator_that_knows_nothing_yet(late: Bench, namespace: str) -> None:
    """A new life whose watch of Deployments is late does not start a running model at its minimum again."""
    begin(late, namespace, autoscaling={"minReplicas": 2, "maxReplicas": 5})
    scale = {"spec": {"replicas": 4}}
    late.api.patch(DEPLOYMENT, namespace, "iris", scale, subresource="scale")
    late.settled(namespace)
    late.faults.drop = {"deployments": 1.0}
    late.api.patch(DEPLOYMENT, namespace, "iris", {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})
    lives = len(late.operator.lives)
    late.operator.current.process.kill()
    eventually(lambda: len(late.operator.lives) > lives, seconds=20)
    late.api.apply(
        MODEL_DEPLOYMENT,
        namespace,
        model(autoscaling={"minReplicas": 2, "maxReplicas": 5}, model={"uri": "file:///models/new.joblib"}),
    )
    late.plane.eventually("mdep", "iris", says("Ready", "False"), namespace=namespace, seconds=40)

    found = late.api.get(DEPLOYMENT, namespace, "iris")
    assert found is not None
    assert found["spec"]["replicas"] == 4


def test_the_same_object_applied_100_times_makes_no_write(late: Bench, namespace: str) -> None:
    """Generation and children stay what they were, and the operator asks for nothing."""
    begin(late, namespace, replicas=2)
    before = versions(late.api, namespace)
    late.audit.mark()

    for _ in range(100):
        late.api.apply(MODEL_DEPLOYMENT, namespace, model(replicas=2))
    idle(late)

    assert versions(late.api, namespace) == before
    assert late.audit.writes(namespace) == []


def idle(bench: Bench) -> None:
    eventually(lambda: bench.operator.current.metric('workqueue_depth{name="modeldeployment"}') == 0, seconds=10)


def versions(api: Api, namespace: str) -> dict[str, str]:
    """Generation of the model and of its children; the version of those that have no generation."""
    found = api.get(MODEL_DEPLOYMENT, namespace, "iris")
    assert found is not None
    told = {"ModelDeployment": str(found["metadata"]["generation"])}
    for kind in CHILD_KINDS:
        for obj in api.objects(kind, namespace):
            metadata = obj["metadata"]
            told[f"{kind.kind}/{metadata['name']}"] = str(metadata.get("generation") or metadata["resourceVersion"])
    return told


def test_a_namespace_on_its_way_out_makes_no_storm(late: Bench) -> None:
    """Every child that goes would be made again if it could: no word twice in the log, and an end."""
    name = late.namespace("leaving")
    begin(late, name)
    said = len(late.operator.said())
    late.audit.mark()

    late.plane.kubectl("delete", "namespace", name, "--timeout=60s")
    idle(late)

    lines = [line for line in late.operator.said()[said:].splitlines() if name in line]
    # which child goes first is the namespace controller's choice: a Deployment that loses its pods is a word of its own
    words = [json.loads(line)["message"] for line in lines]
    assert len(words) == len(set(words)), lines
    assert len(late.audit.writes(name)) <= 12
