"""Which transport carries a test's calls: a module that names the fixture in BOTH_TRANSPORTS is asked of both."""

import pytest

from unit.serving import process
from unit.serving.grpc import harness


@pytest.fixture
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """For ports in the test's own process, and for server processes that it starts."""
    choice: str = request.param
    monkeypatch.setattr(harness, "TRANSPORT", choice)
    monkeypatch.setitem(process.COMMON, "MODELMOOR_GRPC_TRANSPORT", choice)
    return choice
