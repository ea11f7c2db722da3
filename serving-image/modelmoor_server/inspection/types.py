"""What can be said about an artifact without executing any of it, and the two ways in which that fails."""

from dataclasses import dataclass
from pathlib import Path

from modelmoor_server.errors import ModelError, Phase, Reason

FORMATS = ("sklearn", "keras", "tensorflow")


@dataclass(frozen=True, slots=True)
class Inspection:
    """format: which runtime loads it. framework: library and version as the artifact states them (`keras 3.15.1`).

    path: the model itself, a file or a folder, inside the artifact. version: the bare version, None where unstated.
    """

    format: str
    framework: str
    path: Path
    version: str | None = None


def unknown(message: str, hint: str) -> ModelError:
    """These bytes are no model that a runtime here could load."""
    return ModelError(Phase.VERIFY, Reason.UNKNOWN_FORMAT, message, hint)


def corrupt(message: str) -> ModelError:
    """These bytes began as a model, or claim to be one, and are not whole."""
    return ModelError(
        Phase.VERIFY,
        Reason.CORRUPT_ARTIFACT,
        message,
        "Save and upload the model again; the file is damaged or cut off.",
    )


def library(name: str, version: str | None) -> str:
    """`keras 3.15.1`, or the bare name where the artifact states no version."""
    return f"{name} {version}" if version else name
