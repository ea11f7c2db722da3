"""Quantities: the exact number and the API server's spelling (tests/controlplane compares it with a real one)."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from modelmoor_operator.api import quantities

SPELLINGS = st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,3})?([KMG]i|[mkMG])?", fullmatch=True)


@pytest.mark.parametrize(
    ("written", "number", "stored"),
    [
        ("0", "0", "0"),
        ("0Gi", "0", "0"),
        (2, "2", "2"),
        ("+1", "1", "1"),
        ("0.5", "0.5", "500m"),
        (".25", "0.25", "250m"),
        ("1.", "1", "1"),
        ("1000m", "1", "1"),
        ("1000", "1000", "1k"),
        ("1024", "1024", "1024"),
        ("1.5Gi", "1610612736", "1536Mi"),
        ("1024Ki", "1048576", "1Mi"),
        ("0.5Ki", "512", "512"),
        ("1.0001Ki", "1024.1024", "1024102400u"),
        ("1e3", "1000", "1e3"),
        ("15E2", "1500", "1500"),
        ("1e-1", "0.1", "100e-3"),
        ("0.0000000001", "0.000000001", "1n"),
        ("1e100", "9223372036854775807", "9223372036854775807"),
    ],
)
def test_a_quantity_is_read_exactly_and_spelt_as_it_is_stored(written: str | int, number: str, stored: str) -> None:
    """The number is exact; the spelling is the one that the API server gives back."""
    assert quantities.parse(written) == Decimal(number)
    assert quantities.canonical(written) == stored


@pytest.mark.parametrize("written", ["", ".", "-1", "1K", "1 Gi", "1gi", "0x1", "1e", "1e1.5", "1Gi\n", "9" * 33, True])
def test_what_is_no_quantity_is_refused_without_quoting_it(written: str) -> None:
    """The refusal says what a quantity looks like and does not repeat the text."""
    with pytest.raises(ValueError, match="must be a quantity such as 500m"):
        quantities.canonical(written)


@given(SPELLINGS)
def test_our_numbers_are_those_of_the_client_library(written: str) -> None:
    """The Kubernetes client reads the same number, but for what is finer than a nano-unit."""
    assert quantities.parse(written) == parse_quantity(written)


@given(SPELLINGS)
def test_the_canonical_spelling_is_stable_and_keeps_the_number(written: str) -> None:
    """Spelling it again changes nothing, the number stays, and the schema's own pattern takes the result."""
    stored = quantities.canonical(written)

    assert quantities.canonical(stored) == stored
    assert quantities.parse(stored) == quantities.parse(written)
    assert re.fullmatch(quantities.PATTERN, stored)


def test_whole_units_are_rounded_up() -> None:
    """A size limit of half a byte is one byte."""
    assert quantities.whole("5Gi") == 5 * 1024**3
    assert quantities.whole("500m") == 1
