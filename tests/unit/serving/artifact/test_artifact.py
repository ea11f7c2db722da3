"""Digests, and the promise that nothing but plain files lies in an artifact."""

import hashlib
import os
from pathlib import Path

import pytest

from modelmoor_server import artifact
from modelmoor_server.errors import ModelError, Reason


def test_file_digest(tmp_path: Path) -> None:
    """The digest of a file is that of its bytes."""
    (tmp_path / "m").write_bytes(b"abc")

    assert artifact.digest(tmp_path / "m") == f"sha256:{hashlib.sha256(b'abc').hexdigest()}"


def test_folder_digest(tmp_path: Path) -> None:
    """The digest of a folder is over the sorted lines of path and file digest, and names count."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_bytes(b"1")
    (tmp_path / "a").write_bytes(b"2")
    one, two = hashlib.sha256(b"1").hexdigest(), hashlib.sha256(b"2").hexdigest()
    lines = f"a\0{two}\nb/x\0{one}\n".encode()

    assert artifact.digest(tmp_path) == f"sha256:{hashlib.sha256(lines).hexdigest()}"
    assert artifact.folder_digest({"b/x": one, "a": two}) == artifact.digest(tmp_path)

    (tmp_path / "a").rename(tmp_path / "c")
    assert artifact.folder_digest({"b/x": one, "a": two}) != artifact.digest(tmp_path)


@pytest.mark.parametrize("kind", ["symbolic", "folder", "hard", "pipe"])
def test_links_and_pipes(tmp_path: Path, kind: str) -> None:
    """Links of any kind and pipes are refused: an answer could leak what they lead to."""
    folder = tmp_path / "m"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"s")
    match kind:
        case "symbolic":
            (folder / "x").symlink_to(tmp_path / "secret")
        case "folder":
            (folder / "x").symlink_to(tmp_path, target_is_directory=True)
        case "hard":
            (folder / "x").hardlink_to(tmp_path / "secret")
        case _:
            os.mkfifo(folder / "x")

    with pytest.raises(ModelError) as caught:
        artifact.digest(folder)
    assert caught.value.reason is Reason.UNSAFE_ARTIFACT


def test_seal_and_remove(tmp_path: Path) -> None:
    """A sealed artifact is read-only for everybody, and can be taken away again."""
    folder = tmp_path / "m"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "x").write_bytes(b"1")
    artifact.seal(folder)

    assert [(folder / p).stat().st_mode & 0o777 for p in (".", "a", "a/x")] == [0o555, 0o555, 0o444]

    artifact.remove(folder)
    artifact.remove(folder)
    assert not folder.exists()
