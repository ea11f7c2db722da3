"""The parts of a v2 request: its JSON header, its tensors with their JSON or binary data, its requested outputs.

Binary data: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
Content types: those of MLServer (mlserver/codecs), as docs/server.md tells them.
"""

import base64
import binascii
from typing import Any, NamedTuple

from modelmoor_server.errors import InvalidRequest, TooLarge
from modelmoor_server.rest import payload

CONTENT_TYPES = ("np", "pd", "str", "base64")
_MAX_DEPTH = 32  # of nested lists, as in signature/values.py
_MAX_CLASSES = 1 << 31

Tensor = tuple[str, str, list[int], Any]  # name, datatype, shape; JSON lists, or a memoryview of the tensor's bytes


class Form(NamedTuple):
    """How one output is wanted. classes: the best scores as text, so many; 0 for the tensor itself."""

    binary: bool = False
    base64: bool = False
    classes: int = 0


def header_length(stated: bytes, body: bytes, limit: int) -> int:
    """Bytes of the JSON before the binary data; 0 where the whole body is one tensor. Raises InvalidRequest."""
    if not stated.isdigit() or len(stated) > 10 or int(stated) > len(body):
        raise InvalidRequest("Inference-Header-Content-Length must be a number of bytes within the body.")
    if int(stated) > limit:
        raise TooLarge(f"The JSON before the binary data is larger than {limit} bytes.")
    return int(stated)


def inputs(document: dict[str, Any], data: memoryview | None) -> tuple[list[Tensor], bool]:
    """The tensors, and whether they are columns of one table. data: what follows the JSON. Raises InvalidRequest."""
    overall = content_type(payload.members(document, "parameters"), "")
    listed = document.get("inputs")
    if not isinstance(listed, list) or not listed:
        raise InvalidRequest("inputs must be a list of at least one tensor.")
    tensors, position = [], 0
    for index, tensor in enumerate(listed):
        found, taken = _tensor(tensor, f"inputs[{index}]", overall, None if data is None else data[position:])
        tensors.append(found)
        position += taken
    if data is not None and position != len(data):
        raise InvalidRequest(f"The body holds {len(data) - position} bytes beyond the JSON and the binary tensors.")
    return tensors, overall == "pd"


def outputs(document: dict[str, Any]) -> tuple[list[str], dict[str, Form], bool]:
    """Names of the requested outputs, the forms of those that want one, and whether all others come in binary form.

    Raises InvalidRequest.
    """
    default = _flag(payload.members(document, "parameters"), "binary_data_output", "parameters", absent=False)
    listed = document.get("outputs")
    if listed is None:
        return [], {}, default
    if not isinstance(listed, list):
        raise InvalidRequest("outputs must be a list.")
    forms = {}
    for index, output in enumerate(listed):
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            raise InvalidRequest(f"outputs[{index}] must be an object with a name.")
        if "parameters" in output:
            forms[output["name"]] = _form(output, f"outputs[{index}]", default)
    return [output["name"] for output in listed], forms, default


def content_type(parameters: dict[str, Any], where: str) -> str | None:
    """The content type that `parameters` names, if any. Raises InvalidRequest for one that is not known."""
    found = parameters.get("content_type")
    if found is not None and found not in CONTENT_TYPES:
        raise InvalidRequest(f"{where}content_type must be one of {', '.join(CONTENT_TYPES)}.")
    return found


def _tensor(tensor: Any, where: str, overall: str | None, rest: memoryview | None) -> tuple[Tensor, int]:
    """One tensor, and how many of the binary bytes in `rest` were its own."""
    if not isinstance(tensor, dict):
        raise InvalidRequest(f"{where} must be an object.")
    parameters = payload.members(tensor, "parameters", f"{where}.") if "parameters" in tensor else {}
    size = parameters.get("binary_data_size")
    missing = [key for key in ("name", "shape", "datatype") if key not in tensor]
    if "data" not in tensor and size is None:
        _refuse_shared_memory(parameters, where)
        missing.append("data")
    if missing:
        raise InvalidRequest(f"{where}: {', '.join(missing)} missing.")
    name, shape, datatype = tensor["name"], tensor["shape"], tensor["datatype"]
    if not isinstance(name, str) or not name:
        raise InvalidRequest(f"{where}: name must be a string.")
    if not isinstance(datatype, str):
        raise InvalidRequest(f"{where}: datatype must be a string.")
    if not isinstance(shape, list) or not all(type(each) is int and each >= 0 for each in shape):
        raise InvalidRequest(f"{where}: shape must be a list of whole numbers.")
    data = tensor["data"] if size is None else _binary(size, rest, "data" in tensor, where)
    means = content_type(parameters, f"{where}: ") or overall
    if datatype != "BYTES" and (means == "str" or parameters.get("content_type") == "base64"):
        raise InvalidRequest(f"{where}: content type {means} needs datatype BYTES.")
    if datatype == "BYTES" and means == "base64":
        return (name, datatype, shape, _from_base64(_elements(name, shape, data), where)), size or 0
    return (name, datatype, shape, data), size or 0


def _binary(size: Any, rest: memoryview | None, with_json: bool, where: str) -> memoryview:
    if type(size) is not int or size < 0:
        raise InvalidRequest(f"{where}: binary_data_size must be a number of bytes.")
    if with_json:
        raise InvalidRequest(f"{where}: there is both data and binary_data_size.")
    if rest is None:
        raise InvalidRequest(f"{where}: binary_data_size needs the header Inference-Header-Content-Length.")
    if size > len(rest):
        raise InvalidRequest(f"{where}: binary_data_size is {size}, the body holds {len(rest)} more bytes.")
    return rest[:size]


def _elements(name: str, shape: list[int], data: Any) -> Any:
    if not isinstance(data, memoryview):
        return data
    from modelmoor_server.signature.raw import from_bytes  # brings numpy, which doors do without until models are there

    return from_bytes("BYTES", shape, data, name)[1].tolist()


def _from_base64(data: Any, where: str, depth: int = 0) -> Any:
    if isinstance(data, list) and depth < _MAX_DEPTH:
        return [_from_base64(item, where, depth + 1) for item in data]
    try:
        if isinstance(data, str):
            data = data.encode("ascii")
        return base64.b64decode(b"".join(data.split()), validate=True)  # encoders break lines
    except (AttributeError, TypeError, ValueError, binascii.Error):
        raise InvalidRequest(f"{where}: the data is not base64.") from None


def _form(output: dict[str, Any], where: str, default: bool) -> Form:
    parameters = payload.members(output, "parameters", f"{where}.")
    _refuse_shared_memory(parameters, where)
    classes = parameters.get("classification", 0)
    if type(classes) is not int or not 0 <= classes < _MAX_CLASSES:
        raise InvalidRequest(f"{where}: classification must be a number of classes.")
    encoded = content_type(parameters, f"{where}: ") == "base64"
    return Form(_flag(parameters, "binary_data", where, absent=default), encoded, classes)


def _flag(parameters: dict[str, Any], key: str, where: str, *, absent: bool) -> bool:
    value = parameters.get(key, absent)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{where}: {key} must be true or false.")
    return value


def _refuse_shared_memory(parameters: dict[str, Any], where: str) -> None:
    if "shared_memory_region" in parameters:
        raise InvalidRequest(f"{where}: shared memory is not supported; send the data in the body.")
