"""A v2 answer in the forms that a request can ask for: JSON, binary data, base64, the best classes.

Imported with the first request: numpy comes with it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from modelmoor_server.inference import OutputTensor
from modelmoor_server.protocols.v2 import Form
from modelmoor_server.protocols.v2_outputs import encoded, formed
from modelmoor_server.rest import slices
from modelmoor_server.signature import Signature
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
            flat[:] = encoded(values)
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
        output = formed(output, form, signature)
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
