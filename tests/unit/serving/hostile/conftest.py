from collections.abc import Iterator

import pytest

from unit.serving.hostile.grpc_doors import Neighbours, calling
from unit.serving.process import Started


@pytest.fixture(scope="module")
def neighbour(doors: Started) -> Iterator[Neighbours]:
    """A caller who was there before, at both ports."""
    with calling(doors) as channel:
        caller = Neighbours(doors, channel=channel)
        caller.ask()
        yield caller
        caller.close()
