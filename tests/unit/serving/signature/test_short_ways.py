"""The short way for a plain matrix says what the long way says: the same array, or the same sentence."""

import random
from typing import Any

import numpy as np
import pytest

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.signature import Datatype, Field, Signature, conversion, from_instances, from_tensors

MATRIX = Signature((Field("x", Datatype.FP64, (-1, 3), nullable=True),), ())
STRICT = Signature((Field("x", Datatype.FP64, (-1, 3)),), ())
SINGLE = Signature((Field("x", Datatype.FP32, (-1, 3)),), ())
COLUMN = Signature((Field("x", Datatype.FP64, (-1, 1)),), ())
FREE = Signature((Field("x", None, None),), ())
VALUES: list[Any] = [
    0, 1, -7, 2**53 + 1, 2**63, -(2**63), 10**400, 0.1, -0.0, 1e308, 5e-324, float("nan"), float("inf"), True, None,
    "1", [], [1.0], {},
]  # fmt: skip


def told(convert: Any, *arguments: Any) -> Any:
    """What came of a conversion, in a form that can be compared."""
    try:
        array = convert(*arguments)["x"]
    except InvalidRequest as error:
        return str(error)
    return array.dtype.str, array.shape, array.tobytes(), array.flags.c_contiguous, array.flags.writeable


def value(chance: random.Random) -> Any:
    """Mostly a plain number."""
    return chance.choice(VALUES) if chance.random() < 0.06 else round(chance.uniform(-100, 100), 3)


@pytest.mark.parametrize("signature", [MATRIX, STRICT, SINGLE, COLUMN, FREE], ids=["null", "no null", "FP32", "1", "?"])
def test_short_and_long_way_agree(signature: Signature, monkeypatch: pytest.MonkeyPatch) -> None:
    """For rows and for flat tensors, with oddities among them and shapes that lie now and then."""
    chance = random.Random(11)
    width = (signature.inputs[0].shape or (-1, 3))[1]
    asked = []
    for _ in range(1500):
        count = chance.choice([1, 1, 1, 2, 5, 64, 65, 0])
        rows = [[value(chance) for _ in range(width + (chance.random() < 0.03))] for _ in range(count)]
        flat = [element for row in rows for element in row]
        shape = [count + (chance.random() < 0.03), width] if chance.random() < 0.97 else [True, width]
        datatype = chance.choice(["FP64", "FP64", "FP32", "INT64", "BYTES", "FP16", "?"])
        asked.append((rows, (("x", datatype, shape, flat),)))
    short = [(told(from_instances, signature, rows), told(from_tensors, signature, given)) for rows, given in asked]
    taken = []
    for way in ("matrix_of", "flat_matrix_of"):
        monkeypatch.setattr(conversion, way, lambda *arguments, way=way: taken.append(way))
    long = [(told(from_instances, signature, rows), told(from_tensors, signature, given)) for rows, given in asked]
    assert short == long
    assert "flat_matrix_of" in taken
    plain = sum(not isinstance(answer, str) for pair in short for answer in pair)
    assert plain > 500, "hardly anything was converted"


def test_the_short_way_is_taken() -> None:
    """Plain rows of a matrix do not reach the long way at all."""
    rows = [[1, 2.5, -3]]
    assert np.array_equal(conversion.matrix_of(rows, MATRIX), [[1.0, 2.5, -3.0]])  # type: ignore[arg-type]
    assert np.array_equal(conversion.flat_matrix_of("FP32", [1, 3], rows[0], MATRIX), [[1.0, 2.5, -3.0]])  # type: ignore[arg-type]
    assert conversion.matrix_of([[1, 2, None]], MATRIX) is None
    assert conversion.flat_matrix_of("FP64", [1, 3], [1, 2, True], MATRIX) is None
