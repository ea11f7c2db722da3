"""The policy AllowListed: a pickle is read by a reader of our own that knows an exact list of names."""

from pathlib import Path
from typing import Any

from modelmoor_server.runtimes import versions


def load(path: Path) -> Any:
    """The object in a joblib or pickle file made of listed names alone. Raises ModelError (UnsafeArtifact)."""
    raise versions.unsafe(
        f"No part of {path.name} is on the platform's list of pickled names.",
        "Ask the platform team for the policy Allow.",
    )
