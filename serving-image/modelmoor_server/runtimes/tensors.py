"""What Keras and TensorFlow have in common: datatypes, threads of the process, arrays in and out of tensors."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# set before the first import: no C++ log lines beside ours, and no other backend out of a person's ~/.keras
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import tensorflow as tf

from modelmoor_server.errors import InvalidRequest, PredictFailed, RequestError, cause_name
from modelmoor_server.runtimes.base import Model
from modelmoor_server.signature import Datatype, Field

DATATYPES = {
    "bool": Datatype.BOOL,
    "uint8": Datatype.UINT8,
    "uint16": Datatype.UINT16,
    "uint32": Datatype.UINT32,
    "uint64": Datatype.UINT64,
    "int8": Datatype.INT8,
    "int16": Datatype.INT16,
    "int32": Datatype.INT32,
    "int64": Datatype.INT64,
    "float16": Datatype.FP16,
    "float32": Datatype.FP32,
    "float64": Datatype.FP64,
    "string": Datatype.BYTES,
}
SIZES = (1, 8, 32, 64, 224)  # tried for the variable dimensions of an example: convolutions need some room


def use_threads() -> None:
    """Bound TensorFlow's threads by the CPUs of this container; it counts those of the node. Once a process."""
    threads = max(1, round(cpus()))
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        pass  # another model has started TensorFlow already, with the same numbers


def cpus() -> float:
    """CPUs that this process may use: the cgroup's quota, or what the scheduler allows."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return float(len(os.sched_getaffinity(0)))


def answered_example(model: Model) -> dict[str, np.ndarray] | None:
    """One synthetic row that the model answers, trying sizes for its variable dimensions.

    The smallest row where it answers none, so that the warm-up fails with it; None where a shape is unknown.
    """
    fields = model.signature.inputs
    if any(field.shape is None for field in fields):
        return None
    rows = [{field.name: _cell(field, size) for field in fields} for size in SIZES]
    for row in rows:
        try:
            model.predict(row, model.default_outputs)
        except RequestError:
            continue
        return row
    return rows[0]


def array_of(tensor: Any) -> np.ndarray:
    """A tensor as an array that the protocol knows: text as `str` where it is UTF-8, bfloat16 as float32."""
    if isinstance(tensor, (tf.RaggedTensor, tf.SparseTensor)):
        tensor = tensor.to_tensor() if isinstance(tensor, tf.RaggedTensor) else tf.sparse.to_dense(tensor)
    if tensor.dtype == tf.bfloat16:
        tensor = tf.cast(tensor, tf.float32)
    array = np.asarray(tensor.numpy())
    if array.dtype != object:
        return array
    texts = np.empty(array.size, dtype=object)
    texts[:] = [_text(value) for value in array.ravel()]
    return texts.reshape(array.shape)


def refused(error: Exception) -> RequestError:
    """Whose fault an exception of a graph is; its text quotes values and stays here."""
    if isinstance(error, (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError)):
        return InvalidRequest(f"the model refuses these values ({cause_name(error)})")
    return PredictFailed(f"the model failed on this input ({cause_name(error)})")


def shape_of(shape: Any) -> tuple[int, ...] | None:
    """A shape of TensorFlow or Keras with -1 for what is variable; None where even the rank is unknown."""
    if getattr(shape, "rank", 0) is None or shape is None:
        return None
    return tuple(-1 if size is None else int(size) for size in tuple(shape))


def stable_names(names: Sequence[str], fallback: str, known: Any = None) -> tuple[str, ...]:
    """Public names: those of the artifact; what the engine counted up itself becomes `input`, `input_1` and so on.

    known: the names that the artifact states, None where all of them come from it.
    """
    chosen: list[str] = []
    for index, name in enumerate(names):
        own = name.startswith("keras_tensor") or (known is not None and name not in known)
        if own:
            name = fallback if len(names) == 1 else f"{fallback}_{index}"
        taken = sum(1 for other in chosen if other == name or other.rpartition("_")[0] == name)
        chosen.append(name if name not in chosen else f"{name}_{taken}")
    return tuple(chosen)


def _cell(field: Field, size: int) -> np.ndarray:
    shape = tuple(
        1 if index == 0 and want == -1 else size if want == -1 else want
        for index, want in enumerate(field.shape or (-1,))
    )
    datatype = field.datatype or Datatype.FP32
    if datatype is Datatype.BYTES:
        return np.full(shape, "example", dtype=object)
    return np.full(shape, 1 if datatype.kind == "float" else 0, dtype=datatype.numpy)


def _text(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
