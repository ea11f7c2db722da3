"""A v2 output in the form that a request can ask for: its best classes, or its bytes as base64."""

import base64
from typing import Any

import numpy as np

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.exchange import OutputTensor
from modelmoor_server.protocols.v2 import Form
from modelmoor_server.signature import Datatype, Signature


def formed(output: OutputTensor, form: Form, signature: Signature) -> OutputTensor:
    """The output as it was asked for. Raises InvalidRequest where it cannot take that form."""
    if form.classes:
        output = _classes(output, form.classes, signature)
    return _base64(output) if form.base64 else output


def encoded(values: list[Any]) -> list[str]:
    """Texts and bytes as base64."""
    return [
        base64.b64encode(value if type(value) is bytes else str(value).encode()).decode("ascii") for value in values
    ]


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
    texts[:] = encoded(output.array.ravel().tolist())
    return OutputTensor(output.name, output.datatype, texts.reshape(output.array.shape))
