"""JSON at its edges: what is none is refused at every door alike; what is keeps its meaning to the last character."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from unit.serving.hostile.test_malformed import quiet
from unit.serving.process import Started

IRIS, ROWS, SUM, WORDS = (
    "/v2/models/iris/infer",
    "/v1/models/iris:predict",
    "/v1/models/sum:predict",
    "/v1/models/text:predict",
)
DOORS: Mapping[str, tuple[str, bytes]] = {
    "v2": (IRIS, b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1.5, 2, 3, 4]}]}'),
    "v1": (ROWS, b'{"instances": [[1.5, 2, 3, 4]]}'),
    "columns": (ROWS, b'{"inputs": [[1.5, 2, 3, 4]]}'),
    "mlflow": ("/invocations?model=iris", b'{"dataframe_split": {"data": [[1.5, 2, 3, 4]]}}'),
    "index": ("/v2/repository/index", b'{"ready": true, "x": [1.5]}'),
}
# a place in the body -> what stands there instead; `NaN` opens the second parser, which must be as strict as the first
NO_JSON: Mapping[str, tuple[bytes, bytes]] = {
    "1e999": (b"1.5", b"1e999"),
    "-1e999": (b"1.5", b"-1e999"),
    "309 digits": (b"1.5", b"9" * 309 + b".0"),
    "digits and an exponent": (b"1.5", b"1" * 290 + b"e20"),
    "a leading zero": (b"1.5", b"01"),
    "a plus": (b"1.5", b"+1"),
    "no digit behind the point": (b"1.5", b"1."),
    "no digit before it": (b"1.5", b".5"),
    "hexadecimal": (b"1.5", b"0x10"),
    "an underscore": (b"1.5", b"1_0"),
    "digits of another script": (b"1.5", "١".encode()),
    "nan": (b"1.5", b"nan"),
    "-NaN": (b"1.5", b"-NaN"),
    "undefined": (b"1.5", b"undefined"),
    "a comment": (b"1.5", b"1.5 /* NaN */"),
    "a comma too many": (b"1.5", b"1.5,,"),
    "a comma at the end": (b"}", b",}"),
    "single quotes": (b'"', b"'"),
    "a form feed": (b"1.5", b"\x0c1.5"),
    "a line end in text": (b'{"', b'{"a\nb": 1, "'),
    "a NUL behind": (b"{", b"\0{"),
    "half a character as a name": (b'{"', b'{"\\ud800": 1, "'),
    "half a character, in capitals": (b'{"', b'{"\\uDFFF": 1, "'),
    "half a character as a value": (b'{"', b'{"a": ["\\ud83d"], "'),
    "the halves in the wrong order": (b'{"', b'{"a": "\\ude00\\ud83d", "'),
    "half a character as an id": (b'{"', b'{"id": "\\udc00", "'),
    "half a character as bytes": (b'{"', b'{"id": "\xed\xa0\x80", "'),
    "bytes beyond Unicode": (b'{"', b'{"id": "\xf4\x90\x80\x80", "'),
    "100,000 lists": (b"1.5", b"[" * 100_000 + b"]" * 100_000),
    "100,000 objects": (b"1.5", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
}
CODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig")


@pytest.mark.parametrize("with_nan", [False, True], ids=["strict", "NaN"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", NO_JSON)
def test_what_is_no_json(doors: Started, name: str, door: str, with_nan: bool) -> None:
    """It is a 400 that tells the place, also where a NaN, which is none either, is let through."""
    target, body = DOORS[door]
    old, new = NO_JSON[name]
    body = body.replace(old, new) if old == b'"' else body.replace(old, new, 1)
    if with_nan:
        body = body.replace(b"{", b'{"NaN": NaN, ', 1)
    status, answer = doors.ask("POST", target, body)

    if door == "index" and len(body) > 64 * 1024:
        assert status == 413, answer
        return
    assert status == 400, answer
    assert answer["error"].startswith("The body is not valid JSON (line ")
    quiet(doors)


@pytest.mark.parametrize("with_nan", [False, True], ids=["strict", "NaN"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("coding", CODINGS)
def test_json_is_utf_8(doors: Started, coding: str, door: str, with_nan: bool) -> None:
    """RFC 8259, 8.1: no other coding, and no byte order mark."""
    target, body = DOORS[door]
    body = body.replace(b"{", b'{"NaN": NaN, ', 1) if with_nan else body
    status, answer = doors.ask("POST", target, body.decode().encode(coding))

    assert status == 400, answer
    quiet(doors)


@pytest.mark.parametrize("nan", [False, True], ids=["strict", "NaN"])
@pytest.mark.parametrize(
    "told",
    [
        "",
        "é",
        "ä€😀",
        "\0",
        "\x7f\u2028\ufeff",
        "\U0010ffff",
        "\ufffe",
        "e\u0301",
        "a" * 100_000,
        "😀" * 100_000,
        '"\\/\n',
    ],
    ids=range(11),
)
def test_ids_come_back(doors: Started, told: str, nan: bool) -> None:
    """An id is any text, escaped or not, and comes back as it was."""
    for escaped in (True, False):
        document = json.loads(DOORS["v2"][1]) | {"id": told} | ({"x": float("nan")} if nan else {})
        status, answer = doors.ask("POST", IRIS, json.dumps(document, ensure_ascii=escaped).encode())

        assert (status, answer["id"]) == (200, told)
    quiet(doors)


@pytest.mark.parametrize(
    ("target", "body", "answer"),
    [
        (SUM, b'{"instances": [[1, 2, 3]], "instances": [[3, 2, 1]]}', {"predictions": [0.0]}),
        (SUM, b'{"x": NaN, "instances": [[1, 2, 3]], "instances": [[3, 2, 1]]}', {"predictions": [0.0]}),
        (SUM, b'{"instances": [[18446744073709551616, 0, 0]]}', {"predictions": [-(2.0**64)]}),
        (SUM, b'{"x": NaN, "instances": [[18446744073709551616, 0, 0]]}', {"predictions": [-(2.0**64)]}),
        (SUM, b'{"instances": [[1e-999, -0.0, 0]]}', {"predictions": [2.0]}),
        (SUM, b'{"x": NaN, "instances": [[1E+00, 2.0E0, 3e-0]]}', {"predictions": [4.0]}),
        (WORDS, b'{"instances": ["\\ud83d\\ude00 day"]}', {"predictions": [1]}),
        (WORDS, b'{"x": NaN, "instances": ["\\uD83D\\uDE00 day"]}', {"predictions": [1]}),
        (WORDS, b'{"instances": ["\\u0000day\\u0000"]}', {"predictions": [1]}),
    ],
    ids=range(9),
)
def test_odd_but_good(doors: Started, target: str, body: bytes, answer: Any) -> None:
    """Both parsers give one meaning: of two members of a name the last one, of a large number the nearest double."""
    status, found = doors.ask("POST", target, body)

    assert status == 200, found
    assert found["predictions"] == pytest.approx(answer["predictions"], rel=1e-12, abs=1e-12)
    quiet(doors)


@pytest.mark.parametrize(
    ("target", "value", "sentence"),
    [
        (SUM, b"1" * 400, "the number does not fit FP64"),
        (SUM, b"-" + b"9" * 400, "the number does not fit FP64"),
        (SUM, b"NaN", "this model takes no missing or infinite values"),
        (SUM, b"-Infinity", "this model takes no missing or infinite values"),
        (SUM, b"null", ""),
        (SUM, b"true", "expected a number, got a boolean"),
    ],
)
def test_numbers_that_do_not_fit(doors: Started, target: str, value: bytes, sentence: str) -> None:
    """A number is refused by field and row where its value would not survive."""
    status, answer = doors.ask("POST", target, b'{"x": NaN, "instances": [[%b, 1, 2]]}' % value)

    assert status == 400, answer
    assert sentence in answer["error"]
    quiet(doors)
