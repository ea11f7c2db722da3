"""TensorFlow Serving: `tensorflow.serving.PredictionService` and `ModelService`."""

import asyncio
from typing import Any, ClassVar

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.grpc import tfs_tensors
from modelmoor_server.grpc.calls import Caller, Models, PredictCall, Refused, Status
from modelmoor_server.grpc.messages import message_class, parsed
from modelmoor_server.grpc.wire import DELIMITED, delimited, fields, split
from modelmoor_server.inference import INLINE_BYTES, Inference, InferenceRequest, InferenceResponse
from modelmoor_server.repository import State
from modelmoor_server.rest.tfs import LABEL, SERVING_DEFAULT, VERSION
from modelmoor_server.signature import Field
from modelmoor_server.signature.values import shown

METADATA = "signature_def"
_INPUTS, _OUTPUTS = 2, 1  # the maps of a request and of a response
_KEY, _VALUE = 1, 2  # of an entry of a map
_UNKNOWN = 2  # gRPC's status for a failure that has no better word


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

    def decode(self) -> InferenceRequest:
        if not self._inputs:
            raise InvalidRequest("inputs must hold at least one tensor.")
        tensors: dict[str, tuple[str, Any, Any]] = {}
        for entry in self._inputs:
            name, value = _entry(entry)
            tensors[name] = tfs_tensors.array_of(value, f"input {shown(name)}")  # the last of a name, as in any map
        arrays = self.inference.from_tensors((name, *tensor) for name, tensor in tensors.items())
        return self.inference.request(arrays, list(self._head.output_filter))

    def encode(self, response: InferenceResponse) -> bytes:
        parts = [_class("PredictResponse")(model_spec=_spec(self.inference.identity.name)).SerializeToString()]
        for output in response.outputs:
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
        inference = self._models.inference(*_named(asked.model_spec), PredictionCall.door)
        _check_signature(asked.model_spec)
        return await self._models.predict(PredictionCall(inference, len(request), asked, inputs), caller)

    async def get_model_metadata(self, request: bytes, caller: Caller) -> bytes:
        """The signature of a model. Raises RequestError."""
        asked = parsed(_class("GetModelMetadataRequest"), request)
        if list(asked.metadata_field) != [METADATA]:
            raise InvalidRequest(f"metadata_field must be {METADATA}, and nothing else is known.")
        inference = self._models.inference(*_named(asked.model_spec))
        signature = {
            "inputs": _infos(inference.signature.inputs),
            "outputs": _infos(inference.signature.outputs),
            "method_name": "tensorflow/serving/predict",
        }
        answer = _class("GetModelMetadataResponse")(model_spec=_spec(inference.identity.name))
        answer.metadata[METADATA].Pack(_class("SignatureDefMap")(signature_def={SERVING_DEFAULT: signature}))
        data: bytes = answer.SerializeToString()
        return data

    async def get_model_status(self, request: bytes, caller: Caller) -> bytes:
        """Where a model is. Raises UnknownModel."""
        asked = parsed(_class("GetModelStatusRequest"), request)
        entry = self._models.entry(*_named(asked.model_spec))
        states = {State.READY: "AVAILABLE", State.LOADING: "LOADING", State.FAILED: "END", State.UNLOADED: "END"}
        failed = {"error_code": _UNKNOWN, "error_message": str(entry.problem)} if entry.state is State.FAILED else {}
        status = {"version": int(VERSION), "state": states[entry.state], "status": failed}
        data: bytes = _class("GetModelStatusResponse")(model_version_status=[status]).SerializeToString()
        return data

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


def _named(spec: Any) -> tuple[str, str]:
    """Name and version that a request asks for; an absent version is whatever is served."""
    if not spec.name:
        raise InvalidRequest("model_spec.name is missing.")
    if spec.HasField("version"):
        return spec.name, str(spec.version.value)
    return spec.name, "" if spec.version_label == LABEL else spec.version_label


def _check_signature(spec: Any) -> None:
    if spec.signature_name not in ("", SERVING_DEFAULT):
        raise InvalidRequest(f"The model has one signature: {SERVING_DEFAULT}.")


def _spec(name: str) -> Any:
    return _class("ModelSpec")(name=name, version={"value": int(VERSION)}, signature_name=SERVING_DEFAULT)


def _infos(tensors: tuple[Field, ...]) -> dict[str, Any]:
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
