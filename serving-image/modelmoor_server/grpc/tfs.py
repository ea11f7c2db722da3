"""TensorFlow Serving: `tensorflow.serving.PredictionService` and `ModelService`."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.grpc import tfs_tensors
from modelmoor_server.grpc.calls import Caller, Models, PredictCall, Refused, Status
from modelmoor_server.grpc.messages import message_class, parsed
from modelmoor_server.grpc.wire import DELIMITED, delimited, fields, split
from modelmoor_server.inference import INLINE_BYTES, Inference, InferenceRequest, InferenceResponse
from modelmoor_server.protocols.tfs import METHOD, VERSION, Signed, public, signatures, signed, state_of
from modelmoor_server.signature import Field, from_tensors
from modelmoor_server.signature.values import shown

METADATA = "signature_def"
_INPUTS, _OUTPUTS = 2, 1  # the maps of a request and of a response
_KEY, _VALUE = 1, 2  # of an entry of a map
_CODES = {"OK": 0, "FAILED_PRECONDITION": 9}  # numbers of gRPC's statuses


_Request = message_class("modelmoor.wire.PredictRequest")


def _class(name: str) -> Any:
    return message_class(f"tensorflow.serving.{name}")


class PredictionCall(PredictCall):
    """Predict."""

    door: ClassVar[str] = "tfs-grpc"

    def __init__(self, inference: Inference, size: int, head: Any, inputs: list[memoryview]) -> None:
        super().__init__(inference, size)
        self._head = head
        self._inputs = inputs
        self._signed: Signed

    def decode(self) -> InferenceRequest:
        chosen = self._signed = signed(self.inference, self._head.model_spec.signature_name)
        if not self._inputs:
            raise InvalidRequest("inputs must hold at least one tensor.")
        tensors: dict[str, tuple[str, Any, Any]] = {}
        for entry in self._inputs:
            name, value = _entry(entry)
            tensors[name] = tfs_tensors.array_of(value, f"input {shown(name)}")  # the last of a name, as in any map
        arrays = from_tensors(chosen.signature, ((name, *tensor) for name, tensor in tensors.items()))
        return chosen.request(self.inference, arrays, list(self._head.output_filter))

    def encode(self, response: InferenceResponse) -> bytes:
        spec = _spec(self.inference.identity.name, self._signed.name)
        parts = [_class("PredictResponse")(model_spec=spec).SerializeToString()]
        for output in public(response.outputs):
            key = delimited(_KEY, output.name.encode())
            value = delimited(_VALUE, tfs_tensors.bytes_of(output.array, output.datatype))
            parts.append(delimited(_OUTPUTS, key + value))
        return b"".join(parts)


class TensorFlowServing:
    """The methods of the two services."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def predict(self, request: bytes, caller: Caller) -> bytes:
        """A prediction. Raises RequestError."""
        try:
            asked, inputs = await _parsed(request)
        except InvalidRequest:
            self._models.refuse()
            raise
        inference = self._models.inference(*self._named(asked.model_spec), PredictionCall.door)
        return await self._models.predict(PredictionCall(inference, len(request), asked, inputs), caller)

    async def get_model_metadata(self, request: bytes, caller: Caller) -> bytes:
        """The signatures of a model. Raises RequestError."""
        asked = parsed(_class("GetModelMetadataRequest"), request)
        if list(asked.metadata_field) != [METADATA]:
            raise InvalidRequest(f"metadata_field must be {METADATA}, and nothing else is known.")
        inference = self._models.inference(*self._named(asked.model_spec))
        definitions = {}
        for name, found in signatures(inference).items():
            inputs, outputs = map(_infos, found.told)
            definitions[name] = {"inputs": inputs, "outputs": outputs, "method_name": METHOD}
        answer = _class("GetModelMetadataResponse")(model_spec=_spec(inference.identity.name))
        answer.metadata[METADATA].Pack(_class("SignatureDefMap")(signature_def=definitions))
        data: bytes = answer.SerializeToString()
        return data

    async def get_model_status(self, request: bytes, caller: Caller) -> bytes:
        """Where a model is. Raises UnknownModel."""
        asked = parsed(_class("GetModelStatusRequest"), request)
        state, code, message = state_of(self._models.entry(*self._named(asked.model_spec)))
        status = {"error_code": _CODES[code], "error_message": message}
        version = {"version": int(VERSION), "state": state, "status": status}
        data: bytes = _class("GetModelStatusResponse")(model_version_status=[version]).SerializeToString()
        return data

    def _named(self, spec: Any) -> tuple[str, str]:
        """Name and version that a request asks for; an absent version is whatever is served. Raises RequestError."""
        if not spec.name:
            raise InvalidRequest("model_spec.name is missing.")
        self._models.check_label(spec.name, spec.version_label)
        return spec.name, str(spec.version.value) if spec.HasField("version") else ""

    async def unimplemented(self, request: bytes, caller: Caller) -> bytes:
        """Methods of the two services that mean nothing here."""
        raise Refused(Status.UNIMPLEMENTED, "Not served here: ask Predict, GetModelMetadata or GetModelStatus.")


async def _parsed(request: bytes) -> tuple[Any, list[memoryview]]:
    """A request without its tensors, and the entries of its map of inputs."""
    if len(request) <= INLINE_BYTES:
        asked = parsed(_Request, request)
        return asked, [memoryview(entry) for entry in asked.inputs]
    rest, cuts = await asyncio.to_thread(split, request, {_INPUTS: None})
    return parsed(_Request, rest), [pieces[0] for pieces in cuts[_INPUTS]]


def _spec(name: str, signature: str = "") -> Any:
    return _class("ModelSpec")(name=name, version={"value": int(VERSION)}, signature_name=signature)


def _infos(tensors: Sequence[Field]) -> dict[str, Any]:
    return {
        field.name: {
            "name": field.name,
            "dtype": tfs_tensors.dtype_of(field.datatype),
            "tensor_shape": tfs_tensors.shape_of(field.shape),
        }
        for field in tensors
    }


def _entry(data: memoryview) -> tuple[str, memoryview]:
    """Name and tensor of an entry of the map of inputs."""
    name, value = "", memoryview(b"")
    for field in fields(data):
        if field.kind == DELIMITED and field.number == _VALUE:
            value = field.value
        elif field.kind == DELIMITED and field.number == _KEY:
            try:
                name = bytes(field.value).decode()
            except UnicodeDecodeError:
                raise InvalidRequest("The name of an input is not UTF-8.") from None
    if not name:
        raise InvalidRequest("inputs: a name is missing.")
    return name, value
