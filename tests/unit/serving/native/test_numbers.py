"""Numbers cut out of JSON: every bit as Python reads them, and nothing that is not regular lists of numbers."""

import random
import struct

import numpy as np
import pytest

from modelmoor_server.native import cut

NAME = b'"data"'


def read(text: str) -> tuple[tuple[int, ...], list[float]] | None:
    """Shape and numbers of a list, as a member of an object."""
    body = f'{{"data": {text}}}'.encode()
    if (found := cut(body, NAME)) is None:
        return None
    begin, end, shape, numbers = found
    assert body[begin:end].decode() == text
    return shape, np.frombuffer(numbers).tolist()


@pytest.mark.parametrize(
    ("text", "shape", "numbers"),
    [
        ("[1]", (1,), [1.0]),
        ("[1,2.5]", (2,), [1.0, 2.5]),
        ("[ [1 , 2e0]\n,\t[3E+0,\r0.4e1 ] ]", (2, 2), [1.0, 2.0, 3.0, 4.0]),
        ("[[[1],[2]],[[3],[4]],[[5],[6]]]", (3, 2, 1), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ("[[[[[[[[7]]]]]]]]", (1,) * 8, [7.0]),
    ],
)
def test_regular_lists(text: str, shape: tuple[int, ...], numbers: list[float]) -> None:
    """Nested lists of one length a level, with any white space."""
    assert read(text) == (shape, numbers)


@pytest.mark.parametrize(
    "text",
    [
        "[]", "[[]]", "[[1],[]]", "[[1],[2,3]]", "[[1,2],[3]]", "[1,[2]]", "[[1],2]", "[[[1]],[2]]", "[[1],[[2]]]",
        "[[[[[[[[[7]]]]]]]]]", "[1,]", "[,1]", "[1 2]", "[1", "[[1]", "[1]]"[:2], "[null]", "[true]", '["1"]', "[{}]",
        "[NaN]", "[Infinity]", "[-]", "[+1]", "[.5]", "[1.]", "[01]", "[-01]", "[1e]", "[1e+]", "[0x1]", "[1_0]",
        "[1.e5]",        "[1e400]", "[1e-400]", "[12345678901234567890]", "[18446744073709551616]",
        "[-0.18446744073709551616]", "[36893488147419103232e-1]",
        "[1,\x00]",
        "1", "null", '"[1]"', "{}", "[-Infinity]", "[--1]",
    ],
)  # fmt: skip
def test_everything_else_is_left_to_others(text: str) -> None:
    """Ragged, empty, too deep, no JSON, no number, or a number that is not read here."""
    assert cut(f'{{"data": {text}}}'.encode(), NAME) is None


@pytest.mark.parametrize("body", [b"", b'"data"', b'"data":', b'{"data"', b'{"dat": [1]}', b'["data", [1]]', b"\x00"])
def test_a_body_without_the_member(body: bytes) -> None:
    """Neither the name alone nor the end of the body leads beyond it."""
    assert cut(body, NAME) is None


def test_the_first_member_of_the_name_counts() -> None:
    """A value that happens to read like the name is passed over, and so is an escaped quote before it."""
    found = cut(b'{"x": "data", "y": ["data"], "data" : [3], "data": [4]}', NAME)
    assert found is not None
    assert np.frombuffer(found[3]).tolist() == [3.0]


@pytest.mark.parametrize("text", ["0", "-0", "-0.0", "0e5", "-0e0", "0.000", "00.0"[1:], "-0.00e-3"])
def test_zeros(text: str) -> None:
    """A whole -0 is the integer 0, as for Python; every other zero keeps its sign."""
    found = read(f"[{text}]")
    assert found is not None
    expected = float(int(text)) if text.lstrip("-").isdigit() else float(text)
    assert struct.pack("d", found[1][0]) == struct.pack("d", expected)


def texts(seed: int) -> list[str]:
    """Numbers as clients write them, and as nobody would: 60,000."""
    source = random.Random(seed)
    found = []
    for _ in range(20_000):
        double = struct.unpack("d", source.randbytes(8))[0]
        single = struct.unpack("f", source.randbytes(4))[0]
        near = source.gauss(0, 1) * 10.0 ** source.randint(-12, 20)
        whole = source.randint(-(10 ** source.randint(1, 19)), 10 ** source.randint(1, 19))
        digits = source.randint(1, 19)
        found += [repr(near), f"{near:.{digits}e}", f"{source.gauss(0, 300):.{digits}f}", str(whole)]
        found += [repr(value) for value in (double, float(single)) if value - value == 0]
        # half-way between two doubles, and next to it: where rounding goes wrong first
        half = 2 * source.randint(2**52, 2**53 - 1) + 1
        found += [str(half), f"{half}e-{source.randint(1, 3)}", f"{half + source.choice((-1, 1))}.0"]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_every_bit_is_that_of_float(seed: int) -> None:
    """Whatever is read is what float() reads; and all that people and float32 write is read."""
    left = 0
    for text in texts(seed):
        found = read(f"[{text}]")
        if found is None:
            left += 1
            mantissa = text.lower().lstrip("-").partition("e")[0].replace(".", "").lstrip("0")
            assert len(mantissa) > 15 or abs(float(text)) > 1e15 or abs(float(text)) < 1e-9, text
            continue
        assert struct.pack("d", found[1][0]) == struct.pack("d", float(text)), text
    assert left < 60_000


def test_many_numbers() -> None:
    """Beyond the stack's room, and long enough for other threads to run: the same numbers."""
    rows = np.random.default_rng(0).normal(size=(300, 70))
    found = read(str(rows.tolist()))
    assert found is not None
    assert found[0] == (300, 70)
    assert found[1] == rows.ravel().tolist()


def test_broken_bodies_end_nothing() -> None:
    """A valid body cut off, or with one byte changed, anywhere: an answer or None, and never a byte beyond the end."""
    body = bytearray(b'{"id": "\\"data\\":", "data": [[1.5, -2e3, 0.25], [7, 8.125, 9e-2]], "x": [true]}')
    source = random.Random(0)
    for end in range(len(body)):
        cut(bytes(body[:end]), NAME)
    for _ in range(20_000):
        changed = bytearray(body)
        for _ in range(source.randint(1, 3)):
            changed[source.randrange(len(changed))] = source.choice(b'[]{},:"-+.eE0123456789 \x00\xff')
        found = cut(bytes(changed), NAME)
        assert found is None or len(found[3]) == 8 * int(np.prod(found[2]))


def test_only_bytes_are_taken() -> None:
    """A bytearray could change meanwhile, and text has no bytes."""
    for body in (bytearray(b'{"data": [1]}'), "text", None):
        with pytest.raises(TypeError):
            cut(body, NAME)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        cut(b"{}")  # type: ignore[call-arg]
