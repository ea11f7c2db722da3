"""The doors for gRPC. A document is a message by its fields' numbers, and is written without asking protobuf.

{"hex": "..."} are bytes; numbers go as varints, fractions as doubles, text and objects behind their length; a list of
numbers or of fractions is packed, any other list repeats its field.
"""

import contextlib
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from modelmoor_server.grpc.messages import message_class
from modelmoor_server.grpc.wire import delimited, varint
from unit.serving.hostile.doors import MARKER, TIMEOUT, Neighbour, Sending, Verdict
from unit.serving.process import Started

INFERENCE, PREDICTION = "/inference.GRPCInferenceService", "/tensorflow.serving.PredictionService"
MODEL, HEALTH = "/tensorflow.serving.ModelService", "/grpc.health.v1.Health"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
STREAM = f"{INFERENCE}/ModelStreamInfer"
# As in trust.md: a fault of the caller has one of these; UNKNOWN, INTERNAL and the rest are the server's.
REFUSALS = frozenset(
    (
        "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "PERMISSION_DENIED",
        "FAILED_PRECONDITION", "OUT_OF_RANGE",
    )
)  # fmt: skip
HEADERS = (
    {"accept-encoding": "gzip"}, {"accept-encoding": MARKER}, {"authorization": f"Bearer {MARKER}"},
    {MARKER.lower(): MARKER}, {"x-request-id": MARKER * 50}, {"a-bin": MARKER}, {"content-encoding": MARKER},
    {"cookie": MARKER}, {"inference-header-content-length": MARKER}, {"x": MARKER * 2000},
)  # fmt: skip
TARGETS = (
    f"/{MARKER}", f"{INFERENCE}/{MARKER}", f"/{MARKER}/ModelInfer", f"{INFERENCE}/ModelInfer/{MARKER}", "//", "/",
    f"{INFERENCE}/ModelMetadata", f"{INFERENCE}/ModelReady", f"{INFERENCE}/ServerReady", f"{INFERENCE}/RepositoryIndex",
    f"{INFERENCE}/RepositoryModelLoad", f"{INFERENCE}/RepositoryModelUnload", f"{PREDICTION}/Predict",
    f"{PREDICTION}/Classify", f"{PREDICTION}/GetModelMetadata", f"{MODEL}/GetModelStatus", f"{INFERENCE}/ModelInfer",
    f"{MODEL}/HandleReloadConfigRequest", f"{HEALTH}/Check", STREAM, REFLECTION,
)  # fmt: skip
_GOOD = delimited(1, b"sum") + delimited(5, b"\x0a\x01x\x12\x04FP64\x1a\x02\x01\x03") + delimited(7, bytes(24))
_StreamAnswer = message_class("inference.ModelStreamInferResponse")


def written(document: Any) -> bytes:
    """A message, or what has become of it, as bytes."""
    if not isinstance(document, dict):
        return _element(1, document)
    return b"".join(_element(int(key) if re.fullmatch("[0-9]{1,9}", key) else 1 + len(key) % 20, value)
                    for key, value in document.items())  # fmt: skip


def _element(number: int, value: Any) -> bytes:
    if isinstance(value, int):  # what is beyond 64 bits stays so, and is no protobuf
        return varint(number << 3) + varint(value if value >= 0 else value & (1 << 64) - 1)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, dict) and value.keys() == {"hex"} and isinstance(value["hex"], str):
        return delimited(number, bytes.fromhex("".join(re.findall("[0-9a-f]{2}", value["hex"]))))
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        return delimited(number, b"".join(varint(item & (1 << 64) - 1) for item in value))
    if isinstance(value, list) and value and all(type(item) is float for item in value):
        return delimited(number, struct.pack(f"<{len(value)}d", *value))
    if isinstance(value, list):
        return b"".join(_element(number, item) for item in value)
    return delimited(number, value.encode("utf-8", "surrogatepass") if isinstance(value, str) else written(value or {}))


class Grpc:
    """A door of the gRPC port. Each request has a connection of its own."""

    headers = HEADERS
    targets = TARGETS

    def __init__(self, name: str, good: Sequence[tuple[str, Any]]) -> None:
        self.name = name
        self.good = good

    def encode(self, document: Any, *, escaped: bool = True) -> tuple[bytes, Mapping[str, str]]:
        return written(document), {}

    def send(self, server: Started, sending: Sending) -> Verdict:
        """One call. Of a stream the spoiled request is the first, and a good one follows."""
        with calling(server) as channel:
            return asked(channel, sending)


