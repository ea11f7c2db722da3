"""Which methods of an estimator answer, and their results as arrays that the protocol knows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.runtimes.flat.answers import presented
from modelmoor_server.signature import Datatype, Field, Source

METHODS = ("predict", "predict_proba", "decision_function", "transform")
PROBABILITIES = "predict_proba"
MAX_DENSE = 64 << 20  # bytes of one answer that was sparse: as many as a request may have


def methods_of(estimator: Any, *, lists: bool = True) -> dict[str, tuple[str, int | None]]:
    """Public output name -> (method, index): `predict_proba` of several targets is a list, hence a tensor a target.

    lists: whether it is; ClassifierChain, for one, answers several targets by one array.
    """
    found: dict[str, tuple[str, int | None]] = {}
    for method in METHODS:
        if not callable(getattr(estimator, method, None)):
            continue
        classes = _classes(estimator)
        if method == PROBABILITIES and isinstance(classes, list) and lists:
            found |= {f"{method}_{index}": (method, index) for index in range(len(classes))}
        else:
            found[method] = method, None
    return found


def field_of(name: str, method: str, index: int | None, answer: np.ndarray | None, estimator: Any) -> Field:
    """The field of an output, from a real answer to a synthetic row; None where there was no answer."""
    labels = _labels(estimator, method, index)
    if answer is None:
        return Field(name, None, None, Source.UNKNOWN, labels)
    shape = (-1, *answer.shape[1:])
    return Field(name, Datatype.of(answer), shape, Source.INFERRED, labels)


def dense(answer: Any) -> np.ndarray:
    """An answer as one array: sparse made dense, frames made arrays, text as object arrays of str."""
    if sparse.issparse(answer):
        rows, columns = answer.shape
        if rows * columns * answer.dtype.itemsize > MAX_DENSE:
            raise InvalidRequest(f"the answer of {columns} columns a row is too large for {rows} rows; send fewer")
        answer = answer.toarray()
    return presented(np.asarray(answer))


def parts_of(answer: Any, index: int | None) -> Any:
    """The answer, or the part of target `index`. Raises TypeError where the parts are not those of a list."""
    if index is None:
        return answer
    if not isinstance(answer, list):
        raise TypeError("an array, where a list of one array a target was expected")
    return answer[index]


def _classes(estimator: Any) -> Any:
    try:
        return getattr(estimator, "classes_", None)
    except Exception:  # noqa: BLE001 - a property of a foreign class may raise anything; no labels is the answer
        return None


def _labels(estimator: Any, method: str, index: int | None) -> tuple[str, ...] | None:
    if method == "transform":
        return None
    classes: Sequence[Any] | None = _classes(estimator)
    if isinstance(classes, list):
        if index is None:
            return None
        classes = classes[index]
    if classes is None or np.ndim(classes) != 1 or len(classes) > 10_000:
        return None
    return tuple(str(label) for label in np.asarray(classes).tolist())
