"""What the doors with plain JSON rows (v1, TensorFlow Serving, MLflow) share: bytes as base64 objects, NaN as a word.

Strict JSON has neither. TensorFlow Serving writes `{"b64": "..."}` for the one and `NaN`, `Infinity`, `-Infinity` for
the other, MLflow the latter; both read what they write, and so do these doors.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

import orjson

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.rest import slices

if TYPE_CHECKING:
    import numpy as np

    from modelmoor_server.inference import OutputTensor
    from modelmoor_server.signature import Signature

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
_DEPTH = 64  # of lists and objects: more than fits any input, less than Python's stack holds


def without_base64(values: Any, body: bytes, signature: "Signature") -> Any:
    """`values` out of `body` with each `{"b64": "..."}` replaced by the bytes it stands for. Raises InvalidRequest.

    Where `b64` is a name that the model itself knows (a column, a record's free key), it means that.
    """
    if b'"b64"' not in body or signature.records or any(field.name == "b64" for field in signature.inputs):
        return values
    return _unwrapped(values)


def rows(outputs: Sequence["OutputTensor"]) -> Any:
    """Outputs as rows: values where there is one output, else an object by name a row. Raises InvalidRequest."""
    if len(outputs) == 1 and outputs[0].array.ndim:
        return column(outputs[0])
    if any(output.array.ndim == 0 for output in outputs) or len({len(output.array) for output in outputs}) > 1:
        raise InvalidRequest("The model's outputs are not one a row: send the column form (inputs) to get them.")
    names = [output.name for output in outputs]

    def part(start: int, end: int) -> list[dict[str, Any]]:
        cut = [output._replace(array=output.array[start:end]) for output in outputs]
        return [dict(zip(names, row, strict=True)) for row in zip(*map(_elements, cut), strict=True)]

    count, size = len(outputs[0].array), sum(output.array.size for output in outputs)
    if any(output.array.dtype == object for output in outputs):
        return part(0, count)  # whether texts go as base64 is told by all of them
    return slices.joined(count, max(1, slices.SLICE * count // max(size, 1)), part)


def plain(array: "np.ndarray") -> bytes | None:
    """The JSON of an array of finite numbers; None for another, and for one that is written in slices."""
    if array.dtype == object or not 0 < array.size <= slices.SLICE or not array.ndim:
        return None
    text = orjson.dumps(array, option=_NUMPY)
    return text if b"null" not in text else None  # which orjson writes for what is not finite


def column(output: "OutputTensor") -> Any:
    """One output whole, as `dump` takes it."""
    array = output.array
    if array.dtype == object:
        return _texts(output)
    if (text := plain(array)) is not None:
        return orjson.Fragment(text)
    if array.dtype.kind == "f" and not _finite(array):
        return _with_words(array)
    return slices.values(array) if array.ndim else array[()]


def dump(body: dict[str, Any]) -> bytes:
    """The JSON of an answer; float32 keeps its own shortest digits (0.1, not 0.10000000149)."""
    return orjson.dumps(body, option=_NUMPY)


def _unwrapped(values: Any, depth: int = 0) -> Any:
    if depth > _DEPTH:
        raise InvalidRequest(f"Lists and objects are nested deeper than {_DEPTH}.")
    if isinstance(values, list):
        return [_unwrapped(value, depth + 1) for value in values]
    if not isinstance(values, dict):
        return values
    if values.keys() == {"b64"} and isinstance(values["b64"], str):
        return _decoded(values["b64"])
    return {name: _unwrapped(value, depth + 1) for name, value in values.items()}


def _decoded(text: str) -> bytes:
    try:
        # TensorFlow Serving takes base64 without its padding, too
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("A b64 object does not hold base64.") from None


def _texts(output: "OutputTensor") -> Any:
    """Text as it is; bytes that are not, and all of an output whose name ends with _bytes, as base64 objects."""
    array = output.array
    binary = output.name.endswith("_bytes") or any(type(value) is bytes for value in array.ravel().tolist())
    return _encoded(array.tolist()) if binary else array.tolist()


def _encoded(values: Any) -> Any:
    if isinstance(values, list):
        return [_encoded(value) for value in values]
    raw = values.encode() if isinstance(values, str) else values
    return {"b64": base64.b64encode(raw).decode()} if isinstance(raw, bytes) else raw


def _elements(output: "OutputTensor") -> Iterator[Any]:
    """The rows of one output, each as `dump` takes it."""
    array = output.array
    if array.dtype == object:
        return iter(_texts(output))
    if array.dtype.kind == "f" and not _finite(array):
        return (_with_words(row) for row in array)
    return (value for value in array)


def _finite(array: Any) -> bool:
    import numpy as np  # at start-up the doors open before numpy is there

    return bool(np.isfinite(array).all())


def _with_words(array: Any) -> orjson.Fragment:
    """Floats as JSON with a word wherever orjson, which knows strict JSON alone, writes null."""
    import numpy as np

    odd = np.ravel(array)[~np.isfinite(np.ravel(array))].tolist()
    words = [b"NaN" if value != value else b"Infinity" if value > 0 else b"-Infinity" for value in odd]
    pieces = orjson.dumps(array if np.ndim(array) else array[()], option=_NUMPY).split(b"null")
    return orjson.Fragment(b"".join(chain.from_iterable(zip_longest(pieces, words, fillvalue=b""))))
