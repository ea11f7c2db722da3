"""An optimized artifact in service: plain arrays answer; the original is loaded when a row needs scikit-learn."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from modelmoor_server import native
from modelmoor_server.errors import InvalidRequest, ModelError, PredictFailed, cause_name
from modelmoor_server.inspection import Inspection
from modelmoor_server.optimized.manifest import Manifest, Unusable
from modelmoor_server.runtimes.base import Engine, EnginePolicy, Independence, Model, NotYet, PicklePolicy, Policy
from modelmoor_server.runtimes.flat import store
from modelmoor_server.runtimes.flat.answers import Shortcuts
from modelmoor_server.runtimes.flat.description import Linear, Trees
from modelmoor_server.runtimes.flat.functions import Method, methods_of
from modelmoor_server.signature import Datatype, Signature

log = logging.getLogger("modelmoor_server.sklearn")
NUMBERS = (1.0, 0.0, 0.5)  # tried for the example, as for the original


def open_form(folder: Path, manifest: Manifest, found: Inspection, policy: Policy) -> "FlatModel":
    """The model whose arrays and manifest are in `folder`, of which every digest was compared. Raises Unusable."""
    described = store.read(manifest.model, folder)
    if isinstance(described.scores, Trees) and not native.available:
        raise Unusable("this installation has no native kernel")
    try:
        methods = methods_of(described)
    except ValueError:
        raise Unusable(f"{store.FILE} holds trees that are none") from None
    _check(manifest.signature, manifest.default_outputs, methods, described.scores.features)
    return FlatModel(
        manifest.framework,
        manifest.signature,
        manifest.default_outputs,
        manifest.independence,
        Shortcuts(methods),
        Original(found, policy),
        isinstance(described.scores, Linear),
    )


def _check(signature: Signature, default_outputs: Sequence[str], methods: Mapping[str, Method], features: int) -> None:
    inputs = signature.inputs
    matrix = len(inputs) == 1 and inputs[0].datatype is Datatype.FP64 and inputs[0].shape == (-1, features)
    other = signature.columns is not None or signature.text or signature.records
    if not matrix or other or not set(default_outputs) <= methods.keys():
        raise Unusable("its manifest and its arrays are of two models")


class Original:
    """The artifact itself by scikit-learn, loaded when it is first needed. Any thread may ask."""

    def __init__(self, found: Inspection, policy: Policy) -> None:
        self._found = found
        self._policy = policy
        self._lock = threading.Lock()
        self._model: Model | None = None
        self._refusal: str | None = None
        if policy.pickle is PicklePolicy.DENY:
            self._refusal = "the platform denies pickles, and the original is one"

    def load(self) -> None:
        """Import scikit-learn and load the artifact, once; blocks for a second or two. A failure is kept."""
        with self._lock:
            if self._model is not None or self._refusal is not None:
                return
            try:
                from modelmoor_server.runtimes import sklearn

                self._model = sklearn.load(self._found, replace(self._policy, engine=EnginePolicy.LIBRARY))
            except ModelError as error:
                self._refusal = f"the original cannot be loaded ({error.reason})"
            except ImportError:
                self._refusal = "this image does not hold scikit-learn"
            except BaseException as error:  # noqa: BLE001 - kept, so that nobody tries it again and again
                self._refusal = f"the original cannot be loaded ({cause_name(error)})"
            if self._refusal is not None:
                log.error("OriginalNotLoaded", extra={"fields": {"reason": self._refusal}})

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray] | str:
        """Its answer, or a clause that says why there is none. Raises NotYet, and what its predict raises."""
        if self._model is not None:
            return self._model.predict(inputs, outputs)
        if self._refusal is not None:
            return self._refusal
        raise NotYet(self.load)


@dataclass(frozen=True)
class FlatModel:
    """A model of plain arrays.

    refuses: the estimator takes no row with a missing or infinite value, whatever else is in it.
    """

    framework: str
    signature: Signature
    default_outputs: tuple[str, ...]
    independence: Independence
    shortcuts: Shortcuts
    original: Original
    refuses: bool
    warnings: tuple[str, ...] = ()
    alternatives: Mapping[str, Signature] = field(default_factory=dict)
    format: str = "sklearn"
    engine: Engine = Engine.NATIVE

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """The estimator's answers, from arrays; from scikit-learn where the arrays have none for these rows."""
        name = self.signature.inputs[0].name
        x = inputs[name]
        found = self.shortcuts.answers(x, outputs)
        if found is not None:
            return found
        row = first_not_finite(x)
        if self.refuses and row is not None:
            raise InvalidRequest.of_row(f"input {name!r}", row, "this model takes no missing or infinite values")
        answered = self.original.predict(inputs, outputs)
        if not isinstance(answered, str):
            return answered
        if row is not None:
            what = f"a missing or infinite value is for scikit-learn itself to answer, and {answered}"
            raise InvalidRequest.of_row(f"input {name!r}", row, what)
        lacking = [output for output in outputs if output not in self.shortcuts.methods]
        if lacking:
            raise InvalidRequest(f"output {lacking[0]!r} is for scikit-learn itself to answer, and {answered}")
        raise PredictFailed(f"these values are for scikit-learn itself to answer, and {answered}")

    def example(self) -> dict[str, np.ndarray]:
        """The first row of equal numbers that the arrays answer."""
        width = (self.signature.inputs[0].shape or (-1, 1))[1]
        rows = [np.full((1, width), number) for number in NUMBERS]
        chosen = next((row for row in rows if self.shortcuts.answers(row, self.default_outputs) is not None), rows[0])
        return {self.signature.inputs[0].name: chosen}


def first_not_finite(x: np.ndarray) -> int | None:
    """The first row of a matrix with a missing or infinite number; None where all are finite."""
    finite = np.isfinite(x).all(axis=1)
    return None if finite.all() else int(np.argmin(finite))
