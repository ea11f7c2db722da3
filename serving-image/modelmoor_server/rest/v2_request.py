"""The parts of a v2 request: its JSON header, its tensors with their JSON or binary data, its requested outputs.

Binary data: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from typing import Any

from modelmoor_server.errors import InvalidRequest, TooLarge
from modelmoor_server.protocols import v2
from modelmoor_server.protocols.v2 import Form
from modelmoor_server.rest import payload

Tensor = tuple[str, str, list[int], Any]  # name, datatype, shape; JSON lists, or a memoryview of the tensor's bytes


def header_length(stated: bytes, body: bytes, limit: int) -> int:
    """Bytes of the JSON before the binary data; 0 where the whole body is one tensor. Raises InvalidRequest."""
    if not stated.isdigit() or len(stated) > 10 or int(stated) > len(body):
        raise InvalidRequest("Inference-Header-Content-Length must be a number of bytes within the body.")
    if int(stated) > limit:
        raise TooLarge(f"The JSON before the binary data is larger than {limit} bytes.")
    return int(stated)


def inputs(document: dict[str, Any], data: memoryview | None) -> tuple[list[Tensor], bool]:
    """The tensors, and whether they are columns of one table. data: what follows the JSON. Raises InvalidRequest."""
    overall = v2.content_type(payload.members(document, "parameters"), "")
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


def _tensor(tensor: Any, where: str, overall: str | None, rest: memoryview | None) -> tuple[Tensor, int]:
    """One tensor, and how many of the binary bytes in `rest` were its own."""
    if not isinstance(tensor, dict):
        raise InvalidRequest(f"{where} must be an object.")
    parameters = payload.members(tensor, "parameters", f"{where}.") if "parameters" in tensor else {}
    size = parameters.get("binary_data_size")
    missing = [key for key in ("name", "shape", "datatype") if key not in tensor]
    if "data" not in tensor and size is None:
        v2.refuse_shared_memory(parameters, where)
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
    means = v2.meaning(datatype, parameters, overall, where)
    return (name, datatype, shape, v2.decoded(means, (name, datatype, shape, data), where)), size or 0


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


def _form(output: dict[str, Any], where: str, default: bool) -> Form:
    parameters = payload.members(output, "parameters", f"{where}.")
    return v2.form(parameters, where, binary=_flag(parameters, "binary_data", where, absent=default))


def _flag(parameters: dict[str, Any], key: str, where: str, *, absent: bool) -> bool:
    value = parameters.get(key, absent)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{where}: {key} must be true or false.")
    return value
