"""A model given at start becomes one in service: fetched where needed, loaded, warmed up and measured.

Imported on the loading thread: numpy comes with it, and the server answers its liveness probe before that.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np

from modelmoor_server import artifact, facts
from modelmoor_server.batching import allows
from modelmoor_server.cost import INLINE_BUDGET, Cost
from modelmoor_server.errors import InvalidRequest, ModelError, Phase, Reason, cause_name
from modelmoor_server.fetch import ARTIFACT, FetchSettings, fetch
from modelmoor_server.inference import Identity, Inference, output_tensor, traced
from modelmoor_server.memory import freeze_library
from modelmoor_server.metrics import ModelCounters
from modelmoor_server.model_thread import ModelThread
from modelmoor_server.overload import CoDel
from modelmoor_server.runtimes import EnginePolicy, LegacyKerasPolicy, Model, PicklePolicy, Policy, VersionPolicy, load
from modelmoor_server.settings import ModelSource, Settings

log = logging.getLogger("modelmoor_server.loading")
PROBE_ROWS = 16
PROBES = 3
BATCH_PROBE_LIMIT = 0.1  # seconds of one row; beyond it, rows are not measured together and count as that long each


def into_service(
    source: ModelSource,
    settings: Settings,
    counters: ModelCounters,
    scratch: Path,
    loop: asyncio.AbstractEventLoop,
) -> Inference:
    """Load one model. scratch: a folder, new with each load, for what must be fetched first. Raises ModelError, or
    what the model's own code raised."""
    begun = perf_counter()
    try:
        path, digest = _locate(source, scratch)
        model = load(path, source.format, _policy(settings), freeze_library)
        cost = Cost()
        warm_up = _warm_up(model, cost, batches=allows(settings.batching, model))
    except ModelError:
        raise
    except Exception as error:
        log.error("LoadFailed", extra={"fields": {"model": source.name, **traced(error)}})
        raise
    counters.load_seconds = perf_counter() - begun
    identity = Identity(source.name, digest, model.format, model.framework, warm_up, model.engine)
    _log_ready(identity, model, counters.load_seconds, cost)
    return Inference(
        identity,
        model,
        cost,
        ModelThread(source.name),
        counters,
        timeout=settings.timeout,
        queue_limit=settings.queue_limit,
        loop=loop,
        batching=settings.batching,
        admission=CoDel(settings.queue_wait, settings.queue_limit),
    )


def _locate(source: ModelSource, scratch: Path) -> tuple[Path, str]:
    """Path and digest of an artifact that is on disk, after fetching it where it is not."""
    if source.fetched:
        folder = Path(source.location)
        known = facts.read(folder / facts.FACTS_FILE)
        if known is None:
            raise _missing(f"There is no complete model in {folder}.", "Run `modelmoor-server fetch` first.")
        return folder / ARTIFACT, known.digest
    if source.is_uri:
        return scratch / ARTIFACT, fetch(FetchSettings(source.location, scratch, credentials=_own_credentials())).digest
    path = Path(source.location).expanduser().resolve()
    if not path.exists():
        raise _missing(f"There is no file or folder {source.location}.", "Check the path after --model NAME=.")
    return path, artifact.digest(path)


def _warm_up(model: Model, cost: Cost, *, batches: bool) -> str | None:
    """One real predict, and how long it takes. Returns why there was none; raises ModelError where it failed."""
    try:
        example = model.example()
    except InvalidRequest as reason:
        return f"No warm-up predict was made: {reason}"
    try:
        one = _predict(model, example)
    except InvalidRequest as reason:
        return f"No warm-up predict was made, because the model refuses the synthetic example: {reason}"
    except Exception as error:  # the edge: the model runs its own code
        log.error("WarmupFailed", extra={"fields": traced(error)})
        raise ModelError(
            Phase.WARMUP,
            Reason.WARMUP_FAILED,
            f"The model loads, but its first predict raised {cause_name(error.__cause__ or error)}.",
            "Save the model anew with the library versions of this image, or choose the image of its own versions.",
        ) from error
    one = min([one] + [_predict(model, example) for _ in range(PROBES) if one < 1.0])
    most = BATCH_PROBE_LIMIT if batches else INLINE_BUDGET
    cost.measure(*_measure_rows(model, example, one, most))
    return None


def _measure_rows(model: Model, example: Mapping[str, np.ndarray], one: float, most: float) -> tuple[float, float, int]:
    """Seconds of one row, of several, and how many; of one alone where that takes `most` seconds or more."""
    variable = all(field.shape is None or field.shape[:1] == (-1,) for field in model.signature.inputs)
    if one < most and variable and all(array.ndim for array in example.values()):
        many = {name: np.repeat(array, PROBE_ROWS, axis=0) for name, array in example.items()}
        try:
            return one, min(_predict(model, many) for _ in range(PROBES)), PROBE_ROWS
        except Exception:  # noqa: BLE001 - a model that takes one row at a time is measured by that row
            log.info("OneRowOnly", extra={"fields": {"format": model.format}})
    return one, one, 1


def _predict(model: Model, inputs: Mapping[str, np.ndarray]) -> float:
    begun = perf_counter()
    arrays = model.predict(inputs, model.default_outputs)
    for name in model.default_outputs:
        output_tensor(name, arrays[name])
    return perf_counter() - begun


def _own_credentials() -> dict[str, str]:
    """By hand, a store's credentials are in the environment of the person who starts the server."""
    found = {key: text for key, text in os.environ.items() if key.startswith(("AWS_", "S3_", "AZURE_"))}
    account = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if account is not None and Path(account).is_file():
        found["GOOGLE_APPLICATION_CREDENTIALS"] = Path(account).read_text()
    return found


def _policy(settings: Settings) -> Policy:
    return Policy(
        PicklePolicy(settings.pickle),
        LegacyKerasPolicy(settings.legacy_keras),
        VersionPolicy(settings.version_mismatch),
        EnginePolicy(settings.engine),
    )


def _log_ready(identity: Identity, model: Model, seconds: float, cost: Cost) -> None:
    for warning in model.warnings:
        log.warning("ModelWarning", extra={"fields": {"model": identity.name, "warning": warning}})
    if identity.warm_up is not None:
        log.warning("NotWarmedUp", extra={"fields": {"model": identity.name, "reason": identity.warm_up}})
    fields = {
        "model": identity.name,
        "digest": identity.digest,
        "format": identity.format,
        "framework": identity.framework,
        "engine": identity.engine,
        "load_seconds": round(seconds, 3),
        "rows": model.independence,
        "row_microseconds": round(cost.expected(1) * 1e6) if cost.measured else None,
    }
    log.info("ModelReady", extra={"fields": fields})


def _missing(message: str, hint: str) -> ModelError:
    return ModelError(Phase.LOAD, Reason.MODEL_NOT_FOUND, message, hint)
