"""What every store gives: a listing, and the bytes of each file as a stream."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from modelmoor_server.errors import ModelError, Phase, Reason

MAX_FILES = 100_000
CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an artifact: its relative path, and its size in bytes where the store tells it beforehand."""

    path: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What is at a URI: one file, or a folder with the files below it (perhaps none)."""

    folder: bool
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """The sum of all sizes known beforehand, in bytes."""
        return sum(entry.size or 0 for entry in self.entries)


class Store(Protocol):
    """One URI behind one small interface; all of it blocks.

    place: the URI without user, query and fragment, fit for messages and logs.
    """

    @property
    def place(self) -> str: ...

    def listing(self) -> Listing:
        """What is there. Raises ModelError: ModelNotFound, AccessDenied, StoreUnavailable, UnsafeArtifact."""
        ...

    def read(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of one file, about a mebibyte at a time. Raises as `listing` does, at any point of the stream."""
        ...


def public_uri(uri: str) -> str:
    """A URI as it may be shown: no user, no password, no query (it signs), no fragment."""
    try:
        parts = urlsplit(uri)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return uri.partition("://")[0][:32] + "://"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))[:512]


def relative_path(path: str) -> str:
    """A file's path below the artifact, as it may be created. Raises ModelError where it would lead out of it."""
    pure = PurePosixPath(path)
    unsafe = pure.is_absolute() or ".." in pure.parts or not pure.parts or str(pure) != path or len(path) > 1024
    if unsafe or re.search(r"[\x00-\x1f\x7f\\]", path) or any(len(part.encode()) > 255 for part in pure.parts):
        raise ModelError(
            Phase.FETCH,
            Reason.UNSAFE_ARTIFACT,
            "A file name in the artifact leads out of its folder or holds control characters.",
            "Rename the files below the model URI to plain relative names.",
        )
    return path


def not_found(place: str) -> ModelError:
    """Nothing is at the URI."""
    return ModelError(
        Phase.RESOLVE,
        Reason.MODEL_NOT_FOUND,
        f"There is nothing at {place}.",
        "Check the model URI: bucket or claim, path, and upper and lower case.",
    )


def access_denied(place: str, what: str, hint: str) -> ModelError:
    """The store knows the place, but not this caller."""
    return ModelError(Phase.FETCH, Reason.ACCESS_DENIED, f"{what} for {place}.", hint)


def unavailable(place: str, cause: str) -> ModelError:
    """The store did not answer, or broke off; a later try may go well."""
    return ModelError(
        Phase.FETCH,
        Reason.STORE_UNAVAILABLE,
        f"The store of {place} {cause}.",
        "Check that the store is up and that network policies let this pod reach it; the fetch is tried again.",
    )


def invalid(message: str, hint: str) -> ModelError:
    """The URI or the credentials cannot mean anything."""
    return ModelError(Phase.RESOLVE, Reason.INVALID_SETTINGS, message, hint)
