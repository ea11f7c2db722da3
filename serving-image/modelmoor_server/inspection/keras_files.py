"""The Keras version and the layers of a .h5 or .keras file, read without building anything of it."""

import json
import zipfile
from pathlib import Path
from typing import Any

from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.inspection.types import corrupt, unknown

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"
_JSON_LIMIT = 64 << 20  # bytes of a config; the largest of keras.applications has under 1 MB
_WHOLE = "Save the whole model with model.save('model.keras')."


def h5_version(path: Path) -> str | None:
    """`keras_version` of a .h5 file; None where it is unstated. Raises ModelError: CorruptArtifact, UnknownFormat."""
    try:
        import h5py
    except ImportError:
        return None  # the image without TensorFlow: the loader refuses the format with its own sentence
    try:
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise unknown(f"The file {path.name} holds weights, and no model.", _WHOLE)
            return _text(file.attrs.get("keras_version"))
    except (OSError, RuntimeError, KeyError, ValueError):
        raise corrupt(f"The file {path.name} is no whole HDF5 file.") from None


def h5_config(path: Path) -> Any:
    """The parsed `model_config` of a .h5 file. Raises ModelError."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return json.loads(_text(file.attrs["model_config"]) or "")
    except (OSError, RuntimeError, KeyError, ValueError, RecursionError):
        raise corrupt(f"The file {path.name} has no readable model_config.") from None


def zip_version(path: Path, claimed: bool) -> str | None:
    """`keras_version` of a .keras file. claimed: the file's name says that it is one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "config.json" not in names or "metadata.json" not in names:
                if claimed:
                    raise corrupt(f"The file {path.name} lacks the config.json and metadata.json of a .keras file.")
                kind = "a torch" if any(name.endswith("data.pkl") for name in names) else "no Keras"
                kind = "a skops" if "schema.json" in names else kind
                raise unknown(f"The file {path.name} is a zip archive, but {kind} model.", _WHOLE)
            if not any(name.startswith("model.weights.") for name in names):
                raise corrupt(f"The file {path.name} lacks its weights.")
            version = _member(archive, "metadata.json", path.name).get("keras_version")
            return version[:32] if isinstance(version, str) else None
    except zipfile.BadZipFile:
        raise corrupt(f"The file {path.name} is no whole zip archive.") from None


def zip_config(path: Path) -> Any:
    """The parsed config.json of a .keras file. Raises ModelError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _member(archive, "config.json", path.name)
    except zipfile.BadZipFile:
        raise corrupt(f"The file {path.name} is no whole zip archive.") from None


def config(path: Path) -> Any:
    """The parsed configuration of a Keras file of either kind. Raises ModelError."""
    with path.open("rb") as file:
        return h5_config(path) if file.read(8) == HDF5 else zip_config(path)


def refuse_links(file: Any) -> None:
    """Refuse HDF5 data that lives in other files of the machine. `file` is an open h5py file. Raises ModelError."""
    import h5py

    groups = [file]
    while groups:
        group = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise _outside()
            if isinstance(link, h5py.SoftLink):
                continue  # what it points to is visited by its own name
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                raise _outside()


def _outside() -> ModelError:
    return ModelError(
        Phase.VERIFY,
        Reason.UNSAFE_ARTIFACT,
        "The HDF5 file refers to data in other files.",
        "Save the model again with all weights inside.",
    )


def _member(archive: zipfile.ZipFile, name: str, file: str) -> dict[str, Any]:
    try:
        if archive.getinfo(name).file_size > _JSON_LIMIT:
            raise corrupt(f"The {name} of {file} is larger than any model's.")
        with archive.open(name) as member:
            body = json.loads(member.read(_JSON_LIMIT))
    except (
        zipfile.BadZipFile,
        ValueError,
        RecursionError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
    ):
        raise corrupt(f"The {name} of {file} cannot be read.") from None
    if not isinstance(body, dict):
        raise corrupt(f"The {name} of {file} is no JSON object.")
    return body


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value if isinstance(value, str) else None
