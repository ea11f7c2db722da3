"""Durations: exact inside, canonical outside."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmoor_operator.api import durations


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0s", timedelta()),
        ("250ms", timedelta(milliseconds=250)),
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1m1ms", timedelta(minutes=1, milliseconds=1)),
        ("5m5m", timedelta(minutes=10)),
        ("99999h", timedelta(hours=99999)),
    ],
)
def test_a_duration_is_read_exactly(written: str, meant: timedelta) -> None:
    """Each unit counts, `ms` is never read as minutes, and parts add up."""
    assert durations.parse(written) == meant


@pytest.mark.parametrize(
    "written", ["", "30", "1d", "1.5s", "-1s", "s", "1 s", "123456s", "1h1m1s1ms1s", "30s\n", 30, None]
)
def test_what_is_no_duration_is_refused_without_quoting_it(written: object) -> None:
    """The refusal says what a duration looks like; the text may come from anywhere, so it is not repeated."""
    with pytest.raises(ValueError, match="must be a duration such as 30s") as refusal:
        durations.parse(written)

    assert "123456s" not in str(refusal.value)


@pytest.mark.parametrize(("span", "written"), [(90, "1m30s"), (600, "10m"), (3600, "1h"), (0, "0s"), (0.25, "250ms")])
def test_a_duration_is_written_in_its_largest_units(span: float, written: str) -> None:
    """`600s` and `10m` are one duration, so they are written alike and make one revision."""
    assert durations.canonical(timedelta(seconds=span)) == written


@given(st.integers(min_value=0, max_value=99999 * 3_600_000))
def test_writing_and_reading_lose_nothing(milliseconds: int) -> None:
    """Every span that the field can hold survives the way out and in, in a spelling that the schema takes."""
    span = timedelta(milliseconds=milliseconds)

    assert durations.parse(durations.canonical(span)) == span


def test_whole_seconds_are_rounded_up() -> None:
    """A field of Kubernetes in seconds never gets less than what was asked for."""
    assert durations.seconds(timedelta(milliseconds=1)) == 1
    assert durations.seconds(timedelta(seconds=30)) == 30
    assert durations.milliseconds(timedelta(seconds=1.5)) == 1500


def test_a_negative_span_is_refused() -> None:
    """There is no spelling for it."""
    with pytest.raises(ValueError, match="negative"):
        durations.canonical(timedelta(seconds=-1))
