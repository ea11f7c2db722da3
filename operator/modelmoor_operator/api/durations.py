"""Durations as ModelDeployment writes them (`90s`, `1h30m`, `250ms`): read exactly and written back canonically."""

import re
from datetime import timedelta

PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
MAX_LENGTH = 32

_UNITS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"([0-9]{1,5})(h|ms|m|s)")
_WHOLE = re.compile(PATTERN)


def parse(text: object) -> timedelta:
    """Read a duration such as `1h30m`; raises ValueError, which does not quote the text, when it is not one."""
    if not isinstance(text, str) or not _WHOLE.fullmatch(text):
        raise ValueError("must be a duration such as 30s, 10m or 1h30m (units h, m, s, ms; whole numbers)")
    return timedelta(milliseconds=sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def canonical(span: timedelta) -> str:
    """Write a span in the largest units that keep it exact: 90 s is `1m30s`, 600 s is `10m`, nothing is `0s`."""
    left = milliseconds(span)
    if left < 0:
        raise ValueError("a duration cannot be negative")
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def milliseconds(span: timedelta) -> int:
    """The span in whole milliseconds, rounded down: the finest step that a duration can say."""
    return span // timedelta(milliseconds=1)


def seconds(span: timedelta) -> int:
    """The span in whole seconds, rounded up, for the Kubernetes fields that know no finer unit."""
    return -(-span // timedelta(seconds=1))
