"""Open Inference Protocol v2: its messages in, its messages out."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any, ClassVar, NamedTuple

from modelmoor_server.errors import InvalidRequest, RequestError, bare
from modelmoor_server.grpc import v2_tensors
from modelmoor_server.grpc.calls import Caller, Models, PredictCall, Refused, Respond, Status, Withdrawable
from modelmoor_server.grpc.messages import message_class, parsed
from modelmoor_server.grpc.streams import until
from modelmoor_server.grpc.wire import delimited, split
from modelmoor_server.inference import INLINE_BYTES, Inference, InferenceRequest, InferenceResponse, OutputTensor
from modelmoor_server.protocols import v2
from modelmoor_server.protocols.v2 import Form
from modelmoor_server.protocols.v2_outputs import formed
from modelmoor_server.rest.v2 import metadata
from modelmoor_server.signature import Datatype
from modelmoor_server.signature.raw import to_bytes
from modelmoor_server.signature.values import check_shape, shown

WINDOW = 16  # requests of one stream in work; beyond, the next is not read, and flow control stops the client
_INPUTS, _CONTENTS, _RAW = 5, 5, 7  # fields of a request
_OUTPUTS, _OUTPUT_CONTENTS, _RAW_OUTPUTS = 5, 5, 6  # fields of a response
_AS_IT_IS = Form()


def _class(name: str) -> Any:
    return message_class(f"inference.{name}")


_Request = message_class("modelmoor.wire.ModelInferRequest")
_Response, _StreamResponse = _class("ModelInferResponse"), _class("ModelStreamInferResponse")
# tritonclient asks every answer of a stream whether another one to the same request will follow
_FINAL: bytes = _Response(parameters={"triton_final_response": {"bool_param": True}}).SerializeToString()
_OutputTensor = _class("ModelInferResponse.InferOutputTensor")
_IN_BASE64: bytes = _OutputTensor(parameters={"content_type": {"string_param": "base64"}}).SerializeToString()


class Parsed(NamedTuple):
    """A request without its tensors, and those: an input's `contents` in pieces, and the raw contents."""

    size: int
    head: Any
    contents: list[list[memoryview]]
    raw: list[memoryview]


class InferCall(PredictCall):
    """ModelInfer, and each request of a ModelStreamInfer."""

    door: ClassVar[str] = "grpc"

    def __init__(self, inference: Inference, request: Parsed) -> None:
        super().__init__(inference, request.size)
        self._head = request.head
        self._contents = request.contents
        self._raw = request.raw
        self._forms: dict[str, Form] = {}

    def decode(self) -> InferenceRequest:
        head = self._head
        overall = v2.content_type(_plain(head.parameters), "") if head.parameters else None
        if not head.inputs:
            raise InvalidRequest("inputs must hold at least one tensor.")
        if self._raw and len(self._raw) != len(head.inputs):
            raise InvalidRequest(
                f"raw_input_contents has {len(self._raw)} elements for {len(head.inputs)} inputs: send one for each."
            )
        tensors = [self._tensor(position, tensor, overall) for position, tensor in enumerate(head.inputs)]
        names: list[str] = []
        if head.outputs:
            self._forms = {
                output.name: v2.form(_plain(output.parameters), f"outputs[{position}]")
                for position, output in enumerate(head.outputs)
                if output.parameters
            }
            names = [output.name for output in head.outputs]
        arrays = self.inference.from_tensors(tensors, frame=overall == "pd")
        return self.inference.request(arrays, names, head.id or None)

    def _tensor(self, position: int, tensor: Any, overall: str | None) -> tuple[str, str, tuple[int, ...], Any]:
        where, name = f"inputs[{position}]", tensor.name
        if not name:
            raise InvalidRequest(f"{where}: name is missing.")
        if self._raw and not overall and not tensor.parameters and not any(map(len, self._contents[position])):
            return name, tensor.datatype, check_shape(tensor.shape, name), self._raw[position]
        parameters = _plain(tensor.parameters)
        v2.refuse_shared_memory(parameters, where)
        means = v2.meaning(tensor.datatype, parameters, overall, where)
        shape = check_shape(tensor.shape, tensor.name)
        data = self._data(position, tensor, f"input {shown(tensor.name)}")
        data = v2.decoded(means, (tensor.name, tensor.datatype, shape, data), where)
        return tensor.name, tensor.datatype, shape, data

    def _data(self, position: int, tensor: Any, where: str) -> Any:
        if not self._raw:
            return v2_tensors.from_typed(self._contents[position], tensor.datatype, where)
        if any(map(len, self._contents[position])):
            raise InvalidRequest(f"{where}: contents and raw_input_contents must not both be sent.")
        return self._raw[position]

    def encode(self, response: InferenceResponse) -> bytes:
        """Raw where the request was raw, and where an output has no typed form."""
        outputs: Sequence[OutputTensor] = response.outputs
        if self._forms:
            signature = self.inference.signature
            outputs = [formed(output, self._forms.get(output.name, _AS_IT_IS), signature) for output in outputs]
        raw = bool(self._raw) or any(output.datatype == Datatype.FP16 for output in outputs)
        parts = [_answer_head(self.inference.name, self.inference.version)]
        if self._head.id:
            parts.append(_Response(id=self._head.id).SerializeToString())
        contents = []
        for output in outputs:
            data = _described(output.name, output.datatype, output.array.shape)
            if self._forms and self._forms.get(output.name, _AS_IT_IS).base64:
                data += _IN_BASE64
            if raw:
                contents.append(delimited(_RAW_OUTPUTS, to_bytes(output.array)))
            else:
                data += delimited(_OUTPUT_CONTENTS, v2_tensors.typed_of(output.array, output.datatype))
            parts.append(delimited(_OUTPUTS, data))
        return b"".join(parts + contents)


