"""What every runtime gives to the rest of the server: a loaded model with a signature and a blocking predict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from modelmoor_server.signature import Signature


class PicklePolicy(StrEnum):
    """What may be done with joblib and pickle files, which can run any code while they are read."""

    ALLOW = "Allow"
    ALLOW_LISTED = "AllowListed"
    DENY = "Deny"


class LegacyKerasPolicy(StrEnum):
    """Whether files of Keras below 3 may be loaded through tf_keras, whose own safe mode is open."""

    ALLOW = "Allow"
    DENY = "Deny"


class VersionPolicy(StrEnum):
    """What happens to an artifact of a library version whose answers were not compared with the image's."""

    REFUSE = "Refuse"
    WARN = "Warn"


class EnginePolicy(StrEnum):
    """By what code a model may be answered."""

    AUTO = "Auto"  # the fastest that was proven equal
    LIBRARY = "Library"  # the framework's own
    NATIVE = "Native"  # no other than the server's own; a model that has none is refused
    ONNX = "ONNX"  # no other than ONNX Runtime, which needs an optimized artifact; a model that has none is refused


class Engine(StrEnum):
    """By what code a model is answered."""

    LIBRARY = "Library"  # its framework's
    NATIVE = "Native"  # the server's own, proven to give the framework's bits; the framework answers the rest
    ONNX = "ONNX"  # ONNX Runtime, by a form of the model that was converted and compared before


class Independence(StrEnum):
    """What is known of how the rows of one call touch each other's answers; see docs/decisions/0015-batching.md."""

    EXACT = "Exact"  # by construction not by a bit
    CLOSE = "Close"  # by rounding alone
    UNKNOWN = "Unknown"  # they may


@dataclass(frozen=True, slots=True)
class Policy:
    """What the platform allows a loader to do; never taken from the artifact."""

    pickle: PicklePolicy = PicklePolicy.ALLOW
    legacy_keras: LegacyKerasPolicy = LegacyKerasPolicy.ALLOW
    version_mismatch: VersionPolicy = VersionPolicy.REFUSE
    engine: EnginePolicy = EnginePolicy.AUTO


class NotYet(Exception):
    """A model can answer these values after `prepare`: it blocks for seconds, on any thread, and never raises."""

    def __init__(self, prepare: Callable[[], None]) -> None:
        super().__init__("something has to be loaded first")
        self.prepare = prepare


class Model(Protocol):
    """A model in memory. `predict` blocks and may be called from any one thread at a time.

    format: `sklearn`, `keras` or `tensorflow`. framework: the library that made the artifact and its version.
    default_outputs: what a request that names no outputs gets.
    independence: from exact lists of types and parameters, never from trying.
    warnings: sentences for the log and the status, such as a version mismatch that the policy lets pass.
    alternatives: further signatures by name; empty where the format has none. Inputs and outputs of a request for one
        of them are called by the signature's name, OF_SIGNATURE and their own.
    """

    @property
    def format(self) -> str: ...
    @property
    def framework(self) -> str: ...
    @property
    def signature(self) -> Signature: ...
    @property
    def default_outputs(self) -> tuple[str, ...]: ...
    @property
    def independence(self) -> Independence: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...
    @property
    def alternatives(self) -> Mapping[str, Signature]: ...

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Arrays by public name in, arrays by public name out.

        inputs: as `signature.from_tensors` and its siblings give them. outputs: names from `signature.outputs`.
        Raises InvalidRequest where the model refuses the values, PredictFailed where its code raises, NotYet where it
        can be asked again later.
        Text comes back as object arrays of `str`; all else in a dtype that the protocol knows.
        """
        ...

    def example(self) -> dict[str, np.ndarray]:
        """A synthetic input of one row for the warm-up. Raises InvalidRequest where none can be made."""
        ...
