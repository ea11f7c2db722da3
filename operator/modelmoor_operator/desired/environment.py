"""The environment and the folders of a model pod: this side of the contract with the serving image.

`docs/pod-contract.md` is the whole contract; `tests/contract` holds both ends to it.
"""

from modelmoor_operator.api import quantities
from modelmoor_operator.api.durations import canonical
from modelmoor_operator.api.spec import Batching
from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired.names import GRPC_PORT, HTTP_PORT
from modelmoor_operator.settings import Settings

MODEL_DIR = "/mnt/modelmoor/model"
CREDENTIALS_DIR = "/etc/modelmoor/credentials"
CLAIM_DIR = "/mnt/modelmoor/pvc"


def claim_name(md: ModelDeployment) -> str | None:
    """The PersistentVolumeClaim of a `pvc://CLAIM/PATH` URI."""
    scheme, _, rest = md.spec.model.uri.partition("://")
    return rest.partition("/")[0] if scheme == "pvc" else None


def fetch_environment(md: ModelDeployment) -> dict[str, str]:
    """What the init container `fetch` is told. Secrets are files, never here."""
    model = md.spec.model
    told: dict[str, str | None] = {
        "MODELMOOR_MODEL_URI": model.uri,
        "MODELMOOR_MODEL_DIGEST": model.digest,
        "MODELMOOR_MODEL_FORMAT": model.format,
        "MODELMOOR_MODEL_DIR": MODEL_DIR,
        "MODELMOOR_CREDENTIALS_DIR": CREDENTIALS_DIR if secret_name(md) else None,
        "MODELMOOR_PVC_DIR": CLAIM_DIR if claim_name(md) else None,
        "MODELMOOR_SIZE_LIMIT": size_limit(md),
    }
    return {name: value for name, value in told.items() if value is not None}


def serve_environment(md: ModelDeployment, settings: Settings) -> dict[str, str]:
    """What the container `model` is told: everything but the store."""
    told: dict[str, str | None] = {
        "MODELMOOR_MODEL_NAME": md.metadata.name,
        "MODELMOOR_MODEL_FORMAT": md.spec.model.format,
        "MODELMOOR_MODEL_DIR": MODEL_DIR,
        "MODELMOOR_HTTP_PORT": str(HTTP_PORT),
        "MODELMOOR_GRPC_PORT": str(GRPC_PORT),
        "MODELMOOR_WORKERS": None if md.spec.runtime.workers is None else str(md.spec.runtime.workers),
        "MODELMOOR_TIMEOUT": canonical(md.spec.runtime.timeout),
        **batching_environment(md.spec.runtime.batching),
        "MODELMOOR_ENGINE": md.spec.runtime.optimize.engine if md.spec.runtime.optimize else None,
        "MODELMOOR_PICKLE": settings.pickle,
        "MODELMOOR_LEGACY_KERAS": settings.legacy_keras,
        "MODELMOOR_VERSION_MISMATCH": settings.version_mismatch,
    }
    return {name: value for name, value in told.items() if value is not None}


def batching_environment(batching: Batching | None) -> dict[str, str | None]:
    """What was said of batching; the server's own defaults hold for the rest."""
    if batching is None:
        return {}
    return {
        "MODELMOOR_BATCH_MAX_SIZE": None if batching.max_size is None else str(batching.max_size),
        "MODELMOOR_BATCH_MAX_DELAY": None if batching.max_delay is None else canonical(batching.max_delay),
        "MODELMOOR_BATCH_EXACT": _flag(batching.exact),
        "MODELMOOR_BATCH_ROWS_INDEPENDENT": _flag(batching.rows_independent),
    }


def secret_name(md: ModelDeployment) -> str | None:
    """The Secret with the store's credentials."""
    credentials = md.spec.model.credentials
    return credentials.secret_ref.name if credentials and credentials.secret_ref else None


def size_limit(md: ModelDeployment) -> str | None:
    limit = md.spec.storage.size_limit
    return str(quantities.whole(limit)) if limit is not None else None


def _flag(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()
