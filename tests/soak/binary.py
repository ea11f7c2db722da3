"""The doors whose tensors are bytes: v2 with binary data, and gRPC with raw contents. Written apart from the server's
own codec, which is what they look at."""

import struct
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import numpy as np
import orjson

from modelmoor_server.grpc.messages import message_class
from soak.doors import HttpDoor, Question, Refused

_DTYPES = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "INT32": "<i4", "BOOL": "?", "UINT8": "u1"}
_INFER = "/inference.GRPCInferenceService/ModelInfer"


class BinaryV2(HttpDoor):
    """Open Inference Protocol over HTTP, tensors as bytes both ways."""

    name = "v2 binary"
    any_outputs = True

    def request(self, question: Question) -> tuple[str, bytes, bytes]:
        tensors, pieces = [], []
        for name, datatype, shape, piece in _tensors(question):
            parameters = {"binary_data_size": len(piece)}
            tensors.append({"name": name, "datatype": datatype, "shape": shape, "parameters": parameters})
            pieces.append(piece)
        body: dict[str, Any] = {"inputs": tensors, "parameters": {"binary_data_output": True}}
        if question.outputs:
            body["outputs"] = [{"name": name} for name in question.outputs]
        header = orjson.dumps(body)
        length = b"Inference-Header-Content-Length: %d\r\n" % len(header)
        return f"/v2/models/{question.model.name}/infer", length, b"".join((header, *pieces))

    def answer(self, question: Question, headers: dict[bytes, bytes], body: bytes) -> dict[str, Any]:
        position = int(headers[b"inference-header-content-length"])
        outputs = {}
        for output in orjson.loads(body[:position])["outputs"]:
            size = output["parameters"]["binary_data_size"]
            outputs[output["name"]] = _values(output["datatype"], body[position : position + size])
            position += size
        if position != len(body):
            raise Refused(f"200 with {len(body) - position} bytes too many")
        return outputs


class Grpc:
    """ModelInfer with raw contents. port: that of gRPC."""

    name = "grpc"
    any_outputs = True

    def __init__(self, port: int) -> None:
        self._port = port

    async def connect(self, port: int) -> "GrpcSession":
        """Over a channel of its own, to the port of gRPC instead of HTTP's."""
        return GrpcSession(self._port)


class GrpcSession:
    """One channel, which opens its connection again where the server ends it by age."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open()

    def _open(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]  # connections of one's own, as other callers have them
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{self._port}", options=options)
        answer = message_class("inference.ModelInferResponse")
        self._infer = self._channel.unary_unary(_INFER, lambda m: m.SerializeToString(), answer.FromString)
        self._closed = False

    async def ask(self, question: Question) -> dict[str, Any]:
        """Arrays by output. Raises Refused."""
        if self._closed:  # after a failure
            self._open()
        tensors = list(_tensors(question))
        asked = message_class("inference.ModelInferRequest")(
            model_name=question.model.name,
            inputs=[{"name": name, "datatype": datatype, "shape": shape} for name, datatype, shape, _ in tensors],
            outputs=[{"name": name} for name in question.outputs],
            raw_input_contents=[piece for *_, piece in tensors],
        )
        try:
            answer = await self._infer(asked)
        except grpc.aio.AioRpcError as error:
            raise Refused(f"{error.code().name} {error.details()}") from None
        pairs = zip(answer.outputs, answer.raw_output_contents, strict=True)
        return {output.name: _values(output.datatype, raw) for output, raw in pairs}

    async def close(self) -> None:
        self._closed = True
        await self._channel.close()


def _tensors(question: Question) -> Iterator[tuple[str, str, list[int], bytes]]:
    for name, (datatype, array) in question.model.inputs.items():
        part = array[question.begin : question.end]
        if datatype == "BYTES":
            texts = [text.encode() for text in part.ravel().tolist()]
            piece = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        else:
            piece = part.astype(_DTYPES[datatype]).tobytes()
        yield name, datatype, list(part.shape), piece


def _values(datatype: str, raw: bytes) -> Any:
    if datatype != "BYTES":
        return np.frombuffer(raw, _DTYPES[datatype])
    texts, position = [], 0
    while position < len(raw):
        (size,) = struct.unpack_from("<I", raw, position)
        texts.append(raw[position + 4 : position + 4 + size].decode())
        position += 4 + size
    return texts
