"""A v2 answer in the forms that a request can ask for: JSON, binary data, base64, the best classes.

Imported with the first request: numpy comes with it.
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.inference import OutputTensor
from modelmoor_server.rest import slices
from modelmoor_server.rest.v2_request import Form
from modelmoor_server.signature import Datatype, Signature
from modelmoor_server.signature.raw import to_bytes


def json_member(output: OutputTensor) -> dict[str, Any]:
    """An output as JSON. BYTES that are no UTF-8 text go out as base64, and `content_type` says so."""
    flat = output.array.ravel()
    member = _described(output)
    if flat.dtype == object and _has_bytes(flat):
        values = flat.tolist()
        flat = np.empty(flat.size, dtype=object)
        try:
            flat[:] = [value.decode() if type(value) is bytes else value for value in values]
        except UnicodeDecodeError:
            member["parameters"] = {"content_type": "base64"}
            flat[:] = _encoded(values)
    return member | {"data": slices.values(flat)}


def encode(
    head: dict[str, Any],
    outputs: tuple[OutputTensor, ...],
    forms: Mapping[str, Form],
    default: Form,
    signature: Signature,
) -> tuple[bytes, int | None]:
    """The body of an answer, and how many bytes of it are JSON; None where all are.

    Raises InvalidRequest where an output cannot take the wanted form.
    """
    members: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for output in outputs:
        form = forms.get(output.name, default)
        if form.classes:
            output = _classes(output, form.classes, signature)
        if form.base64:
            output = _base64(output)
        if form.binary:
            piece = to_bytes(output.array)
            pieces.append(piece)
            member = _described(output) | {"parameters": {"binary_data_size": len(piece)}}
        else:
            member = json_member(output)
        if form.base64:
            member.setdefault("parameters", {})["content_type"] = "base64"
        members.append(member)
    header = orjson.dumps({**head, "outputs": members}, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join((header, *pieces)), len(header)) if pieces else (header, None)


def _has_bytes(flat: np.ndarray) -> bool:
    return any(
        bytes in map(type, flat[start : start + slices.SLICE].tolist()) for start in range(0, flat.size, slices.SLICE)
    )


def _described(output: OutputTensor) -> dict[str, Any]:
    return {"name": output.name, "shape": output.array.shape, "datatype": output.datatype}


def _classes(output: OutputTensor, count: int, signature: Signature) -> OutputTensor:
    """The `count` highest scores of each row as `value:index:label`: [n, min(count, classes)].

    Equal scores keep the order of the classes. Values are written as Triton writes them.
    https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md
    """
    array = output.array
    if array.dtype.kind not in "iuf" or array.ndim < 2:
        raise InvalidRequest(f"output {output.name!r}: classification needs a score for each class of a row")
    scores = array.reshape(len(array), -1) if len(array) else array.reshape(0, 1)
    order = np.argsort(-scores if scores.dtype.kind == "f" else ~scores, axis=1, kind="stable")[:, :count]
    labels = next((field.labels for field in signature.outputs if field.name == output.name), None) or ()
    names = [f":{index}:{label}" for index, label in enumerate(labels)] if len(labels) == scores.shape[1] else None
    pattern = "%f" if scores.dtype.kind == "f" else "%d"
    best = np.take_along_axis(scores, order, axis=1)
    texts = np.empty(order.shape, dtype=object)
    texts.ravel()[:] = [
        pattern % value + (names[index] if names is not None else f":{index}")
        for value, index in zip(best.ravel().tolist(), order.ravel().tolist(), strict=True)
    ]
    return OutputTensor(output.name, Datatype.BYTES, texts)


def _base64(output: OutputTensor) -> OutputTensor:
    if output.datatype != Datatype.BYTES:
        raise InvalidRequest(f"output {output.name!r}: content type base64 needs datatype BYTES")
    texts = np.empty(output.array.size, dtype=object)
    texts[:] = _encoded(output.array.ravel().tolist())
    return OutputTensor(output.name, output.datatype, texts.reshape(output.array.shape))


def _encoded(values: list[Any]) -> list[str]:
    return [
        base64.b64encode(value if type(value) is bytes else str(value).encode()).decode("ascii") for value in values
    ]
