"""JSON in, bounded before it is parsed: a hostile body may be small and still become a gigabyte of lists."""

from typing import Any

import orjson

from modelmoor_server import json_words
from modelmoor_server.errors import InvalidRequest

CHECKED_BYTES = 64 * 1024  # smaller bodies cannot hold enough lists to matter
CONTAINERS = 1_000_000  # lists and objects in one body: about 100 MB of memory


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body. NaN and Infinity are taken, as TensorFlow Serving takes them.

    Raises InvalidRequest, whose sentence tells the place in the body and nothing of its content.
    """
    if len(body) > CHECKED_BYTES and body.count(b"[") + body.count(b"{") > CONTAINERS:
        raise InvalidRequest(
            f"The body holds more than {CONTAINERS} lists: send flat data with a shape, or fewer rows a request."
        )
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        document = _parse_with_nan(body, error)
    if not isinstance(document, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return document


def _parse_with_nan(body: bytes, error: orjson.JSONDecodeError) -> Any:
    if not body.strip():
        raise InvalidRequest("The request has no body: send a JSON object.") from None
    if b"NaN" in body or b"Infinity" in body:
        try:
            return json_words.loads(body.decode())  # of bytes Python would take UTF-16, too
        except (ValueError, RecursionError):
            pass  # the place that orjson tells may be that of the NaN, but it is a place
    raise InvalidRequest(f"The body is not valid JSON (line {error.lineno}, column {error.colno}).") from None


def text(document: dict[str, Any], key: str) -> str | None:
    """An optional member that must be text."""
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"{key} must be a string.")
    return value


def members(document: dict[str, Any], key: str, where: str = "") -> dict[str, Any]:
    """An optional member that must be an object; empty where it is absent."""
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"{where}{key} must be an object.")
    return value
