"""What "as in process" means for an array that a client's script reported."""

from typing import Any

import numpy as np

TOLERANCES = {"float64": (1e-12, 0.0), "float32": (1e-5, 1e-7), "float16": (2e-3, 1e-3)}
"""Relative and absolute, as docs/design.md allows for sums that another batch adds in another order."""


def check(answer: dict[str, Any], expected: Any, dtype: str) -> None:
    """The reported array has this dtype, and the values and shape of the in-process answer."""
    assert answer["dtype"] == dtype
    check_values(answer["data"], expected, dtype)


def check_values(answer: Any, expected: Any, dtype: str = "float64") -> None:
    """The same for plain lists, numbers compared as `dtype`: JSON has but one kind of number."""
    if dtype in TOLERANCES:
        relative, absolute = TOLERANCES[dtype]
        np.testing.assert_allclose(
            np.array(answer, dtype), np.array(expected, dtype), rtol=relative, atol=absolute, strict=True
        )
    else:
        assert answer == expected
