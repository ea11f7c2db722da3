"""The format and framework version of an artifact, told from its bytes; nothing of it is executed.

layout.py       where in a folder the model is
pickles.py      joblib and pickle, compressed or not: the version that scikit-learn writes into its objects
keras_files.py  .h5 and .keras of both generations
saved_model.py  TensorFlow's saved_model.pb
"""

from pathlib import Path

from modelmoor_server.inspection import keras_files, pickles, saved_model
from modelmoor_server.inspection.layout import find_model
from modelmoor_server.inspection.types import FORMATS, Inspection, corrupt, library, unknown

__all__ = ["FORMATS", "Inspection", "inspect"]

_SUFFIXES = {
    "joblib": "sklearn",
    "pkl": "sklearn",
    "pickle": "sklearn",
    "h5": "keras",
    "hdf5": "keras",
    "keras": "keras",
}
_HINT = "Give a .joblib or .pkl of scikit-learn, a .keras or .h5 of Keras, or a TensorFlow SavedModel folder."


def inspect(path: Path, format: str | None = None) -> Inspection:
    """What the artifact at `path` is; `format` is what it has to be, if anything.

    Raises ModelError: UnknownFormat, CorruptArtifact, EmptyArtifact, ModelNotFound.
    """
    if format is not None and format not in FORMATS:
        raise unknown(f"No runtime here serves the format {format[:32]!r}.", f"Use one of {', '.join(FORMATS)}.")
    found = _inspect(find_model(path, format))
    if format not in (None, found.format):
        raise unknown(
            f"The artifact is not of format {format}: its bytes are those of {found.format}.",
            f"Set spec.model.format to {found.format}, or leave it out.",
        )
    return found


def _inspect(path: Path) -> Inspection:
    if path.is_dir():
        version = saved_model.version(path / saved_model.FILE)
        return Inspection("tensorflow", library("tensorflow", version), path, version)
    with path.open("rb") as file:
        head = file.read(16)
    claimed = _SUFFIXES.get(path.suffix.lower().lstrip("."))
    if head.startswith(keras_files.HDF5):
        version = keras_files.h5_version(path)
        return Inspection("keras", library("keras", version), path, version)
    if head.startswith(keras_files.ZIP):
        version = keras_files.zip_version(path, claimed == "keras")
        return Inspection("keras", library("keras", version), path, version)
    if pickles.begins_like_one(path):
        version = pickles.sklearn_version(path)
        return Inspection("sklearn", library("scikit-learn", version), path, version)
    if claimed is not None:
        raise corrupt(f"The file {path.name} does not begin as {path.suffix} files do{_guess(head)}.")
    raise unknown(f"The file {path.name} is of no format that is known here{_guess(head)}.", _HINT)


def _guess(head: bytes) -> str:
    text = head.lstrip().lower()
    if not head:
        return " (it is empty)"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return " (it is a web page or an XML answer, perhaps of a login or an error)"
    return " (it is a Git LFS pointer)" if text.startswith(b"version https:/") else ""
