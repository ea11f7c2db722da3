"""The init container's story, over real files and a store that fails on purpose."""

import hashlib
import json
import logging
import os
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelmoor_server import facts, fetch
from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.fetch import FetchSettings, Retry
from modelmoor_server.stores import Entry, Listing
from modelmoor_server.stores.base import unavailable


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted model as joblib writes it."""
    path = tmp_path_factory.mktemp("model") / "iris.joblib"
    joblib.dump(LogisticRegression().fit(np.arange(8).reshape(-1, 2), [0, 0, 1, 1]), path)
    return path


def settings(model: Path, folder: Path, **others: object) -> FetchSettings:
    return FetchSettings(uri=f"file://{model}", model_dir=folder / "mnt", **others)  # type: ignore[arg-type]


def failure(wanted: FetchSettings) -> ModelError:
    with pytest.raises(ModelError) as caught:
        fetch.fetch(wanted)
    assert not (wanted.model_dir / "artifact").exists()
    assert not (wanted.model_dir / "facts.json").exists()
    assert not (wanted.model_dir / ".partial").exists()
    return caught.value


def test_file(model: Path, tmp_path: Path) -> None:
    """A file lands under its own name, read-only, and facts.json tells what it is."""
    found = fetch.fetch(settings(model, tmp_path))
    copy = tmp_path / "mnt" / "artifact" / "iris.joblib"

    assert copy.read_bytes() == model.read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o444
    assert found.digest == f"sha256:{hashlib.sha256(model.read_bytes()).hexdigest()}"
    assert (found.size, found.files, found.format) == (model.stat().st_size, 1, "sklearn")
    assert found.framework is not None
    assert found.framework.startswith("scikit-learn 1.")
    assert facts.read(tmp_path / "mnt" / "facts.json") == found
    assert json.loads((tmp_path / "mnt" / "facts.json").read_text())["phase"] == "Fetch"


def test_folder(model: Path, tmp_path: Path) -> None:
    """A folder keeps its paths, and its digest is the folder's."""
    (tmp_path / "src" / "docs").mkdir(parents=True)
    (tmp_path / "src" / "model.joblib").write_bytes(model.read_bytes())
    (tmp_path / "src" / "docs" / "README").write_text("hello")
    found = fetch.fetch(settings(tmp_path / "src", tmp_path))

    assert (tmp_path / "mnt" / "artifact" / "docs" / "README").read_text() == "hello"
    assert found.files == 2


