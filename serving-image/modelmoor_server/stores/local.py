"""file:// and pvc://: folders that are already mounted."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelmoor_server.errors import ModelError, Phase, Reason, cause_name
from modelmoor_server.stores.base import (
    CHUNK,
    MAX_FILES,
    Entry,
    Listing,
    access_denied,
    invalid,
    not_found,
    public_uri,
    relative_path,
    unavailable,
)


def file_store(uri: str) -> "LocalStore":
    """file:///absolute/path; links inside a folder may not lead out of it."""
    parts = urlsplit(uri)
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute() or "\0" in str(path):
        raise invalid(
            "A file URI needs an absolute path.", "Write it as file:///folder/model.joblib, with three slashes."
        )
    return LocalStore(public_uri(uri), path, None)


def claim_store(uri: str, pvc_dir: Path | None) -> "LocalStore":
    """pvc://CLAIM/path below the mounted claim; links may not lead out of the claim."""
    parts = urlsplit(uri)
    if not parts.netloc:
        raise invalid("A pvc URI needs the name of a claim.", "Write it as pvc://claim/folder/model.joblib.")
    if pvc_dir is None:
        raise invalid("The claim of the model URI is not mounted here.", "Set MODELMOOR_PVC_DIR to the claim's folder.")
    inner = unquote(parts.path).strip("/")
    if ".." in Path(inner).parts or "\0" in inner:
        raise invalid("The path of the model URI leads out of its claim.", "Write the path without '..'.")
    return LocalStore(public_uri(uri), pvc_dir / inner, pvc_dir)


class LocalStore:
    """A file or a folder of a mounted file system. fence: what links may not leave; None means the artifact itself."""

    def __init__(self, place: str, path: Path, fence: Path | None) -> None:
        self.place = place
        self._path = path
        self._fence = fence

    def listing(self) -> Listing:
        try:
            path = self._path.resolve(strict=True)
            fence = path if self._fence is None else self._fence.resolve(strict=True)
            self._check(path, fence)
            if not path.is_dir():
                return Listing(False, (Entry(relative_path(self._path.name), _regular(path, self.place)),))
            return Listing(True, tuple(self._walk(path, fence)))
        except OSError as error:
            raise self._told(error) from None

    def read(self, entry: Entry) -> Iterator[bytes]:
        path = self._path.resolve()
        target = path / entry.path if path.is_dir() else path
        try:
            # resolved again, so that a link swapped since the listing is checked as well
            real = target.resolve(strict=True)
            self._check(real, path if self._fence is None else self._fence.resolve(strict=True))
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise _special(self.place)
                while chunk := file.read(CHUNK):
                    yield chunk
        except OSError as error:
            raise self._told(error) from None

    def _walk(self, root: Path, fence: Path) -> Iterator[Entry]:
        folders, seen, count = [(root, "")], {root}, 0
        while folders:
            folder, prefix = folders.pop()
            for child in sorted(folder.iterdir()):
                # ..data and its like are the plumbing of ConfigMap and Secret volumes, lost+found that of a disk
                if child.name.startswith("..") or (folder == fence and child.name == "lost+found"):
                    continue
                real = child.resolve(strict=True)
                self._check(real, fence)
                if real.is_dir():
                    if real not in seen:
                        seen.add(real)
                        folders.append((real, f"{prefix}{child.name}/"))
                    continue
                count += 1
                if count > MAX_FILES:
                    raise ModelError(
                        Phase.FETCH,
                        Reason.TOO_LARGE,
                        f"There are more than {MAX_FILES} files at {self.place}.",
                        "Point the model URI to the model's own folder.",
                    )
                yield Entry(relative_path(prefix + child.name), _regular(real, self.place))

    def _check(self, real: Path, fence: Path) -> None:
        if not real.is_relative_to(fence):
            raise ModelError(
                Phase.FETCH,
                Reason.UNSAFE_ARTIFACT,
                f"A link at {self.place} leads out of it.",
                "Replace the link by the file it stands for.",
            )

    def _told(self, error: OSError) -> ModelError:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return not_found(self.place)
        if isinstance(error, PermissionError):
            hint = "Give the pod's user or fsGroup the right to read the files (spec.podTemplate.spec.securityContext)."
            return access_denied(self.place, "The file system refuses to read", hint)
        return unavailable(self.place, f"failed while reading ({cause_name(error)})")


def _regular(path: Path, place: str) -> int:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _special(place)
    return status.st_size


def _special(place: str) -> ModelError:
    return ModelError(
        Phase.FETCH,
        Reason.UNSAFE_ARTIFACT,
        f"Something at {place} is neither a file nor a folder.",
        "Remove sockets, pipes and devices from the model's folder.",
    )
