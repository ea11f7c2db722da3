"""The server of the HTTP tests."""

from collections.abc import Iterator

import pytest

from unit.serving.http.harness import Running, running


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A server with the limits of production."""
    with running() as started:
        yield started
