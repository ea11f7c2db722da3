"""The CustomResourceDefinition on a real API server: what it takes, what it refuses, and what it shows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes import client, config

from controlplane.cel_cases import INVALID, VALID, Case
from modelmoor_operator.api import quantities
from modelmoor_operator.api.status import Condition, Failure, ServedModel, Status
from modelmoor_operator.api.v1alpha1 import GROUP, PLURAL, VERSION, ModelDeployment
from support.control_plane import ControlPlane

pytestmark = pytest.mark.controlplane
NAMESPACE = "schema-tests"


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> Iterator[client.CustomObjectsApi]:
    """A client of the API server, which has our CRD, and a namespace for this file."""
    control_plane.kubectl("create", "namespace", NAMESPACE)
    with config.new_client_from_config(str(control_plane.kubeconfig)) as connection:
        yield client.CustomObjectsApi(connection)
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def create(api: client.CustomObjectsApi, case: Case, *, dry_run: bool = True) -> dict[str, Any]:
    """Send the object as kubectl would, strict about unknown fields; what comes back is what the server would keep."""
    options = {"dry_run": "All"} if dry_run else {}
    created = api.create_namespaced_custom_object(
        GROUP, VERSION, NAMESPACE, PLURAL, case.body(), field_validation="Strict", **options
    )
    assert isinstance(created, dict)
    return created


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.id)
def test_a_valid_object_is_taken_and_read_back(api: client.CustomObjectsApi, case: Case) -> None:
    """What a person may write is taken by the API server, and the operator reads what comes back."""
    created = create(api, case)

    model = ModelDeployment.parse(created)

    assert model.metadata.name == case.name
    assert model.spec.model.uri == case.spec["model"]["uri"]


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.id)
def test_an_invalid_object_is_refused_with_the_cause(api: client.CustomObjectsApi, case: Case) -> None:
    """What cannot work is refused at apply, and the refusal names the field or says the rule."""
    with pytest.raises(client.ApiException) as refusal:
        create(api, case)

    assert refusal.value.status in (400, 422)
    assert case.says in json.loads(refusal.value.body)["message"]


def test_no_field_is_immutable(api: client.CustomObjectsApi) -> None:
    """One object becomes each valid one after the other, and the first again: what may be written may be changed."""
    cases = [case for case in VALID if case.name == VALID[0].name]
    create(api, Case("changing", cases[0].spec, name="changing"), dry_run=False)

    for case in [*cases, *reversed(cases)]:
        obj = api.get_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, "changing")
        changed = api.replace_namespaced_custom_object(
            GROUP, VERSION, NAMESPACE, PLURAL, "changing", obj | {"spec": case.spec}
        )
        assert changed["spec"].items() >= case.spec.items()


def test_the_schema_defaults_are_the_two_we_mean(api: client.CustomObjectsApi) -> None:
    """The API server adds replicas (for /scale) and a status that nobody can take for ready, and nothing else."""
    created = create(api, VALID[0])

    assert created["spec"] == {**VALID[0].spec, "replicas": 1}
    assert created["status"] == {"observedGeneration": -1}


def test_the_status_that_the_operator_writes_is_kept_whole(api: client.CustomObjectsApi) -> None:
    """Each field of our status type has its place in the schema: none is pruned, and it is read back equal."""
    create(api, Case("status", VALID[0].spec, name="status"), dry_run=False)
    status = Status(
        observed_generation=1,
        summary="1 of 1 pods answers requests.",
        hint="Nothing to do.",
        url=f"http://status.{NAMESPACE}.svc",
        replicas=1,
        ready_replicas=1,
        selector="modelmoor.dev/name=status,modelmoor.dev/slot=a",
        active_revision="status-7f3a9c1e2b",
        target_revision="status-7f3a9c1e2b",
        model=ServedModel(
            uri="s3://models/iris/1/", digest="sha256:" + "0" * 64, format="sklearn", framework="sklearn 1.9"
        ),
        failure=Failure(phase="Load", reason="LoadFailed", message="It does not load.", pod="p", revision="r"),
        conditions=(
            Condition(
                type="Ready",
                status="True",
                reason="ModelReady",
                message="It is served.",
                last_transition_time=datetime(2026, 11, 21, 6, 0, 0, tzinfo=UTC),
                observed_generation=1,
            ),
        ),
    )

    written = api.patch_namespaced_custom_object_status(
        GROUP, VERSION, NAMESPACE, PLURAL, "status", {"status": status.wire()}
    )

    assert written["status"] == status.wire()
    assert ModelDeployment.parse(written).status == status


def test_scale_reads_and_writes_replicas(api: client.CustomObjectsApi, control_plane: ControlPlane) -> None:
    """`kubectl scale` works, and the scale subresource tells the pods' selector to autoscalers."""
    create(api, Case("scale", VALID[0].spec, name="scale"), dry_run=False)
    status = {"status": {"replicas": 1, "selector": "modelmoor.dev/name=scale"}}
    api.patch_namespaced_custom_object_status(GROUP, VERSION, NAMESPACE, PLURAL, "scale", status)

    control_plane.kubectl("-n", NAMESPACE, "scale", f"{PLURAL}/scale", "--replicas=3")

    scale = api.get_namespaced_custom_object_scale(GROUP, VERSION, NAMESPACE, PLURAL, "scale")
    assert scale["spec"]["replicas"] == 3
    assert scale["status"] == {"replicas": 1, "selector": "modelmoor.dev/name=scale"}


def test_kubectl_shows_the_state_at_a_glance(api: client.CustomObjectsApi, control_plane: ControlPlane) -> None:
    """`kubectl get mdep` and `kubectl get modelmoor` print the columns that a person looks for first."""
    create(api, Case("columns", VALID[0].spec, name="columns"), dry_run=False)

    by_short_name = control_plane.kubectl("-n", NAMESPACE, "get", "mdep", "columns")
    wide = control_plane.kubectl("-n", NAMESPACE, "get", "modelmoor", "-o", "wide")

    columns = ["NAME", "AVAILABLE", "READY", "REASON", "REPLICAS", "FORMAT", "URL", "AGE"]
    assert by_short_name.splitlines()[0].split() == columns
    assert wide.splitlines()[0].split() == [*columns, "SUMMARY"]


def test_kubectl_explains_every_field(api: client.CustomObjectsApi, control_plane: ControlPlane) -> None:
    """`kubectl explain` teaches: the unit and the default stand beside the field."""
    explained = " ".join(control_plane.kubectl("explain", f"{PLURAL}.spec.rollout.progressDeadline").split())

    assert "a duration of at least 10s" in explained
    assert "The default is 10m." in explained


@pytest.mark.parametrize(
    "written", ["0.5", "1.5Gi", "1000", "1024", "1e3", "0.5Ki", "1024Ki", "15000", ".25", "1e-1", "3Ei"]
)
def test_quantities_are_spelt_as_the_api_server_spells_them(control_plane: ControlPlane, written: str) -> None:
    """Our canonical spelling is the stored one, or drift would be seen where there is none."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "spelling", "namespace": "default"},
        "spec": {"hard": {"requests.cpu": written}},
    }

    stored = control_plane.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(quota))

    assert json.loads(stored)["spec"]["hard"]["requests.cpu"] == quantities.canonical(written)
