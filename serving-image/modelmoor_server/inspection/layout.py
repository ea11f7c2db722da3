"""Where in an artifact the model is: the file itself, a SavedModel folder, or the one model file among others."""

from pathlib import Path

from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.inspection.saved_model import FILE
from modelmoor_server.inspection.types import unknown

_SUFFIXES = {
    "sklearn": (".joblib", ".pkl", ".pickle"),
    "keras": (".keras", ".h5", ".hdf5"),
    "tensorflow": (),
}


def find_model(path: Path, format: str | None) -> Path:
    """The file or SavedModel folder to load. Raises ModelError: ModelNotFound, EmptyArtifact, UnknownFormat."""
    if not path.exists():
        raise ModelError(Phase.LOAD, Reason.MODEL_NOT_FOUND, f"There is no file {path}.", "Check the path.")
    if not path.is_dir():
        # the protobuf alone is named where its folder is meant
        return path.parent if path.name == FILE and path.is_file() else path
    if (path / FILE).is_file():
        return path
    # TensorFlow Serving's layout: numbered versions, of which it serves the highest
    versions = [child for child in path.iterdir() if child.name.isdigit() and (child / FILE).is_file()]
    if versions:
        return max(versions, key=lambda child: int(child.name))
    files = sorted(child for child in path.iterdir() if child.is_file() and not child.name.startswith("."))
    if not files and not any(path.iterdir()):
        raise ModelError(Phase.VERIFY, Reason.EMPTY_ARTIFACT, "The artifact is empty.", "Upload the model.")
    suffixes = _SUFFIXES[format] if format else tuple(suffix for known in _SUFFIXES.values() for suffix in known)
    candidates = [file for file in files if file.suffix.lower() in suffixes]
    if len(candidates) > 1:
        candidates = [file for file in candidates if file.stem == "model"] or candidates
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = ", ".join(file.name for file in candidates[:5])
        raise unknown(
            f"The folder holds several models ({names}).", "Name one file in the model URI, or call it model.*."
        )
    if len(files) == 1:
        return files[0]
    raise unknown(
        "The folder holds no model file that is known here.",
        "Name the file in the model URI, or put model.joblib, model.keras or saved_model.pb at the top of the folder.",
    )
