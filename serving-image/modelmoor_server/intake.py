"""What a door needs to turn its bytes into a request that fits the model: names and types, and no model.

It can be pickled: large bodies are decoded in a process that holds none (apart/).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.exchange import InferenceRequest
from modelmoor_server.signature import (
    Field,
    Signature,
    from_columns,
    from_instances,
    from_numbers,
    from_tensors,
    only_floats,
    row_of,
)


class Identity(NamedTuple):
    """What a model is called and what it is. version: the first digits of its digest, which pin the artifact."""

    name: str
    digest: str
    format: str
    framework: str
    warm_up: str | None  # why there was no warm-up predict; None where there was one
    engine: str = "Library"  # by what code it is answered

    @property
    def version(self) -> str:
        return self.digest.removeprefix("sha256:")[:12]


class Intake:
    """Makes requests for one model.

    default_outputs: what a request that names no outputs gets. alternatives: further signatures by name (SavedModel).
    """

    def __init__(
        self,
        identity: Identity,
        signature: Signature,
        default_outputs: tuple[str, ...],
        alternatives: Mapping[str, Signature] = {},
    ) -> None:
        self.identity = identity
        self.name, self.version = identity.name, identity.version  # which each answer tells
        self.signature = signature
        self.alternatives = alternatives
        self.default_outputs = default_outputs
        self._outputs = frozenset(field.name for field in signature.outputs)
        self.numbers: Field | None = only_floats(signature) if not alternatives else None
        self._row = row_of(self.numbers)

    def __reduce__(self) -> tuple[Any, ...]:
        return Intake, (self.identity, self.signature, self.default_outputs, self.alternatives)

    def from_tensors(
        self, tensors: Iterable[tuple[str, str, Sequence[int], Any]], *, frame: bool = False
    ) -> dict[str, np.ndarray]:
        """The tensors of a v2 request, each (name, datatype, shape, data), as arrays. Raises InvalidRequest.

        data: JSON lists, an array, or a memoryview of the tensor's bytes. frame: they are the columns of one table.
        """
        return from_tensors(self.signature, tensors, frame=frame)

    def from_numbers(
        self, shape: tuple[int, ...], numbers: bytearray, name: str | None = None
    ) -> dict[str, np.ndarray]:
        """Floats of a JSON body, as native.cut gives them, for the one input of a model that takes them alone.

        name: what the caller calls it. Raises InvalidRequest.
        """
        field = self.numbers
        if field is None:
            raise AssertionError("the model takes something else")
        if shape[1:] == self._row:
            return {field.name: np.ndarray(shape, np.float64, numbers)}
        return {field.name: from_numbers(shape, numbers, field, name or field.name)}

    def from_instances(self, instances: Any, signature: Signature | None = None) -> dict[str, np.ndarray]:
        """The rows of a v1 request as arrays. signature: another one than the model's own. Raises InvalidRequest."""
        return from_instances(signature or self.signature, instances)

    def from_columns(self, columns: Any, signature: Signature | None = None) -> dict[str, np.ndarray]:
        """The column form of a v1 request as arrays. signature: as above. Raises InvalidRequest."""
        return from_columns(signature or self.signature, columns)

    def request(
        self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = (), id: str | None = None
    ) -> InferenceRequest:
        """A request for `outputs`, or for the default ones where it names none. Raises InvalidRequest."""
        if not outputs:
            return InferenceRequest(inputs, self.default_outputs, id)
        wanted = tuple(dict.fromkeys(outputs))
        for name in wanted:  # so it ends at the first that is unknown, however often the others were named
            if name not in self._outputs:
                known = ", ".join(field.name for field in self.signature.outputs)
                raise InvalidRequest(f"outputs[{outputs.index(name)}]: the model has no such output; it has {known}")
        return InferenceRequest(inputs, wanted, id)
