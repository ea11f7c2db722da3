"""Which requests may share one call of a model, and how they are joined and taken apart again.

See docs/decisions/0015-batching.md for what may be batched at all; the lists are with the runtimes.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from modelmoor_server.cost import Cost
from modelmoor_server.exchange import InferenceRequest, OutputTensor
from modelmoor_server.naming import OF_SIGNATURE
from modelmoor_server.runtimes.base import Independence, Model
from modelmoor_server.settings import Batching

CALL_SECONDS = 0.05  # a call of several rows is not made longer than this: neighbours wait for it
SLICE_SECONDS = 0.02  # a slice of a large request may have more rows than `max_size` while it takes no longer
_GROWTH = 4  # times the rows that were answered: a slice that is larger than all before it is a guess


class RowsDiffer(Exception):
    """A model did not answer row by row: another number of rows came out than went in."""


def allows(settings: Batching, model: Model) -> bool:
    """Whether rows of several requests may share a call of this model."""
    if settings.max_size <= 1 or not _rows_vary(model):
        return False
    if settings.exact:
        return model.independence is Independence.EXACT
    return settings.rows_independent or model.independence is not Independence.UNKNOWN


def most_rows(settings: Batching, cost: Cost) -> int:
    """Most rows of the next call: `max_size`, or fewer where those would take too long."""
    return min(settings.max_size, cost.rows_within(CALL_SECONDS))


def slice_rows(settings: Batching, cost: Cost, answered: int, left: int) -> int:
    """Rows of the next slice of a large request, of which `answered` rows are done and `left` are not.

    Where a call has a high fixed cost, slices of `max_size` take many times as long as one call: 340,000 rows of a
    table took 28 s instead of 0.8 s. So they grow, by powers of two: TensorFlow keeps something for every number of
    rows that it has seen (0.2 MiB of a small network), and any number would come up sooner or later.
    """
    limit = max(most_rows(settings, cost), min(cost.rows_within(SLICE_SECONDS), _GROWTH * answered))
    if left <= min(limit, settings.max_size):
        return left
    return 1 << (min(limit, left).bit_length() - 1)


def key_of(request: InferenceRequest) -> Hashable | None:
    """What requests of one model must have in common to share a call; None where one cannot share.

    Outputs, and name, dtype and trailing shape of each input. Object arrays count by the types of their elements as
    well, since a table's column becomes text or not by those. No runtime reads a request's parameters.
    """
    if len(request.inputs) == 1:  # the frequent case, by the same rules
        ((name, array),) = request.inputs.items()
        if not array.ndim or not array.shape[0] or OF_SIGNATURE in request.outputs[0]:
            return None
        return request.outputs, name, _kind(array)
    shapes = {array.shape[:1] for array in request.inputs.values()}
    if len(shapes) != 1 or shapes <= {(), (0,)}:
        return None
    if OF_SIGNATURE in request.outputs[0]:  # what is known of rows is known of the model's own signature alone
        return None
    return request.outputs, tuple([(name, *_kind(array)) for name, array in request.inputs.items()])


def join(requests: Sequence[InferenceRequest]) -> dict[str, np.ndarray]:
    """The rows of requests with equal keys, one after another."""
    return {name: np.concatenate([request.inputs[name] for request in requests]) for name in requests[0].inputs}


def split(outputs: Sequence[OutputTensor], counts: Sequence[int]) -> list[tuple[OutputTensor, ...]]:
    """The outputs of the joined rows, request by request."""
    parts, begin = [], 0
    for count in counts:
        end = begin + count
        parts.append(tuple([OutputTensor(name, datatype, array[begin:end]) for name, datatype, array in outputs]))
        begin = end
    return parts


def check_rows(answers: Mapping[str, np.ndarray], names: Sequence[str], rows: int) -> None:
    """Raises RowsDiffer where an answer has not one row for each row."""
    if any(answers[name].shape[:1] != (rows,) for name in names):
        raise RowsDiffer


def join_answers(parts: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]) -> dict[str, np.ndarray]:
    """The answers to the slices of one request as one answer."""
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _rows_vary(model: Model) -> bool:
    fields = (*model.signature.inputs, *model.signature.outputs)
    return all(field.shape is not None and field.shape[:1] == (-1,) for field in fields)


def _kind(array: np.ndarray) -> tuple[Hashable, ...]:
    if array.dtype.kind != "O":
        return array.dtype, array.shape[1:]
    return frozenset(map(type, array.ravel().tolist())), array.shape[1:]
