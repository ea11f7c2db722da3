"""What passes between a door and a model: a request that fits the signature, a response, and the call around both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from modelmoor_server.errors import RequestError
from modelmoor_server.signature import Datatype
from modelmoor_server.texts import as_objects


@dataclass(slots=True)
class InferenceRequest:
    """A request that fits the signature. inputs: arrays by public name. outputs: public names, in the asked order."""

    inputs: Mapping[str, np.ndarray]
    outputs: tuple[str, ...]
    id: str | None = None


class OutputTensor(NamedTuple):
    """One output: a C-contiguous array in native byte order, or an object array of `str` for BYTES."""

    name: str
    datatype: str
    array: np.ndarray


@dataclass(slots=True)
class InferenceResponse:
    """What the model answered, output by output in the asked order."""

    outputs: tuple[OutputTensor, ...]
    id: str | None = None


class Call(Protocol):
    """One request, as a door hands it in. `decode` and `encode` may run on the model's thread, `done` on the loop."""

    @property
    def size(self) -> int:
        """Bytes of the request's body."""
        ...

    def decode(self) -> InferenceRequest:
        """Raises InvalidRequest."""
        ...

    def encode(self, response: InferenceResponse) -> bytes: ...

    def done(self, outcome: "bytes | RequestError") -> None: ...


def rows_of(inputs: Mapping[str, np.ndarray]) -> int:
    """Rows of a request: dimension 0 of its inputs."""
    if len(inputs) == 1:  # the frequent case
        (array,) = inputs.values()
        return len(array) if array.ndim else 1
    return max((len(array) for array in inputs.values() if array.ndim), default=1)


def output_tensor(name: str, array: np.ndarray) -> OutputTensor:
    """An output as the doors write it. Raises TypeError for a dtype that the protocol does not know."""
    dtype = array.dtype
    datatype = Datatype.of(array)
    if dtype.kind in "US":
        array = as_objects(array)
    elif not dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return OutputTensor(name, datatype, array if array.flags.c_contiguous else np.ascontiguousarray(array))
