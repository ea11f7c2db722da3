"""What the parameters of a v2 request say: content types of its tensors, and forms of its outputs. The extensions.

Content types are those of MLServer (mlserver/codecs), as docs/server.md tells them. `parameters` are plain mappings.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from modelmoor_server.errors import InvalidRequest

CONTENT_TYPES = ("np", "pd", "str", "base64", "datetime")
_MAX_DEPTH = 32  # of nested lists, as in signature/values.py
_MAX_CLASSES = 1 << 31


class Form(NamedTuple):
    """How one output is wanted. binary: as bytes behind the JSON of REST.

    classes: the best scores as text, so many; 0 for the tensor itself.
    """

    binary: bool = False
    base64: bool = False
    classes: int = 0


def extensions(repository_api: bool) -> list[str]:
    """What the server has beyond the protocol, by Triton's names."""
    return ["binary_tensor_data", "classification", *(["model_repository"] if repository_api else [])]


def content_type(parameters: Mapping[str, Any], where: str) -> str | None:
    """The content type that `parameters` names, if any. Raises InvalidRequest for one that is not known."""
    found = parameters.get("content_type")
    if found is not None and found not in CONTENT_TYPES:
        raise InvalidRequest(f"{where}content_type must be one of {', '.join(CONTENT_TYPES)}.")
    return found


def meaning(datatype: str, parameters: Mapping[str, Any], overall: str | None, where: str) -> str | None:
    """The content type of one tensor: its own, or that of its request (`overall`).

    Raises InvalidRequest where it does not fit the datatype; base64 and datetime of a request leave numbers alone.
    """
    own = content_type(parameters, f"{where}: ")
    means = own or overall
    if datatype != "BYTES" and (means == "str" or own in _DECODERS):
        raise InvalidRequest(f"{where}: content type {means} needs datatype BYTES.")
    return means


def decoded(means: str | None, tensor: tuple[str, str, Any, Any], where: str) -> Any:
    """The data of a tensor (name, datatype, shape, data) as its content type has it.

    data: JSON lists, flat or nested, an array, or a memoryview of the tensor's bytes. base64 becomes `bytes`, dates
    become `datetime`, in lists; everything else comes back as it is. Raises InvalidRequest.
    """
    name, datatype, shape, data = tensor
    decode = _DECODERS.get(means or "") if datatype == "BYTES" else None
    if decode is None:
        return data
    if isinstance(data, memoryview):
        from modelmoor_server.signature.raw import from_bytes  # brings numpy

        data = from_bytes(datatype, shape, data, name)[1]
    if hasattr(data, "tolist"):
        data = data.ravel().tolist()
    return _each(decode, data, where)


def form(parameters: Mapping[str, Any], where: str, *, binary: bool = False) -> Form:
    """How an output is wanted. Raises InvalidRequest."""
    refuse_shared_memory(parameters, where)
    classes = parameters.get("classification", 0)
    if type(classes) is not int or not 0 <= classes < _MAX_CLASSES:
        raise InvalidRequest(f"{where}: classification must be a number of classes.")
    means = content_type(parameters, f"{where}: ")
    if means == "datetime":
        raise InvalidRequest(f"{where}: content type datetime is for inputs, no model answers with dates.")
    return Form(binary, means == "base64", classes)


def refuse_shared_memory(parameters: Mapping[str, Any], where: str) -> None:
    """Raises InvalidRequest where the data lies in the client's own memory."""
    if "shared_memory_region" in parameters:
        raise InvalidRequest(f"{where}: shared memory is not supported; send the data in the request.")


def _each(decode: Callable[[Any, str], Any], data: Any, where: str, depth: int = 0) -> Any:
    if isinstance(data, list) and depth < _MAX_DEPTH:
        return [_each(decode, item, where, depth + 1) for item in data]
    return decode(data, where)


def _from_base64(data: Any, where: str) -> bytes:
    try:
        if isinstance(data, str):
            data = data.encode("ascii")
        return base64.b64decode(b"".join(data.split()), validate=True)  # encoders break lines
    except (AttributeError, TypeError, ValueError, binascii.Error):
        raise InvalidRequest(f"{where}: the data is not base64.") from None


def _from_iso(data: Any, where: str) -> datetime | None:
    if data is None:
        return None  # a missing value
    try:
        found = datetime.fromisoformat(data.decode("ascii") if isinstance(data, bytes) else data)
    except (TypeError, ValueError):
        raise InvalidRequest(f"{where}: the data is not dates of ISO 8601, such as 2024-08-24T15:01:19.") from None
    if found.tzinfo is not None:
        # a column of a table is of one zone or of none, and which one the model was trained on nobody tells
        raise InvalidRequest(f"{where}: dates must come without a zone, in that of the model's training data.")
    return found


_DECODERS: Mapping[str, Callable[[Any, str], Any]] = {"base64": _from_base64, "datetime": _from_iso}
