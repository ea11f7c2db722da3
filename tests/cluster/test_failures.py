"""Each failure says which one it is: by its own reason, within a minute, with the cause and what to do next."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cluster.failures import FAILURES, GOOD, QUOTA, TIGHT_QUOTA, WRONG_SECRET, Failure, crash_loop, upload
from support.artifacts import REQUEST
from support.cluster import Cluster
from support.load import Caller
from support.manifests import Object, condition
from support.namespace import Namespace, deployment
from support.store import Store, digest

pytestmark = pytest.mark.cluster
SECONDS = 60.0
NAMES = [failure.name for failure in (*FAILURES, QUOTA, crash_loop(""))]


@dataclass(frozen=True)
class Seen:
    """What became of one failure: when its reason was first told, and the object at the end."""

    failure: Failure
    seconds: float | None
    obj: Object


@pytest.fixture(scope="module")
def crowded(cluster: Cluster, shared_store: Store) -> Iterator[Namespace]:
    """The namespace in which all but one fail."""
    with cluster.namespace("failures") as namespace:
        namespace.apply(
            shared_store.secret(),
            shared_store.secret(AWS_SECRET_ACCESS_KEY="mistyped") | {"metadata": {"name": WRONG_SECRET}},
        )
        yield namespace


@pytest.fixture(scope="module")
def seen(cluster: Cluster, crowded: Namespace, shared_store: Store) -> Iterator[dict[str, Seen]]:
    """All of them at once, watched until the last has told its reason or the minute is over."""
    upload(shared_store)
    failures = [*FAILURES, crash_loop(cluster.operator_image)]
    with cluster.namespace("quota") as tight:
        tight.apply(shared_store.secret(), TIGHT_QUOTA)
        tight.apply(QUOTA.manifest())
        crowded.apply(*(failure.manifest() for failure in failures))
        begun = time.monotonic()
        expected = {failure.name: failure for failure in (*failures, QUOTA)}
        first: dict[str, float] = {}
        while True:
            now = time.monotonic() - begun
            found = {obj["metadata"]["name"]: obj for space in (crowded, tight) for obj in space.objects("mdep")}
            for name, obj in found.items():
                if condition(obj, "Ready").get("reason") == expected[name].reason:
                    if name not in first:
                        print(f"{now:5.1f} s  {name}: {expected[name].reason}")
                    first.setdefault(name, now)
            if len(first) == len(expected) or now > SECONDS:
                break
            time.sleep(0.5)
        yield {name: Seen(expected[name], first.get(name), obj) for name, obj in found.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_is_told_within_a_minute(seen: dict[str, Seen], crowded: Namespace, name: str) -> None:
    """Ready is False with the failure's own reason; the sentence names pod and cause, the hint the next step."""
    it = seen[name]
    ready, status = condition(it.obj, "Ready"), it.obj["status"]
    assert it.seconds is not None, f"{it.failure.reason} was never told: {ready}"
    assert (ready["status"], ready["reason"]) == ("False", it.failure.reason)
    assert condition(it.obj, "Available")["status"] == "False"
    assert it.failure.says in status["summary"]
    assert it.failure.hint in status["hint"]
    assert status["hint"]
    assert status["failure"]["reason"] == it.failure.reason
    assert it.failure.phase in ("", status["failure"]["phase"])
    if it.failure.by_pod:
        assert status["failure"]["pod"].startswith(f"{name}-")
        assert status["failure"]["pod"] in status["summary"]
    assert "secret-query" not in str(it.obj["status"])


def test_an_event_tells_the_same_word(seen: dict[str, Seen], crowded: Namespace) -> None:
    """The reason of the condition is the reason of a Warning event: `kubectl describe` tells it, too."""
    told = {
        (event["involvedObject"]["name"], event["reason"])
        for event in crowded.objects("events")
        if event["involvedObject"]["kind"] == "ModelDeployment" and event["type"] == "Warning"
    }
    assert {(name, it.failure.reason) for name, it in seen.items() if name != QUOTA.name} <= told


def test_mending_the_spec_is_enough(
    cluster: Cluster, seen: dict[str, Seen], crowded: Namespace, outsider: Caller
) -> None:
    """After `kubectl edit` with the right digest the model serves; nobody restarted the operator."""
    operators = cluster.operator_pods()
    crowded.change("other-digest", model={"digest": digest(GOOD)})
    mended = crowded.ready("other-digest")

    assert "failure" not in mended["status"]
    assert not condition(mended, "Stalled")
    assert outsider.ask(f"{mended['status']['url']}/v1/models/other-digest:predict", REQUEST)["predictions"] == [1.0]
    assert cluster.operator_pods() == operators


def test_mending_the_store_is_enough(seen: dict[str, Seen], crowded: Namespace, shared_store: Store) -> None:
    """The file appears where the URI points to: the pod comes back by itself and serves it."""
    shared_store.put("failures/missing.joblib", GOOD)
    crowded.ready("missing-file", seconds=300)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("ftp://models/iris.joblib", "must start with one of file://, pvc://, http://, https://, s3://, gs://, az://"),
        ("s3://user:password@models/iris.joblib", "put them into a Secret"),
        ("file://models/iris.joblib", "needs an absolute path"),
    ],
)
def test_an_impossible_uri_is_refused_at_apply(crowded: Namespace, uri: str, sentence: str) -> None:
    """The API server says what is wrong before anything is stored."""
    with pytest.raises(AssertionError, match=sentence):
        crowded.apply(deployment("refused", uri))
    assert "refused" not in crowded.cluster.names("mdep", crowded.name)
