"""What goes in and out of a model: names, datatypes and shapes, and how each of them is known."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np


class Datatype(StrEnum):
    """The tensor datatypes of the Open Inference Protocol v2."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy dtype of an array of this datatype; BYTES is an object array of `str` (or `bytes`)."""
        return _NUMPY[self]

    @property
    def kind(self) -> str:
        """`bool`, `integer`, `float` or `text`: what never mixes, and what may be converted."""
        return _KIND[self.numpy.kind]

    @classmethod
    def of(cls, array: np.ndarray) -> "Datatype":
        """The datatype of an array in memory. Raises TypeError where the protocol has none (dates, complex)."""
        dtype = array.dtype
        if (found := _DATATYPE.get(dtype)) is not None:
            return found
        if dtype.kind in "OUS":
            return cls.BYTES
        try:
            return _DATATYPE[dtype.newbyteorder("=")]
        except KeyError:
            raise TypeError(f"no protocol datatype for numpy dtype {dtype}") from None


_NUMPY: dict[Datatype, np.dtype[Any]] = {
    Datatype.BOOL: np.dtype(np.bool_),
    Datatype.UINT8: np.dtype(np.uint8),
    Datatype.UINT16: np.dtype(np.uint16),
    Datatype.UINT32: np.dtype(np.uint32),
    Datatype.UINT64: np.dtype(np.uint64),
    Datatype.INT8: np.dtype(np.int8),
    Datatype.INT16: np.dtype(np.int16),
    Datatype.INT32: np.dtype(np.int32),
    Datatype.INT64: np.dtype(np.int64),
    Datatype.FP16: np.dtype(np.float16),
    Datatype.FP32: np.dtype(np.float32),
    Datatype.FP64: np.dtype(np.float64),
    Datatype.BYTES: np.dtype(object),
}
_DATATYPE = {dtype: datatype for datatype, dtype in _NUMPY.items()}
_KIND = {"b": "bool", "i": "integer", "u": "integer", "f": "float", "O": "text"}


class Source(StrEnum):
    """How a field is known."""

    DECLARED = "Declared"  # the contract or the artifact's own statement
    INFERRED = "Inferred"  # read from the fitted model
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Field:
    """One named tensor.

    datatype: None where the model does not tell; the values are then kept as they came.
    shape: -1 is variable, dimension 0 counts rows; None where even the number of dimensions is unknown.
    labels: class labels of an output, or known categories of an input, as text; None where there are none.
    binary: BYTES elements may be any bytes (a picture); otherwise they are UTF-8 text.
    nullable: null stands for a missing value; in text it is handed over as NaN, as pandas would.
    """

    name: str
    datatype: Datatype | None
    shape: tuple[int, ...] | None
    source: Source = Source.INFERRED
    labels: tuple[str, ...] | None = None
    binary: bool = False
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs of a model.

    columns: the names of a table in training order, where the model was trained on one: there is then one input
        field a column, each of shape [-1].
    text: the single input is one text a row, [n] or [n, 1].
    records: the single input is one object of free keys a row (DictVectorizer); in v2 each element is JSON text.
    """

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    columns: tuple[str, ...] | None = None
    text: bool = False
    records: bool = False


class Tensor(NamedTuple):
    """A tensor as a request carries it.

    data: nested or flat (row-major) lists out of JSON, or an array (`bytes` or `str` objects for BYTES) out of
    the binary form, whose dtype is then that of `datatype`.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Any
