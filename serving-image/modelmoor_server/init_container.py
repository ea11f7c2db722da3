"""The init container's edge: its environment in, the artifact on disk, the termination message out."""

from collections.abc import Mapping
from pathlib import Path

from modelmoor_server import facts
from modelmoor_server.errors import ModelError
from modelmoor_server.facts import Facts
from modelmoor_server.fetch import FetchSettings, fetch
from modelmoor_server.settings import FETCH_VARIABLES, invalid, whole_number
from modelmoor_server.stores import read_credentials


def run(environment: Mapping[str, str]) -> Facts:
    """Fetch the model that the environment names, and leave the facts. Raises ModelError, after leaving its reason."""
    values = {variable.name: environment.get(variable.name) or variable.default for variable in FETCH_VARIABLES}
    log = Path(values["MODELMOOR_TERMINATION_LOG"])
    try:
        result = fetch(_settings(values))
    except ModelError as error:
        facts.write(log, facts.failure(error))
        raise
    facts.write(log, facts.success(result))
    return result


def _settings(values: Mapping[str, str]) -> FetchSettings:
    if not values["MODELMOOR_MODEL_URI"]:
        raise invalid("There is nothing to fetch.", "Set MODELMOOR_MODEL_URI to the model's URI.")
    limit = values["MODELMOOR_SIZE_LIMIT"]
    return FetchSettings(
        uri=values["MODELMOOR_MODEL_URI"],
        model_dir=Path(values["MODELMOOR_MODEL_DIR"]),
        digest=values["MODELMOOR_MODEL_DIGEST"] or None,
        format=values["MODELMOOR_MODEL_FORMAT"] or None,
        credentials=read_credentials(Path(values["MODELMOOR_CREDENTIALS_DIR"])),
        pvc_dir=Path(values["MODELMOOR_PVC_DIR"]),
        size_limit=whole_number(limit, "MODELMOOR_SIZE_LIMIT", 1, 1 << 60) if limit else None,
    )
