"""What goes over the wire: the same rows as JSON (v1, v2), as binary tensors over HTTP, and as a gRPC message."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from bench.models import Model
from modelmoor_server.grpc.messages import message_class

INFER = "/inference.GRPCInferenceService/ModelInfer"
PROTOCOLS = ("v1", "v2", "binary", "grpc", "own", "constant")
"""own: the body of v1 at a path of the peer's own, where it speaks no common protocol. constant: the bare server."""

_DATATYPES = {"float64": "FP64", "float32": "FP32", "int64": "INT64", "object": "BYTES"}
_DTYPES = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "INT32": "<i4", "UINT8": "u1"}


@dataclass(frozen=True)
class Request:
    """One POST. body: of gRPC with the five bytes before the message, as it is sent."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def request(protocol: str, model: Model, rows: int) -> Request:
    """The question for a model's first rows. Raises KeyError for a protocol that is none of PROTOCOLS."""
    return _REQUESTS[protocol](model, rows)


def answer(protocol: str, headers: dict[str, str], body: bytes) -> Any:
    """The first output of a 200 answer. Raises ValueError where the body is no answer of the protocol.

    headers: with lower-case names. body: of gRPC the message alone.
    """
    try:
        if protocol == "grpc":
            return _message_answer(body)
        if protocol in ("v1", "own", "constant"):
            return json.loads(body)["predictions"]
        if length := headers.get("inference-header-content-length"):
            output = json.loads(body[: int(length)])["outputs"][0]
            return _values(output["datatype"], body[int(length) :][: output["parameters"]["binary_data_size"]])
        return json.loads(body)["outputs"][0]["data"]
    except (LookupError, TypeError, DecodeError) as error:
        raise ValueError(f"no answer of {protocol}") from error


def _v1(model: Model, rows: int) -> Request:
    return _json(f"/v1/models/{model.name}:predict", {"instances": model.instances(rows)})


def _own(model: Model, rows: int) -> Request:
    return _json("/predict", {"instances": model.instances(rows)})


def _constant(model: Model, rows: int) -> Request:
    return _json(f"/{rows}", {"instances": model.instances(rows)})


def _v2(model: Model, rows: int) -> Request:
    tensors = []
    for name, values in model.inputs.items():
        flat = values[:rows].ravel().tolist()
        tensors.append(_tensor(name, values, rows) | {"data": flat})
    body: dict[str, Any] = {"inputs": tensors}
    if model.table:
        # what MLServer needs to make a table of them; the others read past it
        body["parameters"] = {"content_type": "pd"}
        for tensor in tensors:
            tensor["parameters"] = {"content_type": "str" if tensor["datatype"] == "BYTES" else "np"}
    return _json(f"/v2/models/{model.name}/infer", body)


def _binary(model: Model, rows: int) -> Request:
    tensors, pieces = [], []
    for name, values in model.inputs.items():
        pieces.append(_packed(values[:rows]))
        tensors.append(_tensor(name, values, rows) | {"parameters": {"binary_data_size": len(pieces[-1])}})
    parameters = {"binary_data_output": True} | ({"content_type": "pd"} if model.table else {})
    header = json.dumps({"inputs": tensors, "parameters": parameters}).encode()
    return Request(
        f"/v2/models/{model.name}/infer",
        b"".join((header, *pieces)),
        {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))},
    )


def _grpc(model: Model, rows: int) -> Request:
    message = message_class("inference.ModelInferRequest")(
        model_name=model.name,
        inputs=[_tensor(name, values, rows) for name, values in model.inputs.items()],
        raw_input_contents=[_packed(values[:rows]) for values in model.inputs.values()],
    ).SerializeToString()
    prefix = b"\0" + len(message).to_bytes(4, "big")
    return Request(INFER, prefix + message, {"content-type": "application/grpc", "te": "trailers"})


_REQUESTS = {"v1": _v1, "v2": _v2, "binary": _binary, "grpc": _grpc, "own": _own, "constant": _constant}


def _json(path: str, document: Any) -> Request:
    return Request(path, json.dumps(document).encode(), {"Content-Type": "application/json"})


def _tensor(name: str, values: np.ndarray, rows: int) -> dict[str, Any]:
    shape = [rows, *(values.shape[1:] or (1,))]
    return {"name": name, "datatype": _DATATYPES[values.dtype.name], "shape": shape}


def _packed(values: np.ndarray) -> bytes:
    if values.dtype != object:
        return values.tobytes()
    texts = [text.encode() for text in values]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _values(datatype: str, piece: bytes) -> np.ndarray:
    return np.frombuffer(piece, _DTYPES[datatype])


def _message_answer(message: bytes) -> Any:
    found = message_class("inference.ModelInferResponse").FromString(message)
    if found.raw_output_contents:
        return _values(found.outputs[0].datatype, found.raw_output_contents[0])
    for _, values in found.outputs[0].contents.ListFields():
        return list(values)
    raise ValueError("no contents")
