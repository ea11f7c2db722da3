"""The fast form of an optimized artifact: used where policy and checks let it be, else the log says why not."""

import importlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from modelmoor_server.inspection import Inspection
from modelmoor_server.optimized import FAST
from modelmoor_server.runtimes.base import EnginePolicy, Model, Policy

log = logging.getLogger("modelmoor_server.loading")
ENGINES = {
    "Native": "modelmoor_server.runtimes.flat",
    "ONNX": "modelmoor_server.runtimes.onnx",
}
"""Engine of a manifest -> the module whose `open_form(folder, manifest, found, policy) -> Model` serves it. It raises
manifest.Unusable where the files do not hold what they should; it may import a framework later, never then."""


def load(
    artifact: Path, found: Inspection, policy: Policy, imported: Callable[[str], None]
) -> tuple[Model | None, str | None]:
    """The model in its fast form, or None and, where there is one that cannot be used, a sentence that says why."""
    if not artifact.is_dir() or policy.engine is EnginePolicy.LIBRARY:
        return None, None
    from modelmoor_server.optimized import manifest as manifests

    if not manifests.is_there(artifact):
        return None, None
    try:
        manifest = manifests.read(artifact)
        if policy.engine not in (EnginePolicy.AUTO, manifest.engine):
            return None, None
        if manifest.format != found.format or manifest.engine not in ENGINES:
            raise manifests.Unusable(f"this image has no engine {manifest.engine} for it")
        manifests.verify(artifact, manifest, found.path)
        try:
            engine = importlib.import_module(ENGINES[manifest.engine])
        except ImportError:
            raise manifests.Unusable(f"this image does not hold the engine {manifest.engine}") from None
        imported(manifest.engine)
        model: Model = engine.open_form(artifact / FAST, manifest, found, policy)
    except manifests.Unusable as reason:
        sentence = f"The fast form is not used: {reason}."
        if policy.engine is EnginePolicy.AUTO:
            sentence += " The original is served; make the form anew by optimize."
        log.warning("FastFormUnused", extra={"fields": {"artifact": found.path.name, "reason": sentence}})
        return None, sentence
    return model, None


def warned(model: Model, sentence: str) -> Model:
    """The model with one more warning."""
    changed: Any = replace(cast(Any, model), warnings=(*model.warnings, sentence))  # every model is a dataclass
    return cast(Model, changed)
