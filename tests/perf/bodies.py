"""The worst bodies that a server of the test models takes: each just below the limit for JSON, each bad in its way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

LIMIT = 8 * 1024 * 1024  # bytes: MODELMOOR_JSON_LIMIT's default


@dataclass(frozen=True)
class Worst:
    """name: what is bad about it. path: where it goes. make: the body."""

    name: str
    path: str
    make: Callable[[], bytes]


def _filled(head: str, item: str, tail: str, most: int = LIMIT) -> bytes:
    """`head`, as many of `item` (with commas between) as fit, `tail`."""
    count = min(most, (LIMIT - len(head) - len(tail)) // (len(item) + 1))
    return (head + ",".join([item] * count) + tail).encode()


def _tensor(datatype: str, item: str, width: int) -> bytes:
    head = '{"inputs": [{"name": "x", "datatype": "%s", "shape": [%d, %d], "data": ['
    count = (LIMIT - 200) // (len(item) + 1) // width * width
    return _filled(head % (datatype, count // width, width), item, "]}]}", count)


V1, V2 = "/v1/models/iris:predict", "/v2/models/iris/infer"
TABLE, TEXT = "/v1/models/people:predict", "/v1/models/text:predict"
WORST: Iterable[Worst] = (
    Worst("v1, rows of short numbers", V1, lambda: _filled('{"instances": [', "[1,2,3,4]", "]}")),
    Worst("v1, rows of long numbers", V1, lambda: _filled('{"instances": [', "[0.12345678901234567,1e-300,3,4]", "]}")),
    Worst("v1, objects by column", TABLE, lambda: _filled('{"instances": [', '{"age":39,"city":"Rome"}', "]}")),
    Worst("v1, texts", TEXT, lambda: _filled('{"instances": [', '"good day, all of you out there"', "]}")),
    Worst("v2, flat numbers", V2, lambda: _tensor("FP64", "1", 4)),
    Worst("v2, flat integers of the wrong datatype", V2, lambda: _tensor("INT8", "1e2", 4)),
    Worst("v2, text where numbers are wanted", V2, lambda: _tensor("BYTES", '""', 4)),
    Worst("v2, NaN", V2, lambda: _tensor("FP64", "NaN", 4)),
    Worst("v2, a million tensors", V2, lambda: _filled('{"inputs": [', "{}", "]}", 999_000)),
    Worst("v2, a million outputs", V2, lambda: _filled(
        '{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [1, 2, 3, 4]}], "outputs": [',
        '{"name":"predict"}', "]}", 999_000)),
    Worst("v1, a million lists", V1, lambda: _filled('{"instances": [', "[]", "]}", 999_000)),
    Worst("v1, too many lists", V1, lambda: _filled('{"instances": [', "[]", "]}")),
    Worst("v1, one text of 8 MiB", V1, lambda: _filled('{"instances": ["', "a\\u00e4", '"]}')),
    Worst("v1, broken at the end", V1, lambda: _filled('{"instances": [', "[1,2,3,4]", "}")),
)  # fmt: skip
