"""Open Inference Protocol v2, JSON."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.rest import payload, slices
from modelmoor_server.rest.calls import HttpCall
from modelmoor_server.rest.packed import Packed

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference, InferenceRequest, InferenceResponse
    from modelmoor_server.signature import Field

# MLServer's content types whose meaning is ours anyway: columns go by name, BYTES is text, all else are arrays.
CONTENT_TYPES = ("np", "pd", "str")


class V2Call(HttpCall):
    """`POST /v2/models/{model}/infer`."""

    __slots__ = ()
    door: ClassVar[str] = "v2"

    def decode(self) -> "InferenceRequest":
        document = payload.parse(self._body)
        parameters = payload.members(document, "parameters")
        _check_content_type(parameters, "")
        inputs = document.get("inputs")
        if not isinstance(inputs, list) or not inputs:
            raise InvalidRequest("inputs must be a list of at least one tensor.")
        tensors = [_tensor(tensor, position) for position, tensor in enumerate(inputs)]
        names = _requested(document.get("outputs"))
        return self._inference.request(self._inference.from_tensors(tensors), names, payload.text(document, "id"))

    def encode(self, response: "InferenceResponse") -> bytes:
        identity = self._inference.identity
        body: dict[str, Any] = {"model_name": identity.name, "model_version": identity.version}
        if response.id is not None:
            body["id"] = response.id
        body["outputs"] = [
            {
                "name": output.name,
                "shape": output.array.shape,
                "datatype": output.datatype,
                "data": slices.values(output.array.ravel()),
            }
            for output in response.outputs
        ]
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


class PackedV2Call(Packed, V2Call):
    """The same with compressed bodies."""

    __slots__ = ()


def metadata(inference: "Inference") -> dict[str, Any]:
    """What `GET /v2/models/{model}` tells: names, datatypes, shapes, and how each is known."""
    identity = inference.identity
    return {
        "name": identity.name,
        "versions": [identity.version],
        "platform": identity.format,
        "inputs": [_field(field) for field in inference.signature.inputs],
        "outputs": [_field(field) for field in inference.signature.outputs],
        "parameters": {
            "framework": identity.framework,
            "digest": identity.digest,
            "warm_up": identity.warm_up or "Done",
        },
    }


def _field(field: "Field") -> dict[str, Any]:
    parameters: dict[str, Any] = {"source": field.source}
    if field.labels is not None:
        parameters["labels"] = field.labels
    return {
        "name": field.name,
        # The protocol has no word for what a model does not tell; clients read these two as they come.
        "datatype": field.datatype or "UNKNOWN",
        "shape": [-1] if field.shape is None else field.shape,
        "parameters": parameters,
    }


def _tensor(tensor: Any, position: int) -> tuple[str, str, list[int], Any]:
    where = f"inputs[{position}]"
    if not isinstance(tensor, dict):
        raise InvalidRequest(f"{where} must be an object.")
    try:
        name, shape, datatype, data = tensor["name"], tensor["shape"], tensor["datatype"], tensor["data"]
    except KeyError:
        if "binary_data_size" in payload.members(tensor, "parameters", f"{where}."):
            raise InvalidRequest(f"{where}: binary tensors are not supported, send the data as JSON.") from None
        missing = [key for key in ("name", "shape", "datatype", "data") if key not in tensor]
        raise InvalidRequest(f"{where}: {', '.join(missing)} missing.") from None
    if not isinstance(name, str) or not name:
        raise InvalidRequest(f"{where}: name must be a string.")
    if not isinstance(datatype, str):
        raise InvalidRequest(f"{where}: datatype must be a string.")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise InvalidRequest(f"{where}: shape must be a list of whole numbers.")
    if "parameters" in tensor:
        parameters = payload.members(tensor, "parameters", f"{where}.")
        _check_content_type(parameters, f"{where}: ")
        if parameters.get("content_type") == "str" and datatype != "BYTES":
            raise InvalidRequest(f"{where}: content type str needs datatype BYTES.")
    return name, datatype, shape, data


def _check_content_type(parameters: Mapping[str, Any], where: str) -> None:
    if parameters.get("content_type", "np") not in CONTENT_TYPES:
        raise InvalidRequest(f"{where}content_type must be one of {', '.join(CONTENT_TYPES)}.")


def _requested(outputs: Any) -> list[str]:
    if outputs is None:
        return []
    if not isinstance(outputs, list):
        raise InvalidRequest("outputs must be a list.")
    for position, output in enumerate(outputs):
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            raise InvalidRequest(f"outputs[{position}] must be an object with a name.")
    return [output["name"] for output in outputs]
