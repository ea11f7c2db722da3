"""What a served model answered beside what it answers in process and what was true: pure comparison, and a table."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from demo.models import Trained

_FLOAT64_RTOL = 1e-12
_FLOAT32_RTOL, _FLOAT32_ATOL = 1e-5, 1e-7
_HEAD = ("MODEL", "ASKED", "PREDICTED", "TRUE", "AS IN PROCESS")
_ASKED_WIDTH = 46


@dataclass(frozen=True)
class Row:
    """One line of the table; `same` is False where the served answer is not the one in process."""

    cells: tuple[str, str, str, str, str]
    same: bool


def rows(model: Trained, answer: dict[str, Any]) -> list[Row]:
    """One row for each row that was asked; raises ValueError where the answer has another number of them."""
    got, single = answered(answer)
    if len(got) != len(model.predictions):
        raise ValueError(f"{model.name}: {len(model.predictions)} rows were asked, {len(got)} were answered")
    asked = _asked(model.request)
    return [
        Row((model.name, asked[i], _shown(got[i]), _shown(model.truth[i]), same := _same(got[i], expected, single)),
            same != "NO")
        for i, expected in enumerate(model.predictions)
    ]  # fmt: skip


def answered(answer: dict[str, Any]) -> tuple[list[Any], bool]:
    """The rows of a v1 or v2 answer, and whether its numbers are single precision."""
    if "predictions" in answer:
        return answer["predictions"], False
    tensor = answer["outputs"][0]
    data, shape = tensor["data"], tensor["shape"]
    width = math.prod(shape[1:])
    flat = data if len(shape) == 1 or width == 1 else [data[i : i + width] for i in range(0, len(data), width)]
    return flat, tensor["datatype"] == "FP32"


def table(found: Sequence[Row]) -> str:
    """The rows under their heads, in columns."""
    lines = [_HEAD, *(row.cells for row in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _same(got: Any, expected: Any, single: bool) -> str:
    """How alike they are: equal bit for bit, else the tolerance they are within (sums in another order), else NO."""
    served, own = _numbers(got), _numbers(expected)
    if served is None or own is None:
        return "equal" if got == expected else "NO"
    if single:
        served, own = [_single(x) for x in served], [_single(x) for x in own]
    if served == own:
        return "equal"
    rtol, atol = (_FLOAT32_RTOL, _FLOAT32_ATOL) if single else (_FLOAT64_RTOL, 0.0)
    close = len(served) == len(own) and all(
        math.isclose(a, b, rel_tol=rtol, abs_tol=atol) for a, b in zip(served, own, strict=True)
    )
    return f"within {rtol:g}" if close else "NO"


def _numbers(value: Any) -> list[float] | None:
    flat = value if isinstance(value, list) else [value]
    return [float(x) for x in flat] if all(isinstance(x, int | float) for x in flat) else None


def _single(value: float) -> float:
    """The value as single precision holds it: JSON may write it with fewer or more digits."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _shown(value: Any) -> str:
    if isinstance(value, list):  # probabilities of classes: the likeliest one
        best = max(range(len(value)), key=value.__getitem__)
        return f"{best} ({value[best]:.1%})"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _asked(request: dict[str, Any]) -> list[str]:
    if "instances" in request:
        return [_pairs(row) for row in request["instances"]]
    tensors = request["inputs"]
    count = tensors[0]["shape"][0]
    if len(tensors) == 1:
        size = " x ".join(map(str, tensors[0]["shape"][1:]))
        return [f"{tensors[0]['name']} {i + 1} of {count}, {size}" for i in range(count)]
    return [_pairs({tensor["name"]: tensor["data"][i] for tensor in tensors}) for i in range(count)]


def _pairs(row: dict[str, Any]) -> str:
    text = ", ".join(f"{name} {'null' if value is None else value}" for name, value in row.items())
    return text if len(text) <= _ASKED_WIDTH else text[: _ASKED_WIDTH - 1].rstrip(", ") + "…"
