"""The door at which an object of the API server becomes a ModelDeployment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from controlplane.cel_cases import VALID, Case
from modelmoor_operator.api.status import Condition, Failure, Status
from modelmoor_operator.api.v1alpha1 import InvalidObject, Metadata, ModelDeployment

METADATA = {"name": "iris", "namespace": "flowers", "uid": "u-1", "generation": 4}
MODEL = {"uri": "s3://models/iris/1/"}


def body(**spec: Any) -> dict[str, Any]:
    """An object as the API server gives it."""
    return {"metadata": METADATA, "spec": {"model": MODEL, **spec}}


def problem(**spec: Any) -> str:
    """What a person reads about a spec that cannot be read."""
    with pytest.raises(InvalidObject) as refusal:
        ModelDeployment.parse(body(**spec))
    return str(refusal.value)


def test_only_the_uri_is_required() -> None:
    """All else has a default that the field's description tells."""
    model = ModelDeployment.parse(body())

    assert model.spec.replicas == 1
    assert model.spec.autoscaling is None
    assert model.spec.runtime.timeout == timedelta(seconds=30)
    assert model.spec.rollout.progress_deadline == timedelta(minutes=10)
    assert (model.spec.rollout.max_surge, model.spec.rollout.max_unavailable) == ("25%", 0)
    assert model.spec.revision_history_limit == 5
    assert not model.spec.suspend
    assert model.status.observed_generation == -1


def test_metadata_is_typed() -> None:
    """A deletion is a moment in time, and what is absent is empty."""
    deleted = METADATA | {"deletionTimestamp": "2026-11-21T06:00:00Z", "annotations": {"a": "b"}, "managedFields": []}

    metadata = Metadata.parse({"metadata": deleted})

    assert metadata.deletion_timestamp == datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert (metadata.generation, metadata.annotations, metadata.labels) == (4, {"a": "b"}, {})


def test_a_newer_schema_is_no_reason_to_stop() -> None:
    """An operator that was rolled back ignores the fields and schemes that it does not know."""
    newer = body(contract={"inputs": []}, model={"uri": "oci://registry.example/iris", "update": {"policy": "Manual"}})

    model = ModelDeployment.parse(newer)

    assert model.spec.model.uri == "oci://registry.example/iris"
    assert model.spec.wire() == {"model": {"uri": "oci://registry.example/iris"}}


def test_a_status_that_cannot_be_read_counts_as_none() -> None:
    """The status is ours to write again; what another version wrote there never stops the operator."""
    model = ModelDeployment.parse(body() | {"status": {"observedGeneration": 3, "conditions": [{"type": "Ready"}]}})

    assert model.status == Status()


def test_a_status_is_read_back_as_it_was_written() -> None:
    """Transition times survive, so a condition that has not changed keeps its time."""
    condition = Condition(
        type="Ready",
        status="False",
        reason="Fetching",
        message="0 of 1 pods have fetched the model.",
        last_transition_time=datetime(2026, 11, 21, 6, 0, 1, 999, tzinfo=UTC),
    )
    written = Status(observed_generation=4, conditions=(condition,)).wire()

    assert written["conditions"][0]["lastTransitionTime"] == "2026-11-21T06:00:01Z"
    assert Status.model_validate(written).wire() == written


def test_prose_that_is_too_long_for_the_status_is_cut() -> None:
    """The API server would refuse the whole status for one long message."""
    failure = Failure(reason="LoadFailed", message="x" * 5000)

    assert len(failure.message) == 1024
    assert failure.message.endswith("x…")
    assert Status(summary="y" * 512).summary == "y" * 512


def test_problems_name_the_field_and_never_the_value() -> None:
    """A value may be a secret in the wrong place: the path and the rule are told, the value is not."""
    told = problem(replicas="s3cret", runtime={"timeout": "s3cret", "env": [{"name": "A"}, {"value": "s3cret"}]})

    assert "spec.replicas: Input should be a valid integer" in told
    assert "spec.runtime.timeout: must be a duration such as 30s" in told
    assert "spec.runtime.env[1].name: Field required" in told
    assert "s3cret" not in told


def test_many_problems_are_counted() -> None:
    """A message stays one sentence; the rest is counted."""
    told = problem(replicas=-1, revisionHistoryLimit=-1, suspend="no way", serviceAccountName="")

    assert told.count(";") == 3
    assert told.endswith("and 1 more")


@pytest.mark.parametrize("broken", [{}, {"metadata": None}, {"metadata": {"name": "iris"}}])
def test_an_object_without_a_name_is_refused(broken: dict[str, Any]) -> None:
    """Nothing can be said of an object that cannot be named."""
    with pytest.raises(InvalidObject, match=r"^metadata"):
        ModelDeployment.parse(broken)


def test_a_missing_spec_is_refused() -> None:
    """The API server refuses it as well; an object that got by is told so."""
    with pytest.raises(InvalidObject, match=r"^spec: "):
        ModelDeployment.parse({"metadata": METADATA})


def test_what_means_the_same_is_written_alike() -> None:
    """Spelling is no change: the hash over what was set, and with it the revision, stays."""
    one = ModelDeployment.parse(
        body(
            runtime={"timeout": "90s"},
            resources={"requests": {"cpu": 1, "memory": "1024Mi"}},
            storage={"sizeLimit": 1024},
        )
    )
    two = ModelDeployment.parse(
        body(
            runtime={"timeout": "1m30s"},
            resources={"requests": {"cpu": "1000m", "memory": "1Gi"}},
            storage={"sizeLimit": "1024"},
        )
    )

    assert one.spec.wire() == two.spec.wire()
    assert one.spec.resources is not None
    assert one.spec.resources.requests == {"cpu": "1", "memory": "1Gi"}


def test_what_was_not_set_is_not_written() -> None:
    """A new default of a later version makes no new revision of a model that never set the field."""
    assert ModelDeployment.parse(body(rollout={"maxSurge": 1})).spec.wire() == {
        "model": MODEL,
        "rollout": {"maxSurge": 1},
    }


def test_types_are_values() -> None:
    """What was read is not changed by whoever it is handed to."""
    model = ModelDeployment.parse(body())

    with pytest.raises(ValidationError):
        model.spec.replicas = 3


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.id)
def test_what_the_api_server_takes_we_read(case: Case) -> None:
    """The types are never stricter than the schema that was made from them."""
    given = case.body()
    given["metadata"]["namespace"] = "flowers"

    assert ModelDeployment.parse(given).metadata.name == case.name
