"""A gRPC client of our own: grpcio's channel, and the messages of our own .proto files."""

from collections.abc import AsyncIterable, Iterable
from typing import Any

import grpc
import grpc.aio

from modelmoor_server.grpc.messages import message_class

INFERENCE = "inference.GRPCInferenceService"
PREDICTION = "tensorflow.serving.PredictionService"
MODEL = "tensorflow.serving.ModelService"
HEALTH = "grpc.health.v1.Health"
ROW = [0.1, 0.2, 0.3, 0.4]


def message(name: str, /, **members: Any) -> Any:
    """A message of the service's package, or of any by its full name."""
    return message_class(name if "." in name else f"inference.{name}")(**members)


def request(model: str = "iris", values: Iterable[float] = ROW, *, columns: int = 4, **members: Any) -> Any:
    """A ModelInferRequest of one FP64 matrix."""
    flat = list(values)
    tensor = {
        "name": "x",
        "datatype": "FP64",
        "shape": [len(flat) // columns, columns],
        "contents": {"fp64_contents": flat},
    }
    return message("ModelInferRequest", model_name=model, inputs=[tensor], **members)


class Client:
    """A channel. Calls raise grpc.aio.AioRpcError."""

    def __init__(self, port: int, **options: Any) -> None:
        known = {"grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1}
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=list((known | options).items()))

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    def call(self, method: str, asked: Any, answer: str, *, service: str = INFERENCE, **words: Any) -> Any:
        """One call, to be awaited or cancelled."""
        kind = message_class(answer if "." in answer else f"inference.{answer}")
        path = f"/{service}/{method}"
        serialize = None if isinstance(asked, bytes) else lambda m: m.SerializeToString()
        return self.channel.unary_unary(path, serialize, kind.FromString)(asked, **words)

    def infer(self, asked: Any, **words: Any) -> Any:
        """ModelInfer."""
        return self.call("ModelInfer", asked, "ModelInferResponse", **words)

    def stream(self, asked: AsyncIterable[Any] | None = None, **words: Any) -> Any:
        """ModelStreamInfer."""
        return self.streaming(f"/{INFERENCE}/ModelStreamInfer", "inference.ModelStreamInferResponse")(asked, **words)

    def streaming(self, path: str, answer: str) -> Any:
        """Any method whose both sides are streams."""
        return self.channel.stream_stream(path, lambda m: m.SerializeToString(), message_class(answer).FromString)


def status(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    """Code and sentence."""
    return error.code().name, error.details() or ""
