"""Kubernetes quantities (`500m`, `1.5Gi`, `1e3`): read to exact numbers and written as the API server writes them.

The client library parses quantities too, but cannot write the canonical form, and `api` depends on no client.
Drift is found by comparing what was rendered with what the server stored, so both must spell a number alike.
"""

import re
from decimal import ROUND_CEILING, Decimal, localcontext

PATTERN = r"^\+?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?$"
MAX_LENGTH = 32

_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_WHOLE = re.compile(PATTERN)
_FINEST = Decimal("1e-9")
_LARGEST = Decimal(2**63 - 1)
_REFUSAL = "must be a quantity such as 500m, 2, 1.5Gi or 1e3, and not negative"


def parse(quantity: str | int) -> Decimal:
    """The exact number behind a quantity, in its base unit (cores, bytes); raises ValueError, which does not quote it.

    As in Kubernetes, what is finer than one nano-unit is rounded up, and what exceeds 2**63-1 is capped there.
    """
    return _read(quantity)[0]


def whole(quantity: str | int) -> int:
    """The quantity in whole base units, rounded up: `1.5Gi` of memory is 1610612736 bytes."""
    return int(parse(quantity).to_integral_value(ROUND_CEILING))


def canonical(quantity: str | int) -> str:
    """The spelling that the API server stores: `0.5` is `500m`, `1.5Gi` is `1536Mi`, `1000` is `1k`."""
    number, form = _read(quantity)
    if number == 0:
        return "0"
    if form == "binary" and number >= 1024 and number == number.to_integral_value():
        return _binary(int(number))
    digits, power = _thousands(number)
    if form == "exponent":
        return f"{digits}e{power}" if power else str(digits)
    # beyond exa there is no suffix left, so the digits say the rest
    spare = max(0, power - 18)
    return f"{digits * 10**spare}{_SUFFIX[power - spare]}"


def _read(quantity: str | int) -> tuple[Decimal, str]:
    text = str(quantity)
    match = _WHOLE.fullmatch(text) if len(text) <= MAX_LENGTH and not isinstance(quantity, bool) else None
    if not match:
        raise ValueError(_REFUSAL)
    digits, suffix = match[1], match[2] or ""
    with localcontext() as context:
        context.prec = 100
        if suffix.endswith("i"):
            form, number = "binary", Decimal(digits) * 1024 ** _BINARY.index(suffix)
        elif suffix in _DECIMAL:
            form, number = "decimal", Decimal(digits).scaleb(_DECIMAL[suffix])
        else:
            form, number = "exponent", Decimal(digits).scaleb(int(suffix[1:]))
        return (number.quantize(_FINEST, ROUND_CEILING).normalize() if number < _LARGEST else _LARGEST), form


def _binary(number: int) -> str:
    step = 0
    while number % 1024 == 0 and step < len(_BINARY) - 1:
        number, step = number // 1024, step + 1
    return f"{number}{_BINARY[step]}"


def _thousands(number: Decimal) -> tuple[int, int]:
    """The number as digits times ten to a power that is a multiple of three, with as few digits as possible."""
    _, digits, exponent = number.normalize().as_tuple()
    power = int(exponent)
    shift = power % 3
    return int("".join(map(str, digits))) * 10**shift, power - shift
