"""file:// and pvc://: what is read, and what is refused."""

import os
from pathlib import Path

import pytest

from modelmoor_server.errors import ModelError, Reason
from modelmoor_server.stores import Entry, open_store


def contents(uri: str, pvc: Path | None = None) -> dict[str, bytes]:
    store = open_store(uri, {}, pvc)
    return {entry.path: b"".join(store.read(entry)) for entry in store.listing().entries}


def reason(uri: str, pvc: Path | None = None) -> Reason:
    with pytest.raises(ModelError) as caught:
        contents(uri, pvc)
    return caught.value.reason


def test_file(tmp_path: Path) -> None:
    """A file URI gives one file by its own name, percent signs decoded."""
    (tmp_path / "my model.joblib").write_bytes(b"abc")

    assert contents(f"file://{tmp_path}/my%20model.joblib") == {"my model.joblib": b"abc"}


def test_folder(tmp_path: Path) -> None:
    """A folder keeps its relative paths, and the plumbing of mounted volumes is left out."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_bytes(b"1")
    (tmp_path / "y").write_bytes(b"22")
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "y").write_bytes(b"22")

    assert contents(f"file://{tmp_path}") == {"a/b/x": b"1", "y": b"22"}
    assert open_store(f"file://{tmp_path}/", {}).listing().folder


def test_claim(tmp_path: Path) -> None:
    """A pvc URI is below the mounted claim; lost+found of its disk is no part of a model."""
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "iris").mkdir()
    (tmp_path / "iris" / "model.joblib").write_bytes(b"x")

    assert contents("pvc://models/iris/", tmp_path) == {"model.joblib": b"x"}
    assert contents("pvc://models", tmp_path) == {"iris/model.joblib": b"x"}
    assert reason("pvc://models/../etc/passwd", tmp_path) is Reason.INVALID_SETTINGS
    assert reason("pvc://models/iris") is Reason.INVALID_SETTINGS


def test_missing_and_empty(tmp_path: Path) -> None:
    """What is missing is ModelNotFound; an empty folder lists nothing, and its reader tells EmptyArtifact."""
    assert reason(f"file://{tmp_path}/none.joblib") is Reason.MODEL_NOT_FOUND
    assert open_store(f"file://{tmp_path}", {}).listing().entries == ()


def test_links(tmp_path: Path) -> None:
    """A link inside the artifact is followed, one that leads out of it is refused, and a loop ends."""
    model = tmp_path / "model"
    (model / "v2").mkdir(parents=True)
    (model / "v2" / "x").write_bytes(b"x")
    (model / "latest").symlink_to("v2")
    (model / "v2" / "up").symlink_to("..")
    (tmp_path / "secret").write_bytes(b"s")

    assert set(contents(f"file://{model}").values()) == {b"x"}
    assert contents("pvc://claim/model/latest", tmp_path)["x"] == b"x"

    (model / "leak").symlink_to(tmp_path / "secret")
    assert reason(f"file://{model}") is Reason.UNSAFE_ARTIFACT


def test_swapped_link(tmp_path: Path) -> None:
    """A file that became a link after the listing is not followed out of the artifact."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "x").write_bytes(b"x")
    store = open_store(f"file://{model}", {})
    store.listing()
    (model / "x").unlink()
    (model / "x").symlink_to("/etc/hostname")

    with pytest.raises(ModelError) as caught:
        list(store.read(Entry("x", 1)))
    assert caught.value.reason is Reason.UNSAFE_ARTIFACT


def test_special_files(tmp_path: Path) -> None:
    """A pipe is refused, and does not hang the fetch."""
    os.mkfifo(tmp_path / "pipe")

    assert reason(f"file://{tmp_path}") is Reason.UNSAFE_ARTIFACT


@pytest.mark.parametrize("uri", ["hdfs://name/x", "ftp://h/x", "model.joblib", "", "s4://b"])
def test_unknown_scheme(uri: str) -> None:
    """A scheme that no store serves is UnknownScheme, and the hint names those that are."""
    with pytest.raises(ModelError) as caught:
        open_store(uri, {})

    assert caught.value.reason is Reason.UNKNOWN_SCHEME
    assert "s3://" in caught.value.hint


@pytest.mark.parametrize("uri", ["https://user:word@host/x", "file://host/x", "s3://", "s3:///key", "https:///x"])
def test_malformed(uri: str) -> None:
    """A URI that cannot mean anything is InvalidSettings, and a password in it is not repeated."""
    with pytest.raises(ModelError) as caught:
        open_store(uri, {}).listing()

    assert caught.value.reason is Reason.INVALID_SETTINGS
    assert "word" not in caught.value.message.replace("password", "")
