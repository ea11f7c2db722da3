"""What `moor validate` finds in a manifest without a cluster."""

from typing import Any

import pytest

from modelmoor_operator.cli.problems import problems


def body(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "modelmoor.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "iris"},
        "spec": {"model": {"uri": "s3://models/iris.joblib"}} | spec,
    }


def found(manifest: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in problems(manifest)]


def test_the_smallest_manifest_has_no_problem() -> None:
    """A URI is all that a ModelDeployment needs; the namespace comes from the command line."""
    assert found(body()) == []


def test_a_misspelt_field_is_named_with_the_one_that_was_meant() -> None:
    """pydantic ignores unknown fields, so a typing error would be lost without a word."""
    assert found(body(replica=2)) == ["spec.replica: no such field; did you mean replicas?"]


def test_a_misspelt_field_deep_inside_is_named_with_its_path() -> None:
    """Lists show the index of the item, so that the line is found."""
    manifest = body(runtime={"env": [{"name": "TZ", "valeu": "UTC"}]})

    assert found(manifest) == ["spec.runtime.env[0].valeu: no such field; did you mean value?"]


def test_a_field_like_none_lists_the_fields_there_are() -> None:
    """Where nothing is near, the person sees what can be written."""
    (only,) = found(body(model={"uri": "s3://a/b", "zzz": 1}))

    assert only == "spec.model.zzz: no such field; there are credentials, digest, format, uri"


def test_free_form_pod_fields_are_nobodys_typing_error() -> None:
    """podTemplate.spec takes any field of a pod; the operator judges it when it renders."""
    assert found(body(podTemplate={"spec": {"nodeSelector": {"disk": "ssd"}}})) == []


def test_all_wrong_values_are_told_at_once_and_never_quoted() -> None:
    """One round of mending is enough, and a pasted secret does not reach a terminal's log."""
    secret = "hunter2"
    told = found(body(replicas=secret, model={"uri": "", "digest": secret}))

    assert [line.split(":")[0] for line in told] == ["spec.model.uri", "spec.model.digest", "spec.replicas"]
    assert secret not in "".join(told)


@pytest.mark.parametrize(
    ("change", "path"),
    [({"apiVersion": "modelmoor.dev/v9"}, "apiVersion"), ({"metadata": {}}, "metadata.name"), ({"spec": None}, "spec")],
)
def test_an_object_without_its_frame_is_told_first(change: dict[str, Any], path: str) -> None:
    """Without version, name or spec nothing else can be judged."""
    assert [problem.path for problem in problems(body() | change)] == [path]
