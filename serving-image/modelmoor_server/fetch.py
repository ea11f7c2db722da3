"""The init container's story: find the artifact, bring it to disk while hashing, check it, tell what it is.

model_dir/.partial/   while it is being fetched
model_dir/artifact/   complete, read-only: moved here in one step
model_dir/facts.json  written last; with it, a restarted container fetches nothing again
"""

import errno
import functools
import hashlib
import json
import logging
import random
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from modelmoor_server import artifact, facts
from modelmoor_server.errors import ModelError, Phase, Reason, cause_name
from modelmoor_server.facts import Facts
from modelmoor_server.inspection import inspect
from modelmoor_server.progress import Progress
from modelmoor_server.stores import Entry, Listing, Store, open_store, public_uri
from modelmoor_server.stores.base import invalid

log = logging.getLogger("modelmoor_server.fetch")
T = TypeVar("T")
ARTIFACT = "artifact"
PARTIAL = ".partial"


@dataclass(frozen=True)
class FetchSettings:
    """What to fetch, and where to.

    digest: `sha256:` and 64 hex digits that the artifact must have. format: what the artifact must be; sniffed where
    None. size_limit: bytes. patience: seconds to go on trying a store that does not answer, since its last byte.
    """

    uri: str
    model_dir: Path
    digest: str | None = None
    format: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    pvc_dir: Path | None = None
    size_limit: int | None = None
    patience: float = 30.0


def fetch(settings: FetchSettings, clock: Callable[[], float] = time.monotonic) -> Facts:
    """Fetch the artifact unless a complete one is there. Raises ModelError; nothing half made stays."""
    if settings.digest is not None and not artifact.DIGEST.fullmatch(settings.digest):
        raise invalid("The pinned digest is no digest.", "Write it as sha256: and 64 small hex digits.")
    store = open_store(settings.uri, settings.credentials, settings.pvc_dir)
    try:
        settings.model_dir.mkdir(parents=True, exist_ok=True)
        known = _complete(settings)
        if known is not None:
            log.info("FetchReused", extra={"fields": {"place": store.place, **asdict(known)}})
            return known
        return _fetch(settings, store, Retry(settings.patience, clock), clock)
    except OSError as error:
        raise _disk(error, settings) from None
    finally:
        _remove_quietly(settings.model_dir / PARTIAL)


def _fetch(settings: FetchSettings, store: Store, retry: "Retry", clock: Callable[[], float]) -> Facts:
    partial, final = settings.model_dir / PARTIAL, settings.model_dir / ARTIFACT
    for path in (partial, settings.model_dir / facts.FACTS_FILE, final):
        artifact.remove(path)
    listing = retry(store.listing)
    _check_listing(listing, settings, store.place)
    progress = Progress(store.place, listing.size, clock)
    progress.start(len(listing.entries))
    sums: dict[str, str] = {}
    for entry in listing.entries:
        download = functools.partial(_download, store, entry, partial, settings, progress, retry)
        sums[entry.path] = retry(download)
    progress.end()
    digest = artifact.folder_digest(sums) if listing.folder else f"sha256:{sums[listing.entries[0].path]}"
    if settings.digest not in (None, digest):
        raise ModelError(
            Phase.VERIFY,
            Reason.DIGEST_MISMATCH,
            f"The artifact at {store.place} has digest {digest}, pinned is {settings.digest}.",
            "If the new artifact is wanted, pin its digest; if not, somebody overwrote the model.",
        )
    found = inspect(partial, settings.format)
    result = Facts(digest, progress.done, len(listing.entries), found.format, found.framework)
    artifact.seal(partial)
    partial.rename(final)
    record = asdict(result) | {"ok": True, "phase": "Fetch", "source": _source(settings.uri)}
    draft = settings.model_dir / f"{facts.FACTS_FILE}.partial"
    draft.write_text(json.dumps(record))
    draft.rename(settings.model_dir / facts.FACTS_FILE)
    log.info("Fetched", extra={"fields": {"place": store.place, **asdict(result)}})
    return result


