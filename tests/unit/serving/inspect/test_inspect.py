"""Formats and versions, told from bytes alone."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import joblib
import numpy as np
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelmoor_server.errors import ModelError, Reason
from modelmoor_server.inspection import inspect

X = np.random.default_rng(0).random((40, 4))
MODEL = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(X, X[:, 0] > 0.5)
STATED = f"scikit-learn {sklearn.__version__}"


def failure(path: Path, format: str | None = None) -> ModelError:
    with pytest.raises(ModelError) as caught:
        inspect(path, format)
    return caught.value


@pytest.mark.parametrize("protocol", range(6))
def test_pickle(tmp_path: Path, protocol: int) -> None:
    """A pickle of any protocol tells the version of scikit-learn that wrote it."""
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(MODEL, protocol=protocol))
    found = inspect(path)

    assert (found.format, found.framework, found.version) == ("sklearn", STATED, sklearn.__version__)


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_joblib(tmp_path: Path, compress: Any) -> None:
    """A joblib file does, behind any compressor and whatever it is called."""
    for name in ("m.joblib", "m"):
        joblib.dump(MODEL, tmp_path / name, compress=compress)

        assert inspect(tmp_path / name).framework == STATED


def test_nothing_is_executed(tmp_path: Path) -> None:
    """A pickle that would write a file is looked at, and the file is not written."""
    path = tmp_path / "m.pkl"
    path.write_bytes(
        b"cpathlib\nPath\n(V" + str(tmp_path / "harm").encode() + b"\ntRp0\n0cposix\nsystem\n(Vtouch harm\ntR."
    )

    assert inspect(path).format == "sklearn"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("compress", [0, 3, ("xz", 3)])
def test_cut_off(tmp_path: Path, compress: Any) -> None:
    """A file that is cut off in its middle is CorruptArtifact."""
    path = tmp_path / "m.joblib"
    joblib.dump(np.random.default_rng(0).random(100_000), path, compress=compress)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert failure(path).reason is Reason.CORRUPT_ARTIFACT


@pytest.mark.parametrize(
    ("name", "body", "reason", "word"),
    [
        ("m.joblib", b"", Reason.CORRUPT_ARTIFACT, "empty"),
        ("m.joblib", b"<!DOCTYPE html><html>login</html>", Reason.CORRUPT_ARTIFACT, "web page"),
        ("m.keras", b"version https://git-lfs.github.com/spec/v1\n", Reason.CORRUPT_ARTIFACT, "Git LFS"),
        ("m.h5", b"rubbish", Reason.CORRUPT_ARTIFACT, ""),
        ("m.h5", b"\x89HDF\r\n\x1a\nrubbish", Reason.CORRUPT_ARTIFACT, ""),
        ("m.keras", b"PK\x03\x04rubbish", Reason.CORRUPT_ARTIFACT, ""),
        ("m.onnx", b"\x08\x07rubbish", Reason.UNKNOWN_FORMAT, ""),
        ("notes.txt", b"hello", Reason.UNKNOWN_FORMAT, ""),
        ("saved_model.pb", b"", Reason.CORRUPT_ARTIFACT, "empty"),
        ("saved_model.pb", b"rubbish", Reason.CORRUPT_ARTIFACT, ""),
        ("saved_model.pb", b"\x12\xff\xff\x03x", Reason.CORRUPT_ARTIFACT, ""),
        ("saved_model.pb", b"\x08\x01", Reason.CORRUPT_ARTIFACT, "no graph"),
    ],
)
def test_rubbish(tmp_path: Path, name: str, body: bytes, reason: Reason, word: str) -> None:
    """What claims to be a model and is none is corrupt, all else unknown; usual accidents are named."""
    (tmp_path / name).write_bytes(body)
    error = failure(tmp_path / name)

    assert error.reason is reason
    assert word in error.message


def keras_zip(path: Path, members: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body if isinstance(body, str) else json.dumps(body))
    return path


def test_keras_zip(tmp_path: Path) -> None:
    """A .keras file states its version in metadata.json; other archives are told apart."""
    good = keras_zip(
        tmp_path / "m", {"config.json": {}, "metadata.json": {"keras_version": "3.15.1"}, "model.weights.h5": ""}
    )
    assert inspect(good).framework == "keras 3.15.1"

    assert failure(keras_zip(tmp_path / "a.keras", {"x": "y"})).reason is Reason.CORRUPT_ARTIFACT
    bare = keras_zip(tmp_path / "c.keras", {"config.json": {}, "metadata.json": {}})
    assert failure(bare).reason is Reason.CORRUPT_ARTIFACT
    members = {"config.json": {}, "metadata.json": "{", "model.weights.h5": ""}
    assert failure(keras_zip(tmp_path / "b.keras", members)).reason is (Reason.CORRUPT_ARTIFACT)
    assert "torch" in failure(keras_zip(tmp_path / "m.pt", {"m/data.pkl": "x"})).message
    assert "skops" in failure(keras_zip(tmp_path / "m.skops", {"schema.json": {}})).message


def test_h5(tmp_path: Path) -> None:
    """A .h5 file states its version as an attribute; one without a model holds weights alone."""
    for name, attributes in (
        ("m.h5", {"keras_version": "2.15.0", "model_config": "{}"}),
        ("old.h5", {"model_config": "{}"}),
    ):
        with h5py.File(tmp_path / name, "w") as file:
            file.attrs.update(attributes)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["x"] = [1]

    assert inspect(tmp_path / "m.h5").framework == "keras 2.15.0"
    assert inspect(tmp_path / "old.h5").framework == "keras"
    error = failure(tmp_path / "weights.h5")
    assert error.reason is Reason.UNKNOWN_FORMAT
    assert "weights" in error.message


def saved_model(folder: Path, version: bytes = b"2.21.0") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    info = b"\x2a" + bytes([len(version)]) + version
    meta = b"\x0a" + bytes([len(info)]) + info
    (folder / "saved_model.pb").write_bytes(b"\x08\x01\x12" + bytes([len(meta)]) + meta)
    return folder


def test_saved_model(tmp_path: Path) -> None:
    """A SavedModel is a folder; of numbered versions the highest is served, as TensorFlow Serving does."""
    folder = saved_model(tmp_path / "m")
    assert inspect(folder).framework == "tensorflow 2.21.0"
    assert inspect(folder / "saved_model.pb").path == folder

    saved_model(tmp_path / "versions" / "9", b"2.9.0")
    saved_model(tmp_path / "versions" / "10", b"2.10.0")
    assert inspect(tmp_path / "versions").framework == "tensorflow 2.10.0"


def test_folders(tmp_path: Path) -> None:
    """In a folder the one model file is found beside others; two models are not guessed between."""
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "examples.jsonl").write_text("{}")
    assert failure(tmp_path).reason is Reason.UNKNOWN_FORMAT

    (tmp_path / "iris.joblib").write_bytes(pickle.dumps(MODEL))
    assert inspect(tmp_path).path.name == "iris.joblib"

    (tmp_path / "other.pkl").write_bytes(pickle.dumps(MODEL))
    error = failure(tmp_path)
    assert error.reason is Reason.UNKNOWN_FORMAT
    assert "iris.joblib, other.pkl" in error.message

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(MODEL))
    assert inspect(tmp_path).path.name == "model.pkl"


def test_empty_and_missing(tmp_path: Path) -> None:
    """An empty folder and a missing path have reasons of their own."""
    assert failure(tmp_path).reason is Reason.EMPTY_ARTIFACT
    assert failure(tmp_path / "none").reason is Reason.MODEL_NOT_FOUND


def test_stated_format(tmp_path: Path) -> None:
    """A stated format has to be the one found, and one that no runtime serves is told."""
    path = tmp_path / "m.joblib"
    path.write_bytes(pickle.dumps(MODEL))

    assert inspect(path, "sklearn").format == "sklearn"
    assert "those of sklearn" in failure(path, "keras").message
    assert "sklearn, keras, tensorflow" in failure(path, "xgboost").hint
