"""JSON with the words NaN and Infinity, which strict JSON lacks: as Python reads it, without its other liberties."""

import json
import re
from typing import Any

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # an escape that may be half of a character
_LARGE = re.compile(r"[eE]\+?0*[1-9][0-9]|[0-9]{200}")  # in text without it no number is beyond FP64


def loads(text: str) -> Any:
    """What JSON text holds. Whole numbers keep every digit.

    Raises ValueError, also for half of a character and for a number that Python would read as infinite; RecursionError.
    """
    document = json.loads(text, parse_float=_finite if _LARGE.search(text) else None)
    if _SURROGATE.search(text):
        json.dumps(document, ensure_ascii=False).encode()
    return document


def _finite(digits: str) -> float:
    number = float(digits)
    if number - number != 0:
        raise ValueError("a number beyond FP64")
    return number
