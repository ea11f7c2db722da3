"""Whether an artifact of one library version may be served by another; answers were compared within a group alone."""

import re

from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.runtimes.base import VersionPolicy


def minor(version: str) -> tuple[int, int] | None:
    """`1.9.1` -> (1, 9); None where the text is no version."""
    match = re.match(r"(\d{1,6})\.(\d{1,6})", version)
    return (int(match.group(1)), int(match.group(2))) if match else None


def mismatch(library: str, stated: str, own: str, policy: VersionPolicy) -> str:
    """The sentence of a mismatch that the policy lets pass. Raises ModelError (VersionMismatch) where it does not."""
    message = f"The artifact was made by {library} {stated}; this image has {own}."
    if policy is VersionPolicy.REFUSE:
        raise ModelError(
            Phase.VERIFY,
            Reason.VERSION_MISMATCH,
            message,
            f"Save the model with {library} {own}, or let the platform allow it (versionMismatch: Warn).",
        )
    return f"{message} Its answers were not compared between the two."


def unloadable(library: str, stated: str, own: str) -> ModelError:
    """The policy let a mismatch pass, and then the library could not load the artifact."""
    return ModelError(
        Phase.LOAD,
        Reason.VERSION_MISMATCH,
        f"The artifact was made by {library} {stated}, which {library} {own} of this image cannot load.",
        f"Save the model again with {library} {own}.",
    )


def load_failed(message: str, hint: str) -> ModelError:
    """The library could not make a model of whole bytes of a fitting version."""
    return ModelError(Phase.LOAD, Reason.LOAD_FAILED, message, hint)


def unsafe(message: str, hint: str) -> ModelError:
    """The policy forbids what the artifact would do."""
    return ModelError(Phase.VERIFY, Reason.UNSAFE_ARTIFACT, message, hint)


def corrupt(message: str) -> ModelError:
    """The library says that the bytes are not whole."""
    return ModelError(
        Phase.LOAD, Reason.CORRUPT_ARTIFACT, message, "Save and upload the model again; the file is damaged or cut off."
    )
