"""How files become objects: documents, folders, lists, and sentences for what cannot be read."""

from pathlib import Path

import pytest

from modelmoor_operator.cli import manifests
from modelmoor_operator.cli.errors import CommandError

MODEL = "apiVersion: modelmoor.dev/v1alpha1\nkind: ModelDeployment\nmetadata: {name: %s}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: store}\n"


def test_models_and_what_stands_beside_them_are_told_apart(tmp_path: Path) -> None:
    """One file may hold a ModelDeployment and the Secret of its store; an empty document is nothing."""
    file = tmp_path / "all.yaml"
    file.write_text(f"{MODEL % 'iris'}---\n{SECRET}---\n")

    found = manifests.read([str(file)])

    assert [model.name for model in found.models] == ["iris"]
    assert found.other("Secret", "store") is not None
    assert found.other("ConfigMap", "store") is None


def test_a_folder_gives_its_manifests_and_not_its_requests(tmp_path: Path) -> None:
    """An example's folder holds request.json beside the manifest; it is no object."""
    (tmp_path / "modeldeployment.yaml").write_text(MODEL % "iris")
    (tmp_path / "request.json").write_text('{"instances": [[1, 2]]}')

    found = manifests.read([str(tmp_path)])

    assert [model.name for model in found.models] == ["iris"]
    assert found.others == ()


def test_a_list_as_kubectl_prints_it_stands_for_its_items(tmp_path: Path) -> None:
    """`kubectl get mdep -o yaml > all.yaml` can be rendered as it is."""
    file = tmp_path / "all.yaml"
    file.write_text("apiVersion: v1\nkind: List\nitems:\n- kind: ModelDeployment\n  metadata: {name: a}\n")

    assert [model.name for model in manifests.read([str(file)]).models] == ["a"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "line 1"), ("- 1\n", "mapping of fields"), ("a: b: c\n", "line 1, column 5")],
)
def test_what_is_no_manifest_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    """The sentence names file and line, as a compiler would."""
    file = tmp_path / "broken.yaml"
    file.write_text(text)

    with pytest.raises(CommandError, match=words) as told:
        manifests.read([str(file)])

    assert str(file) in str(told.value)


def test_a_missing_file_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    """No trace back: a sentence with the path."""
    with pytest.raises(CommandError, match="No such file"):
        manifests.read([str(tmp_path / "none.yaml")])
    with pytest.raises(CommandError, match="holds no manifests"):
        manifests.read([str(tmp_path)])


def test_of_several_models_one_must_be_chosen(tmp_path: Path) -> None:
    """The sentence lists the names there are."""
    file = tmp_path / "all.yaml"
    file.write_text(f"{MODEL % 'iris'}---\n{MODEL % 'digits'}")
    found = manifests.read([str(file)])

    assert found.one("digits").name == "digits"
    with pytest.raises(CommandError, match=r"iris, digits.*--name"):
        found.one(None)
    with pytest.raises(CommandError, match="no ModelDeployment is named rents"):
        found.one("rents")