def _download(
    store: Store, entry: Entry, folder: Path, settings: FetchSettings, progress: Progress, retry: "Retry"
) -> str:
    """One file to disk; its SHA-256 in hex. A broken download starts the file anew."""
    target = folder / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    before, sha256 = progress.done, hashlib.sha256()
    try:
        with target.open("wb") as file:
            for chunk in store.read(entry):
                _check_size(progress.done + len(chunk), settings, store.place)
                sha256.update(chunk)
                file.write(chunk)
                progress.add(len(chunk))
                retry.reached(progress.done)
    except ModelError:
        progress.done = before
        raise
    return sha256.hexdigest()


class Retry:
    """Tries again while a store does not answer, with growing, jittered pauses, for `patience` seconds without news."""

    def __init__(
        self, patience: float, clock: Callable[[], float], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._patience, self._clock, self._sleep = patience, clock, sleep
        self._since, self._furthest = clock(), 0

    def reached(self, position: int) -> None:
        """Bytes on disk. News is only what no earlier try had: a store that always breaks off at one place is down."""
        if position > self._furthest:
            self._since, self._furthest = self._clock(), position

    def __call__(self, step: Callable[[], T]) -> T:
        self._since, tries = self._clock(), 0
        while True:
            try:
                return step()
            except ModelError as error:
                left = self._since + self._patience - self._clock()
                if error.reason is not Reason.STORE_UNAVAILABLE or left <= 0:
                    raise
                jitter = random.uniform(0.5, 1.0)  # noqa: S311 - keeps pods apart, no secret
                pause = min(jitter * min(0.5 * 2**tries, 8.0), max(left, 0.1))
                tries += 1
                fields = {
                    "reason": error.reason,
                    "message": error.message,
                    "pause": round(pause, 1),
                    "left": round(left),
                }
                log.warning("FetchRetried", extra={"fields": fields})
                self._sleep(pause)


def _complete(settings: FetchSettings) -> Facts | None:
    """The facts of an earlier fetch of the same URI whose bytes are still what they were."""
    path, target = settings.model_dir / facts.FACTS_FILE, settings.model_dir / ARTIFACT
    known = facts.read(path)
    if known is None or not target.is_dir():
        return None
    if json.loads(path.read_bytes()).get("source") != _source(settings.uri) or settings.digest not in (
        None,
        known.digest,
    ):
        return None
    try:
        files = list(artifact.plain_files(target))
        same = known.digest in (artifact.digest(target), artifact.digest(files[0]) if len(files) == 1 else None)
        return known if same and inspect(target, settings.format).format == known.format else None
    except (ModelError, OSError):
        return None


def _source(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()[:16]


def _check_listing(listing: Listing, settings: FetchSettings, place: str) -> None:
    if not listing.entries:
        raise ModelError(
            Phase.RESOLVE,
            Reason.EMPTY_ARTIFACT,
            f"The folder {place} is empty.",
            "Upload the model, or point the model URI to the folder that holds it.",
        )
    paths = {entry.path for entry in listing.entries}
    if any(str(parent) in paths for path in paths for parent in PurePosixPath(path).parents):
        raise ModelError(
            Phase.FETCH,
            Reason.UNSAFE_ARTIFACT,
            f"At {place} one name is both a file and a folder, which only object stores can hold.",
            "Upload the model anew into a folder of its own.",
        )
    _check_size(listing.size, settings, place)
    free = shutil.disk_usage(settings.model_dir).free
    if listing.size > free:
        raise _too_large(f"The artifact at {place} has {listing.size} bytes, the volume has {free} free")


def _check_size(size: int, settings: FetchSettings, place: str) -> None:
    if settings.size_limit is not None and size > settings.size_limit:
        raise _too_large(f"The artifact at {place} passes the limit of {settings.size_limit} bytes")


def _too_large(message: str) -> ModelError:
    return ModelError(
        Phase.FETCH,
        Reason.TOO_LARGE,
        f"{message}.",
        "Raise spec.storage.sizeLimit, or point the model URI to the model's own folder.",
    )


def _disk(error: OSError, settings: FetchSettings) -> ModelError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _too_large(f"The volume filled up while fetching {public_uri(settings.uri)}")
    return invalid(
        f"The model folder {settings.model_dir} cannot be written ({cause_name(error)}).",
        "Set MODELMOOR_MODEL_DIR to a folder that this user may write.",
    )


def _remove_quietly(path: Path) -> None:
    try:
        artifact.remove(path)
    except OSError:
        log.warning("LeftoverKept", extra={"fields": {"path": str(path)}})