def test_restart_fetches_nothing(model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A restarted container uses the complete artifact even while the store is down."""
    source = tmp_path / "iris.joblib"
    source.write_bytes(model.read_bytes())
    first = fetch.fetch(settings(source, tmp_path))
    source.unlink()

    with caplog.at_level(logging.INFO, "modelmoor_server"):
        assert fetch.fetch(settings(source, tmp_path, digest=first.digest)) == first
    assert [record.getMessage() for record in caplog.records] == ["FetchReused"]


@pytest.mark.parametrize("change", ["bytes", "uri", "pin", "facts", "more"])
def test_restart_trusts_only_the_same(model: Path, tmp_path: Path, change: str) -> None:
    """Damaged bytes, another URI, another pin, lost facts or an extra file are fetched anew."""
    source = tmp_path / "iris.joblib"
    source.write_bytes(model.read_bytes())
    fetch.fetch(settings(source, tmp_path))
    artifact, pin = tmp_path / "mnt" / "artifact", None
    artifact.chmod(0o755)
    (artifact / "iris.joblib").chmod(0o644)
    if change == "bytes":
        (artifact / "iris.joblib").write_bytes(b"damaged")
    elif change == "more":
        (artifact / "more").write_bytes(b"x")
    elif change == "facts":
        (tmp_path / "mnt" / "facts.json").write_text("{")
    elif change == "uri":
        source = source.rename(tmp_path / "other.joblib")
    else:
        source.write_bytes(pickle.dumps(joblib.load(model)))
        pin = f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"
    fetch.fetch(settings(source, tmp_path, digest=pin))

    assert [path.name for path in artifact.iterdir()] == [source.name]
    assert (artifact / source.name).read_bytes() == source.read_bytes()


def test_digest(model: Path, tmp_path: Path) -> None:
    """A pin that fits passes, one that does not is DigestMismatch and leaves nothing to be served."""
    pin = f"sha256:{hashlib.sha256(model.read_bytes()).hexdigest()}"
    assert fetch.fetch(settings(model, tmp_path / "good", digest=pin)).digest == pin

    error = failure(settings(model, tmp_path / "bad", digest="sha256:" + "0" * 64))
    assert (error.phase, error.reason) == (Phase.VERIFY, Reason.DIGEST_MISMATCH)
    assert failure(settings(model, tmp_path / "bad", digest="md5:1")).reason is Reason.INVALID_SETTINGS


def test_too_large(model: Path, tmp_path: Path) -> None:
    """An artifact above the limit is refused before a byte of it is on disk."""
    assert failure(settings(model, tmp_path, size_limit=10)).reason is Reason.TOO_LARGE


def test_too_large_while_fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not tell the size is stopped at the limit."""
    written: list[int] = []

    class Endless:
        place = "http://h/x"

        def listing(self) -> Listing:
            return Listing(False, (Entry("x.joblib", None),))

        def read(self, entry: Entry) -> Iterator[bytes]:
            while True:
                written.append(1)
                yield b"x" * 1000

    monkeypatch.setattr(fetch, "open_store", lambda *_: Endless())
    assert failure(FetchSettings("http://h/x", tmp_path / "mnt", size_limit=10_000)).reason is Reason.TOO_LARGE
    assert len(written) == 11


def test_missing_and_empty(tmp_path: Path) -> None:
    """A missing file is ModelNotFound, an empty folder EmptyArtifact."""
    (tmp_path / "empty").mkdir()

    assert failure(settings(tmp_path / "none.joblib", tmp_path)).reason is Reason.MODEL_NOT_FOUND
    error = failure(settings(tmp_path / "empty", tmp_path))
    assert (error.phase, error.reason) == (Phase.RESOLVE, Reason.EMPTY_ARTIFACT)


def test_unknown_and_corrupt(model: Path, tmp_path: Path) -> None:
    """What no runtime loads is UnknownFormat, a cut-off file CorruptArtifact; neither becomes the artifact."""
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "cut.joblib").write_bytes(model.read_bytes()[:200])

    assert failure(settings(tmp_path / "notes.txt", tmp_path)).reason is Reason.UNKNOWN_FORMAT
    assert failure(settings(tmp_path / "cut.joblib", tmp_path)).reason is Reason.CORRUPT_ARTIFACT
    assert failure(settings(model, tmp_path, format="keras")).reason is Reason.UNKNOWN_FORMAT


def test_folder_that_cannot_be_written(model: Path, tmp_path: Path) -> None:
    """A model folder that is a file is InvalidSettings."""
    (tmp_path / "mnt").write_text("in the way")

    assert failure_of_folder(settings(model, tmp_path)) is Reason.INVALID_SETTINGS


def failure_of_folder(wanted: FetchSettings) -> Reason:
    with pytest.raises(ModelError) as caught:
        fetch.fetch(wanted)
    return caught.value.reason


class Flaky:
    """A store that breaks off after `pieces[n]` bytes on its n-th try."""

    place = "s3://models/iris.joblib"

    def __init__(self, body: bytes, pieces: list[int]) -> None:
        self.body, self.pieces = body, pieces

    def listing(self) -> Listing:
        return Listing(False, (Entry("iris.joblib", len(self.body)),))

    def read(self, entry: Entry) -> Iterator[bytes]:
        length = self.pieces.pop(0) if self.pieces else len(self.body)
        yield self.body[:length]
        if length < len(self.body):
            raise unavailable(self.place, "broke off")


