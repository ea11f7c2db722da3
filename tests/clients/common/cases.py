"""What the clients' scripts share: each asks one server through one client and prints what every case gave.

A script runs in an environment of its own, so this file needs the standard library alone. Facts come on standard input
(addresses of the server, truth.json); on standard output each case has `answer`, or `raised` and `text`.
"""

import asyncio
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

CASES: dict[str, Callable[[dict[str, Any]], Any]] = {}


def case(function: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """One question to the server, plain or a coroutine. Its name is what the test asks for."""
    CASES[function.__name__] = function
    return function


def main() -> None:
    """Run every case; an exception is an answer, too."""
    facts = json.load(sys.stdin)
    results = {name: _run(function, facts) for name, function in CASES.items()}
    json.dump(results, sys.stdout)


def _run(function: Callable[[dict[str, Any]], Any], facts: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = function(facts)
        if inspect.iscoroutine(answer):
            answer = asyncio.run(answer)
        return {"answer": plain(answer)}
    except Exception as error:  # noqa: BLE001 - how a client reports a refusal is what a test wants to see
        kind = type(error)
        return {"raised": f"{kind.__module__}.{kind.__qualname__}", "text": str(error), "trace": traceback.format_exc()}


def plain(value: Any) -> Any:
    """Arrays as {dtype, shape, data}, bytes as text, everything else as JSON has it."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "data": plain(value.tolist())}
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
