"""Good requests are spoiled: values, names and keys of the document, its bytes, target and headers."""

from typing import Any

from hypothesis import strategies as st

from unit.serving.hostile.doors import MARKER, Door, Sending

_DEEP: Any = 1
for _ in range(100):
    _DEEP = [_DEEP]

VALUES = st.one_of(
    st.sampled_from(
        [
            None, True, False, 0, -1, 1.5, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 1e308, -1e-320,
            float("nan"), float("inf"), float("-inf"), "", MARKER, MARKER * 50, "ä€😀" + MARKER, "\x00" + MARKER,
            "1", "NaN", "b64", [], {}, [[]], [{}], [None], [[1, 2], [3]], [[1], 2], [_DEEP], _DEEP, {"b64": MARKER},
            {"b64": "AAEC/w=="}, {MARKER: MARKER}, [MARKER, 1], [True, 1], [1.5, 2], {"": {"": []}}, [0] * 3000,
            [-1, 4], [2**40, 2**40], [0, 4], [4, 2**63], [2, 4, 1], [1] * 40, "FP16", "BF16", "BOOL", "INT8", "UINT64",
            "BYTES", "base64", "pd", "predict_proba", "decision_function",
        ]
    ),
    st.integers(),
    st.floats(),
    st.text(max_size=8).map(lambda text: text + MARKER),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=6),
)  # fmt: skip
WAYS = ("value", "value", "value", "key", "bytes", "header", "target", "packed")
KEYS = ("name", "shape", "datatype", "data", "parameters", "inputs", "outputs", "instances", "id", "binary_data_size",
        "content_type", "signature_name", "binary_data_output", "classification",
        "columns", "index", "tail", "off", *map(str, range(1, 18)), "536870911", MARKER, "")  # fmt: skip


def sendings(door: Door) -> st.SearchStrategy[Sending]:
    """Requests of a door, each spoiled in one to three ways."""
    return st.composite(_sending)(door)


def _sending(draw: st.DrawFn, door: Door) -> Sending:
    target, document = draw(st.sampled_from(list(door.good)))
    ways = draw(st.lists(st.sampled_from(WAYS), min_size=1, max_size=3))
    for _ in range(ways.count("value")):
        document = _with_value(draw, document)
    for _ in range(ways.count("key")):
        document = _with_key(draw, document)
    body, headers = door.encode(document, escaped=draw(st.booleans()))
    for _ in range(ways.count("bytes")):
        body = _with_bytes(draw, body)
    if "header" in ways:
        headers = dict(headers) | dict(draw(st.sampled_from(list(door.headers))))
    if "target" in ways:
        target = draw(st.sampled_from(list(door.targets)))
    return Sending(target, body, headers, "packed" in ways)


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document[:8])
        if isinstance(document, list)
        else ()
    )
    return [path] + [place for key, child in children for place in _places(child, (*path, key))]


def _with_value(draw: st.DrawFn, document: Any) -> Any:
    """Any node of the document is replaced."""
    place = draw(st.sampled_from([place for place in _places(document) if len(place) < 30]))
    value = draw(VALUES)
    return _replaced(document, place, value)


def _replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[place[0]] = _replaced(copy[place[0]], place[1:], value)
    return copy


def _with_key(draw: st.DrawFn, document: Any) -> Any:
    """A member is taken out, renamed or added, somewhere."""
    places = [place for place in _places(document) if isinstance(_at(document, place), dict) and len(place) < 30]
    if not places:
        return document
    place = draw(st.sampled_from(places))
    members = dict(_at(document, place))
    if members and draw(st.booleans()):
        taken = members.pop(draw(st.sampled_from(sorted(members))))
        if draw(st.booleans()):
            members[draw(st.sampled_from(KEYS))] = taken
    else:
        members[draw(st.sampled_from(KEYS))] = draw(VALUES)
    return _replaced(document, place, members)


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        document = document[key]
    return document


def _with_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    """The body is cut off, or bytes are thrown in."""
    position = draw(st.integers(0, len(body)))
    junk = st.sampled_from(
        (b"", b"\xff\xfe", b"\xed\xa0\x80", b"\0", b"NaN", b"[" * 3000, b'{"a":' * 1500, b"}", b'"', b"\\u",
         b"1" * 5000, b"\xef\xbb\xbf", b"GET / HTTP/1.1\r\n\r\n", MARKER.encode())
    )  # fmt: skip
    noise = draw(junk | st.binary(max_size=8))
    rest = b"" if draw(st.booleans()) else body[position + draw(st.integers(0, 5)) :]
    return body[:position] + noise + rest
