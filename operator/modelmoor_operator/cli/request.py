"""A prediction request as a client writes it: which door it knocks at, and how it is read from -d."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelmoor_operator.cli.errors import CommandError


def read(data: str) -> Any:
    """The request's JSON: the text itself, `@FILE`, or `@-` for standard input. Raises CommandError."""
    shown = {"@-": "standard input"}.get(data, data.removeprefix("@") if data.startswith("@") else "the text after -d")
    try:
        if data == "@-":
            text = sys.stdin.read()
        else:
            text = Path(data[1:]).read_text(encoding="utf-8") if data.startswith("@") else data
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {shown} ({type(error).__name__})") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        hint = "" if data.startswith("@") else "; a file is given as -d @FILE"
        raise CommandError(f"{shown}, line {error.lineno}, column {error.colno}: not JSON{hint}") from error


def path(model: str, body: Any) -> str:
    """The path of the protocol that the body speaks: v2 where `inputs` are tensors, else v1. Raises CommandError."""
    if isinstance(body, Mapping):
        inputs = body.get("inputs")
        if isinstance(inputs, list) and inputs and all(isinstance(i, Mapping) and "datatype" in i for i in inputs):
            return f"/v2/models/{model}/infer"
        if "instances" in body or "inputs" in body:
            return f"/v1/models/{model}:predict"
    raise CommandError(
        'the request speaks neither protocol: {"instances": [...]} is v1,'
        ' {"inputs": [{"name": ..., "shape": [...], "datatype": ..., "data": [...]}]} is v2'
    )
