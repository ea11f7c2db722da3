"""What comes over the wire: every raw case, whole and byte by byte, against the real server."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.serving.http.harness import Running
from unit.serving.http.raw_cases import CASES, Case
from unit.serving.http.wire import statuses_of


@pytest.mark.parametrize("byte_by_byte", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_raw_request(server: Running, case: Case, byte_by_byte: bool) -> None:
    """A raw request gets the statuses that its RFC wants, however its bytes come in; every error is JSON."""
    found = server.exchange(case.sent, byte_by_byte=byte_by_byte)
    if byte_by_byte:  # between head and body a server that was asked to may say 100 (RFC 9110, 10.1.1)
        found = [answer for answer in found if answer.status != 100]

    assert tuple(answer.status for answer in found) == case.statuses
    assert all(isinstance(answer.json["error"], str) for answer in found if answer.status >= 400)
    if case.body is not None:
        assert found[0].json["body"] == case.body
    assert "connection" not in found[0].headers or found[0].headers["connection"] == (
        "keep-alive" if len(case.statuses) > 1 else "close"
    )


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(CASES), st.lists(st.integers(1, 400), max_size=12))
def test_splits_change_nothing(case: Case, sizes: list[int]) -> None:
    """However a stream is cut into reads, the answers are those of the stream in one piece."""
    assert statuses_of(case.sent, sizes) == case.statuses


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=8), st.data())
def test_noise_is_answered_or_waited_for(noise: bytes, sizes: list[int], data: st.DataObject) -> None:
    """Bytes thrown into a good request never raise, and are judged alike whole and split."""
    base = data.draw(st.sampled_from([case for case in CASES if len(case.raw) < 2000])).sent
    position = data.draw(st.integers(0, len(base)))
    mixed = base[:position] + noise + base[position:]

    assert statuses_of(mixed, sizes) == statuses_of(mixed, [])