def test_broken_download_starts_anew(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download that breaks off is tried again, and the bytes are whole."""
    monkeypatch.setattr(fetch, "open_store", lambda *_: Flaky(model.read_bytes(), [10, 0, 500]))
    monkeypatch.setattr(fetch.time, "sleep", lambda _: None)
    found = fetch.fetch(FetchSettings("s3://models/iris.joblib", tmp_path / "mnt"))

    assert (tmp_path / "mnt" / "artifact" / "iris.joblib").read_bytes() == model.read_bytes()
    assert found.size == model.stat().st_size


def test_retry_is_patient_and_ends() -> None:
    """A store that does not answer is tried for the time given, with growing pauses of at most eight seconds."""
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    def step() -> None:
        raise unavailable("s3://b", "does not answer")

    with pytest.raises(ModelError) as caught:
        Retry(30, lambda: now[0], sleep)(step)

    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    assert 30 <= now[0] < 31
    assert pauses[0] <= 0.5 < max(pauses) <= 8


def test_retry_ends_for_a_store_that_breaks_at_one_place() -> None:
    """Bytes that an earlier try had already are no news: the time does not start anew."""
    now = [0.0]
    retry = Retry(30, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))

    def step() -> None:
        retry.reached(1000)
        raise unavailable("s3://b", "broke off")

    with pytest.raises(ModelError):
        retry(step)
    assert now[0] < 62


def test_refusals_are_not_retried() -> None:
    """Only StoreUnavailable is worth another try."""
    calls: list[int] = []

    def step() -> None:
        calls.append(1)
        raise ModelError(Phase.FETCH, Reason.ACCESS_DENIED, "m", "h")

    with pytest.raises(ModelError):
        Retry(30, lambda: 0.0, lambda _: None)(step)
    assert calls == [1]


def test_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, model: Path
) -> None:
    """A long download says every five seconds how far it is."""
    now = [0.0]

    class Slow(Flaky):
        def read(self, entry: Entry) -> Iterator[bytes]:
            for start in range(0, len(self.body), 100):
                now[0] += 2
                yield self.body[start : start + 100]

    monkeypatch.setattr(fetch, "open_store", lambda *_: Slow(model.read_bytes(), []))
    with caplog.at_level(logging.INFO, "modelmoor_server"):
        fetch.fetch(FetchSettings("s3://models/iris.joblib", tmp_path / "mnt"), clock=lambda: now[0])
    words = [record.getMessage() for record in caplog.records]
    shown = [r.fields["percent"] for r in caplog.records if r.getMessage() == "FetchProgress"]  # type: ignore[attr-defined]

    assert words[0] == "FetchStarted"
    assert words[-2:] == ["FetchEnded", "Fetched"]
    assert shown == sorted(shown)
    assert len(shown) == len(range(0, model.stat().st_size, 100)) // 3


def test_one_name_as_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys `a` and `a/b`, which object stores allow, are refused before anything is fetched."""

    class Odd(Flaky):
        def listing(self) -> Listing:
            return Listing(True, (Entry("a", 1), Entry("a/b", 1)))

    monkeypatch.setattr(fetch, "open_store", lambda *_: Odd(b"x", []))
    assert failure(FetchSettings("s3://models/x", tmp_path / "mnt")).reason is Reason.UNSAFE_ARTIFACT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give up its rights")
def test_unreadable_source(model: Path) -> None:
    """A file that this user may not read is AccessDenied."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "secret.joblib").write_bytes(model.read_bytes())
        (folder / "secret.joblib").chmod(0o600)
        os.seteuid(65534)
        try:
            error = failure(settings(folder / "secret.joblib", folder))
        finally:
            os.seteuid(0)

    assert error.reason is Reason.ACCESS_DENIED
