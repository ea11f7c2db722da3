"""The frequent JSON bodies, whose numbers are cut out in C and whose rest is remembered: clients repeat it.

A body that is anything else, or wrong, is None here: the doors then read the whole of it, and say what is wrong.
docs/decisions/0023-numbers-out-of-json.md
"""

import math
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

from modelmoor_server import native
from modelmoor_server.errors import InvalidRequest
from modelmoor_server.protocols.v2 import Form
from modelmoor_server.rest import payload, v2_request

if TYPE_CHECKING:
    from modelmoor_server.exchange import InferenceRequest
    from modelmoor_server.intake import Intake

REMEMBERED = 256  # bodies without their numbers, per door
LONGEST = 1024  # bytes of one
# What stands for the numbers. Made anew in every process: should a caller's own text be the same, it would be taken for
# numbers, and no caller can know it.
_MARK = secrets.token_hex(16)
_MARKED = orjson.dumps(_MARK)
_FLOATS = ("FP64", "FP32")


class Asked(NamedTuple):
    """What a v2 body says beside its numbers."""

    name: str
    shape: tuple[int, ...]
    outputs: tuple[str, ...]
    forms: dict[str, Form]
    id: str | None


def of_v1(intake: "Intake", body: bytes) -> "InferenceRequest | None":
    """A v1 body that has instances and nothing else."""
    if (found := _cut(intake, body, b'"instances"')) is None:
        return None
    rest, shape, numbers = found
    return intake.request(intake.from_numbers(shape, numbers)) if _only_instances(rest) else None


def of_v2(intake: "Intake", body: bytes) -> "tuple[InferenceRequest, Asked] | None":
    """A v2 body of one tensor of floats without parameters."""
    if (found := _cut(intake, body, b'"data"')) is None or (asked := _asked(found[0])) is None:
        return None
    _, shape, numbers = found
    if len(shape) > 1:
        if shape != asked.shape:
            return None
    elif shape[0] != math.prod(asked.shape):
        return None
    arrays = intake.from_numbers(asked.shape, numbers, asked.name)
    return intake.request(arrays, asked.outputs, asked.id), asked


def _cut(intake: "Intake", body: bytes, name: bytes) -> tuple[bytes, tuple[int, ...], bytearray] | None:
    """The body with the mark in the place of its numbers, their shape, and the numbers."""
    if intake.numbers is None or not native.available or (found := native.cut(body, name)) is None:
        return None
    begin, end, shape, numbers = found
    rest = b"%b%b%b" % (body[:begin], _MARKED, body[end:])
    return (rest, shape, numbers) if len(rest) <= LONGEST else None


@lru_cache(REMEMBERED)
def _only_instances(rest: bytes) -> bool:
    try:
        return bool(payload.parse(rest) == {"instances": _MARK})
    except InvalidRequest:
        return False


@lru_cache(REMEMBERED)
def _asked(rest: bytes) -> Asked | None:
    try:
        document = payload.parse(rest)
        outputs, forms, _ = v2_request.outputs(document)
        id = payload.text(document, "id")
    except InvalidRequest:
        return None
    inputs = document.get("inputs")
    if "parameters" in document or not isinstance(inputs, list) or len(inputs) != 1:
        return None
    tensor = inputs[0]
    if not isinstance(tensor, dict) or tensor.keys() != {"name", "datatype", "shape", "data"}:
        return None
    name, shape = tensor["name"], tensor["shape"]
    if tensor["data"] != _MARK or tensor["datatype"] not in _FLOATS or not isinstance(name, str) or not name:
        return None
    if not isinstance(shape, list) or not shape or not all(type(size) is int and size > 0 for size in shape):
        return None
    return Asked(name, tuple(shape), tuple(outputs), forms, id)