class V2:
    """The methods of `inference.GRPCInferenceService`. extensions: what the server says it has."""

    def __init__(self, models: Models, extensions: Sequence[str]) -> None:
        self._models = models
        self._extensions = extensions
        self._repository = models.repository

    async def server_live(self, request: bytes, caller: Caller) -> bytes:
        """The process answers."""
        parsed(_class("ServerLiveRequest"), request)
        return _bytes("ServerLiveResponse", live=True)

    async def server_ready(self, request: bytes, caller: Caller) -> bytes:
        """Whether it may be given requests."""
        parsed(_class("ServerReadyRequest"), request)
        return _bytes("ServerReadyResponse", ready=self._repository.ready)

    async def model_ready(self, request: bytes, caller: Caller) -> bytes:
        """Whether a model answers. Raises UnknownModel."""
        asked = parsed(_class("ModelReadyRequest"), request)
        entry = self._models.entry(asked.name, asked.version)
        return _bytes("ModelReadyResponse", ready=entry.inference is not None)

    async def server_metadata(self, request: bytes, caller: Caller) -> bytes:
        """Name, version and extensions of the server."""
        parsed(_class("ServerMetadataRequest"), request)
        known = version("modelmoor-server")
        return _bytes("ServerMetadataResponse", name="modelmoor", version=known, extensions=self._extensions)

    async def model_metadata(self, request: bytes, caller: Caller) -> bytes:
        """Inputs and outputs, as over REST. Raises UnknownModel, ModelNotReady."""
        asked = parsed(_class("ModelMetadataRequest"), request)
        told = metadata(self._models.inference(asked.name, asked.version))
        tensors = {
            side: [{key: tensor[key] for key in ("name", "datatype", "shape")} for tensor in told[side]]
            for side in ("inputs", "outputs")
        }
        return _bytes(
            "ModelMetadataResponse", name=told["name"], versions=told["versions"], platform=told["platform"], **tensors
        )

    async def model_infer(self, request: bytes, caller: Caller) -> bytes:
        """A prediction. Raises RequestError."""
        return await self._models.predict(self._call(await self._parsed(request)), caller)

    def begin_infer(self, request: bytes, caller: Caller, respond: Respond) -> Withdrawable | None:
        """The same without a coroutine, for what may be parsed on the loop. Raises RequestError."""
        if len(request) > INLINE_BYTES:
            return None
        return self._models.begin(self._call(self._small(request)), caller, respond)

    async def model_stream_infer(self, requests: AsyncIterator[bytes], caller: Caller) -> AsyncIterator[bytes]:
        """Predictions, answered in the order of their requests; an error is a message, and the stream goes on."""
        waiting: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(WINDOW - 2)

        async def read() -> None:
            try:
                async for request in until(requests, caller.closing):
                    await waiting.put(asyncio.ensure_future(self._streamed(request, caller)))
            finally:
                await waiting.put(None)

        # at most WINDOW: those that wait here, the one whose answer is next, and the one that finds no place
        reader = asyncio.ensure_future(read())
        task: asyncio.Task[bytes] | None = None
        try:
            while (task := await waiting.get()) is not None:
                yield await task
            await reader
        finally:
            for left in (reader, task, *_drained(waiting)):
                if left is not None:
                    left.cancel()
        if caller.closing.is_set():
            raise Refused(Status.UNAVAILABLE, "The server ends this stream: open a new one.")

    async def _parsed(self, request: bytes) -> Parsed:
        if len(request) <= INLINE_BYTES:
            return self._small(request)
        try:
            rest, cuts = await asyncio.to_thread(split, request, {_INPUTS: _CONTENTS, _RAW: None})
            return Parsed(len(request), parsed(_Request, rest), cuts[_INPUTS], [pieces[0] for pieces in cuts[_RAW]])
        except InvalidRequest:
            self._models.refuse()
            raise

    def _small(self, request: bytes) -> Parsed:
        try:
            head = parsed(_Request, request)
        except InvalidRequest:
            self._models.refuse()
            raise
        contents = [[memoryview(piece) for piece in tensor.contents] for tensor in head.inputs]
        return Parsed(len(request), head, contents, [memoryview(raw) for raw in head.raw_input_contents])

    def _call(self, request: Parsed) -> InferCall:
        head = request.head
        return InferCall(self._models.inference(head.model_name, head.model_version, InferCall.door), request)

    async def _streamed(self, request: bytes, caller: Caller) -> bytes:
        answer = _Response()
        try:
            asked = await self._parsed(request)
            answer.id = asked.head.id
            body = await self._models.predict(self._call(asked), caller)
        except RequestError as problem:
            message: bytes = _StreamResponse(
                error_message=str(bare(problem)), infer_response=answer
            ).SerializeToString()
            return message + delimited(2, _FINAL)
        return delimited(2, body + _FINAL)


@lru_cache(64)
def _answer_head(name: str, version: str) -> bytes:
    data: bytes = _Response(model_name=name, model_version=version).SerializeToString()
    return data


@lru_cache(1024)
def _described(name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
    data: bytes = _OutputTensor(name=name, datatype=datatype, shape=shape).SerializeToString()
    return data


def _drained(queue: "asyncio.Queue[asyncio.Task[bytes] | None]") -> list["asyncio.Task[bytes] | None"]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def _bytes(name: str, /, **members: Any) -> bytes:
    message: bytes = _class(name)(**members).SerializeToString()
    return message


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as REST has them; None for one without a value."""
    return {name: _value(parameter) for name, parameter in parameters.items()} if parameters else {}


def _value(parameter: Any) -> Any:
    choice = parameter.WhichOneof("parameter_choice")
    return None if choice is None else getattr(parameter, choice)