@contextlib.contextmanager
def calling(server: Started) -> Iterator[grpc.Channel]:
    """A connection of its own, without any limit on messages."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=options) as channel:
        yield channel


def asked(channel: grpc.Channel, sending: Sending) -> Verdict:
    """What came of one call."""
    words = {
        "metadata": [(key, text.encode() if key.endswith("-bin") else text) for key, text in sending.headers.items()],
        "compression": grpc.Compression.Gzip if sending.packed else None,
        "timeout": TIMEOUT,
    }  # fmt: skip
    streamed = sending.target in (STREAM, REFLECTION)
    requests = [sending.body, *([_GOOD] if sending.target == STREAM else [])]
    answers: list[bytes] = []
    try:
        if streamed:
            call = channel.stream_stream(sending.target)(iter(requests), **words)
            answers += call
            code = call.code()
        else:
            body, call = channel.unary_unary(sending.target).with_call(sending.body, **words)
            answers.append(body)
            code = call.code()
    except grpc.RpcError as error:
        code, call = error.code(), error
    text = f"{code.name}: {call.details()} {call.initial_metadata()} {call.trailing_metadata()} {answers!r}"
    if streamed and sending.target == STREAM and code is grpc.StatusCode.OK:
        first, second = map(_StreamAnswer.FromString, answers)
        assert second.infer_response.outputs, "the stream's second request was not answered"
        return Verdict(not first.error_message, bool(first.error_message), text)
    return Verdict(code is grpc.StatusCode.OK, code.name in REFUSALS, text)


_FLAT = [5.1, 3.5, 1.4, 0.2, 6.7, 3.0, 5.2, 2.3]
_TYPED = {
    "1": "iris", "2": "1", "3": "42", "4": {"1": "a", "2": {"2": 7}},
    "5": [{"1": "x", "2": "FP64", "3": [2, 4], "5": {"7": _FLAT}}],
    "6": [{"1": "predict"}, {"1": "predict_proba"}],
}  # fmt: skip
_PEOPLE = {
    "1": "people",
    "5": [
        {"1": "age", "2": "INT64", "3": [2], "5": {"3": [20, 30]}},
        {"1": "city", "2": "BYTES", "3": [2, 1], "5": {"8": ["Rome", "Paris"]}},
    ],
}
_RAW = {"1": "iris", "5": [{"1": "x", "2": "FP32", "3": [1, 4]}], "7": [{"hex": "00002041" * 4}]}
_TEXTS = {
    "1": "text", "5": [{"1": "x", "2": "BYTES", "3": [2], "4": {"1": "content_type", "2": {"3": "str"}}}],
    "7": [{"hex": "03000000646179" + "04000000676f6f64"}],
}  # fmt: skip
_SPEC = {"1": "iris", "2": {"1": 1}, "3": "serving_default"}
_DOUBLES = {
    "1": _SPEC,
    "2": [{"1": "x", "2": {"1": 2, "2": {"2": [{"1": 1}, {"1": 4}]}, "6": _FLAT[:4]}}],
    "3": ["predict"],
}
_CONTENT = {
    "1": {"1": "sum"},
    "2": [{"1": "x", "2": {"1": 1, "2": {"2": [{"1": 1}, {"1": 3}]}, "4": {"hex": "00002041" * 3}}}],
}
_COLUMNS = {
    "1": {"1": "people", "4": "stable"},
    "2": [
        {"1": "age", "2": {"1": 9, "2": {"2": [{"1": 2}]}, "10": [20, 30]}},
        {"1": "city", "2": {"1": 7, "2": {"2": [{"1": 2}, {"1": 1}]}, "8": ["Rome", "Paris"]}},
    ],
}  # fmt: skip
INFER = Grpc("grpc", [(f"{INFERENCE}/ModelInfer", each) for each in (_TYPED, _PEOPLE, _RAW, _TEXTS)])
STREAMED = Grpc("grpc-stream", [(STREAM, each) for each in (_TYPED, _RAW)])
PREDICT = Grpc("grpc-tfs", [(f"{PREDICTION}/Predict", each) for each in (_DOUBLES, _CONTENT, _COLUMNS)])
OTHERS = Grpc(
    "grpc-others",
    [
        (f"{INFERENCE}/ModelMetadata", {"1": "iris", "2": "1"}),
        (f"{INFERENCE}/ModelReady", {"1": "iris"}),
        (f"{INFERENCE}/ServerReady", {}),
        (f"{INFERENCE}/RepositoryIndex", {"1": "a", "2": True}),
        (f"{PREDICTION}/GetModelMetadata", {"1": _SPEC, "2": ["signature_def"]}),
        (f"{MODEL}/GetModelStatus", {"1": _SPEC}),
        (f"{HEALTH}/Check", {"1": "iris"}),
        (REFLECTION, {"1": "a", "4": "inference.GRPCInferenceService.ModelInfer"}),
        (REFLECTION, {"3": "inference.proto"}),
        (REFLECTION, {"6": "inference.ModelInferRequest"}),
        (REFLECTION, {"5": {"1": "a", "2": 1}}),
        (REFLECTION, {"7": ""}),
    ],
)
GRPC: Sequence[Grpc] = (INFER, STREAMED, PREDICT, OTHERS)


@dataclass(kw_only=True)
class Neighbours(Neighbour):
    """A well-behaved caller at both ports."""

    channel: grpc.Channel
    told: bytes = b""

    def ask(self) -> None:
        """One small request to each; fails where an answer differs from the first one."""
        super().ask()
        answer = self.channel.unary_unary(f"{INFERENCE}/ModelInfer")(_GOOD, timeout=TIMEOUT)
        self.told = self.told or answer
        assert answer == self.told
