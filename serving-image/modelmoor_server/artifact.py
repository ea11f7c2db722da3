"""The bytes of a model on disk: their digest, and the promise that nothing but plain files lies there."""

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from modelmoor_server.errors import ModelError, Phase, Reason

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CHUNK = 1 << 20


def folder_digest(files: Mapping[str, str]) -> str:
    """The digest of a folder: relative path -> SHA-256 of the file in hex, over the sorted lines of both."""
    lines = sorted(f"{path}\0{sha256}\n".encode() for path, sha256 in files.items())
    return f"sha256:{hashlib.sha256(b''.join(lines)).hexdigest()}"


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file in hex, read a mebibyte at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(path: Path) -> str:
    """The digest of an artifact: a file's own bytes, or a folder's list. Raises ModelError (UnsafeArtifact)."""
    if not path.is_dir():
        check_plain(path)
        return f"sha256:{file_sha256(path)}"
    return folder_digest({file.relative_to(path).as_posix(): file_sha256(file) for file in plain_files(path)})


def plain_files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, in order of its path. Raises ModelError where there is anything but plain files."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in folders:
            if (Path(root) / name).is_symlink():
                raise unsafe()
        for name in sorted(files):
            check_plain(Path(root) / name)
            yield Path(root) / name


def check_plain(path: Path) -> None:
    """Refuse links of any kind (a hard link shares another file's bytes), pipes and devices."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise unsafe()


def unsafe() -> ModelError:
    """The artifact holds what no model needs."""
    return ModelError(
        Phase.VERIFY,
        Reason.UNSAFE_ARTIFACT,
        "The artifact holds a link, a pipe or a device.",
        "Store the model as plain files.",
    )


def seal(path: Path) -> None:
    """Make an artifact read-only, for everybody: the server runs under any user."""
    if path.is_dir():
        for root, _, files in os.walk(path):
            for name in files:
                (Path(root) / name).chmod(0o444)
            Path(root).chmod(0o555)
    else:
        path.chmod(0o444)


def remove(path: Path) -> None:
    """Take away a file or a folder, sealed or half made; nothing there is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        for root, _, _ in os.walk(path):
            Path(root).chmod(0o755)  # a sealed folder lets nobody but root remove what is in it
        shutil.rmtree(path)
