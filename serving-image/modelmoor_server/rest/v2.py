"""Open Inference Protocol v2: tensors as JSON or as binary data, both ways."""

from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from modelmoor_server.apart.reader import APART_BYTES
from modelmoor_server.errors import InvalidRequest
from modelmoor_server.http.message import Response
from modelmoor_server.protocols.v2 import Form
from modelmoor_server.rest import numbers, payload, slices, v2_request
from modelmoor_server.rest.calls import HttpCall

if TYPE_CHECKING:
    from modelmoor_server.exchange import InferenceRequest, InferenceResponse, OutputTensor
    from modelmoor_server.inference import Inference
    from modelmoor_server.intake import Intake
    from modelmoor_server.signature import Field

BINARY = b"application/octet-stream"


class V2Call(HttpCall):
    """`POST /v2/models/{model}/infer`."""

    __slots__ = ("_all_binary", "_forms", "_json_limit", "_json_size", "_stated")
    door: ClassVar[str] = "v2"
    noted: ClassVar[tuple[str, ...]] = ("_all_binary", "_forms", "_json_limit", "_json_size", "_stated")
    takes_binary: ClassVar[bool] = True

    def __init__(self, intake: "Intake", body: bytes) -> None:
        super().__init__(intake, body)
        self._stated: bytes | None = None  # the JSON's length, as the head has it
        self._json_limit = 0
        self._json_size: int | None = None  # of an answer with binary data
        self._forms: dict[str, Form] = {}
        self._all_binary = False

    def expect_binary(self, header_length: bytes, json_limit: int) -> None:
        self._stated, self._json_limit = header_length, json_limit

    @property
    def apart(self) -> bool:
        """Binary tensors cost nothing to decode: what counts is the JSON in front."""
        if self._stated is None:
            return super().apart
        return self._stated.isdigit() and APART_BYTES < int(self._stated[:10]) <= self._json_limit

    def _decode(self) -> "InferenceRequest":
        if self._stated is None:
            if (found := numbers.of_v2(self._intake, self._body)) is not None:
                request, asked = found
                self._forms = asked.forms
                return request
            return self._tensors(payload.parse(self._body), None)
        length = v2_request.header_length(self._stated, self._body, self._json_limit)
        data = memoryview(self._body)[length:]
        return self._tensors(payload.parse(self._body[:length]), data) if length else self._read_raw(data)

    def _encode(self, response: "InferenceResponse") -> bytes:
        body: dict[str, Any] = {"model_name": self._intake.name, "model_version": self._intake.version}
        if response.id is not None:
            body["id"] = response.id
        if self._forms or self._all_binary:
            from modelmoor_server.rest import v2_answer  # brings numpy, which is not there when the doors open

            default = Form(self._all_binary)
            signature = self._intake.signature
            encoded, self._json_size = v2_answer.encode(body, response.outputs, self._forms, default, signature)
            return encoded
        body["outputs"] = [_member(output) for output in response.outputs]
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)

    def response(self, body: bytes) -> Response:
        if self._json_size is None:
            return Response(200, body)
        length = (b"Inference-Header-Content-Length", b"%d" % self._json_size)
        return Response(200, body, BINARY, (length,))

    def _tensors(self, document: dict[str, Any], data: memoryview | None) -> "InferenceRequest":
        names, self._forms, self._all_binary = v2_request.outputs(document)
        tensors, frame = v2_request.inputs(document, data)
        arrays = self._intake.from_tensors(tensors, frame=frame)
        return self._intake.request(arrays, names, payload.text(document, "id"))

    def _read_raw(self, data: memoryview) -> "InferenceRequest":
        """A body without JSON: the bytes of the one input. The answer is binary, as Triton's is."""
        from modelmoor_server.signature.raw import whole_body

        self._forms, self._all_binary = {}, True
        fields = self._intake.signature.inputs
        if len(fields) != 1:
            raise InvalidRequest(f"A raw body goes to a model of one input; this one has {len(fields)}.")
        return self._intake.request(self._intake.from_tensors([whole_body(fields[0], data)]))


def _member(output: "OutputTensor") -> dict[str, Any]:
    name, datatype, array = output
    if array.dtype == object or array.size > slices.SLICE:
        from modelmoor_server.rest import v2_answer

        return v2_answer.json_member(output)
    return {"name": name, "shape": array.shape, "datatype": datatype, "data": array.ravel()}


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
