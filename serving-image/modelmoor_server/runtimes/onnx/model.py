"""A converted network behind the server's interface: a session of ONNX Runtime, and the values it was proven for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from modelmoor_server.errors import InvalidRequest, PredictFailed, RequestError, cause_name
from modelmoor_server.naming import OF_SIGNATURE
from modelmoor_server.runtimes.base import Engine, Independence
from modelmoor_server.signature import Field, Signature

FILE = "model.onnx"
SAMPLE = "sample.npz"  # some rows and TensorFlow's answers to them, compared again at each load
RTOL = {2: 1e-3, 4: 1e-5, 8: 1e-12}  # by the bytes of a number; the equality suite has the same
ATOL = {2: 1e-4, 4: 1e-7, 8: 1e-15}
_SILENT = 4  # of ONNX Runtime's log levels the one that says nothing: its lines quote values


@dataclass(frozen=True, slots=True)
class Domain:
    """For which inputs TensorFlow and ONNX Runtime were found to answer equally; for others this engine does not.

    limit: the largest magnitude of a float; None where all floats were, infinite and missing ones too.
    empty: whether a request without rows was. whole: the smallest and the largest number of an input that has an end,
    such as the places of a table; the original refuses others too.
    """

    limit: float | None = None
    empty: bool = True
    whole: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The domain in the manifest's words."""
        return {
            "limit": self.limit,
            "empty": self.empty,
            "whole": {name: list(ends) for name, ends in self.whole.items()},
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Domain":
        """The domain that `as_json` wrote. Raises ValueError, KeyError or TypeError for anything else."""
        limit, empty = body["limit"], body["empty"]
        if not isinstance(empty, bool) or not (limit is None or (type(limit) is float and limit > 0)):
            raise ValueError("no domain")
        whole = {str(name): (int(low), int(high)) for name, (low, high) in body["whole"].items()}
        return cls(limit, empty, whole)


@dataclass(frozen=True, slots=True)
class Stated:
    """What the manifest tells of a model: the words of the original's runtime, which the engine does not know."""

    format: str
    framework: str
    signature: Signature
    default_outputs: tuple[str, ...]
    independence: Independence
    domain: Domain
    names: tuple[str, ...] = ()  # a SavedModel's signatures, all of which answer as this one


class Unequal(Exception):
    """ONNX Runtime does not give the answers here that were stored with the model; `str(error)` is a clause."""


def opened(model: bytes | str, threads: int) -> Any:
    """A session of ONNX Runtime. model: the file's bytes or path. Raises whatever ONNX Runtime does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    # a thread that spins for work takes the CPU time that the pod's quota then lacks
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def load(folder: Path, stated: Stated, threads: int) -> "OnnxModel":
    """The model of a folder with FILE and SAMPLE. Raises Unequal, and whatever ONNX Runtime does with a bad file."""
    model = model_of(str(folder / FILE), stated, threads)
    with np.load(folder / SAMPLE, allow_pickle=False) as sample:
        inputs = {field.name: sample[f"input_{index}"] for index, field in enumerate(stated.signature.inputs)}
        wanted = {name: sample[f"output_{index}"] for index, name in enumerate(stated.default_outputs)}
    try:
        answers = model.predict(inputs, stated.default_outputs)
    except RequestError:
        raise Unequal("ONNX Runtime does not answer the rows that are stored with it") from None
    for name, array in wanted.items():
        if difference(answers[name], array) is None:
            raise Unequal("ONNX Runtime answers the rows that are stored with it differently on this machine")
    return replace(model, row={one.name: _example(one, inputs[one.name]) for one in stated.signature.inputs})


def model_of(model: bytes | str, stated: Stated, threads: int) -> "OnnxModel":
    """The model around a session. Raises Unequal where its inputs and outputs are not those stated."""
    session = opened(model, threads)
    given = [tensor.name for tensor in session.get_inputs()]
    made = [tensor.name for tensor in session.get_outputs()]
    fields, outputs = stated.signature.inputs, stated.signature.outputs
    if len(given) != len(fields) or len(made) != len(outputs):
        raise Unequal("the converted network has other inputs or outputs than the original")
    return OnnxModel(
        run=session.run,
        given=tuple(
            (own, one.name, one.datatype.numpy) for own, one in zip(given, fields, strict=True) if one.datatype
        ),
        made={one.name: own for own, one in zip(made, outputs, strict=True)},
        domain=stated.domain,
        format=stated.format,
        framework=stated.framework,
        signature=stated.signature,
        default_outputs=stated.default_outputs,
        independence=stated.independence,
        alternatives=dict.fromkeys(stated.names, stated.signature),
    )


@dataclass(frozen=True)
class OnnxModel:
    """given: the engine's name, the public name and the dtype of each input. made: public name -> the engine's."""

    run: Callable[..., list[Any]]
    given: tuple[tuple[str, str, Any], ...]
    made: Mapping[str, str]
    domain: Domain
    format: str
    framework: str
    signature: Signature
    default_outputs: tuple[str, ...]
    independence: Independence
    warnings: tuple[str, ...] = ()
    row: Mapping[str, np.ndarray] = field(default_factory=dict)
    engine: Engine = Engine.ONNX
    alternatives: Mapping[str, Signature] = field(default_factory=dict)

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """One run of the session, which computes what leads to these outputs."""
        signature, marked, _ = outputs[0].partition(OF_SIGNATURE)
        if marked:
            start = len(signature) + 1
            bare = {key[start:]: array for key, array in inputs.items()}
            answered = self.predict(bare, [output[start:] for output in outputs])
            return {signature + marked + key: array for key, array in answered.items()}
        feed = {own: np.ascontiguousarray(inputs[name], dtype) for own, name, dtype in self.given}
        for own, name, _ in self.given:
            self._check(name, feed[own])
        try:
            answers = self.run([self.made[name] for name in outputs], feed)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no class in common
            raise _refused(error) from None
        return dict(zip(outputs, answers, strict=True))

    def example(self) -> dict[str, np.ndarray]:
        if not self.row:
            raise InvalidRequest("no input can be made up for this model")
        return dict(self.row)

    def _check(self, name: str, array: np.ndarray) -> None:
        if not array.size:
            if self.domain.empty:
                return
            raise InvalidRequest(f"input {name!r}: this model takes no request without rows")
        if name in self.domain.whole:
            low, high = self.domain.whole[name]
            if int(array.min()) < low or int(array.max()) > high:
                row = int(np.argwhere((array < low) | (array > high))[0][0])
                what = f"the model takes whole numbers from {low} to {high}"
                raise InvalidRequest.of_row(f"input {name!r}", row, what)
        limit = self.domain.limit
        # NaN is not below the limit either
        if limit is None or array.dtype.kind != "f" or float(np.abs(array).max()) <= limit:
            return
        beyond = ~(np.abs(array.astype(np.float64)) <= limit)
        row = int(np.argwhere(beyond)[0][0])
        what = "a missing or infinite value" if not np.isfinite(array[beyond]).all() else f"a number beyond {limit:.0e}"
        raise InvalidRequest.of_row(
            f"input {name!r}",
            row,
            f"{what}, for which this form of the model was not found to answer as the original does; "
            "the platform can serve the original (engine Library)",
        )


def _example(field: Field, sample: np.ndarray) -> np.ndarray:
    """One row of a sample; all of it where the number of rows is fixed."""
    return sample[:1] if field.shape and field.shape[0] == -1 else sample


def difference(got: np.ndarray, wanted: np.ndarray, magnitude: float = 1.0) -> float | None:
    """The largest absolute difference of two answers; None where they are not equal within RTOL and ATOL.

    magnitude: of the inputs; rounding grows with them, and ATOL is meant for numbers up to 1.
    """
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return None
    if wanted.dtype.kind != "f":
        return 0.0 if np.array_equal(got, wanted) else None
    size = wanted.dtype.itemsize
    if not np.allclose(got, wanted, rtol=RTOL[size], atol=ATOL[size] * max(1.0, magnitude), equal_nan=True):
        return None
    with np.errstate(all="ignore"):
        gaps = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
    return float(np.max(gaps, initial=0.0, where=np.isfinite(gaps)))


def _refused(error: Exception) -> RequestError:
    """Whose fault an exception of a run is; its text quotes values and stays here."""
    if cause_name(error) == "InvalidArgument":
        return InvalidRequest("the model refuses these values (InvalidArgument)")
    return PredictFailed(f"the model failed on this input ({cause_name(error)})")
