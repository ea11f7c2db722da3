"""Real models on disk, and one real server for the tests of the doors."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from unit.serving.process import GRPC, Started, by_hand, save_models, save_odd_models, started

settings.register_profile("no deadline", deadline=None)  # an example's time tells about the machine, not about us
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of process.py."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    save_odd_models(folder)
    return folder


@pytest.fixture(scope="session")
def doors(models: Path) -> Iterator[Started]:
    """A server of the four well-behaved models, ready; HTTP and gRPC."""
    with started([*by_hand(models, "iris", "people", "text", "sum"), *GRPC]) as server:
        server.event("Ready")
        yield server


@pytest.fixture(scope="session")
def lone(models: Path) -> Iterator[Started]:
    """A server of one model, the table of people, that lets pages of two origins in."""
    origins = {"MODELMOOR_CORS_ORIGINS": "https://app.example.com, http://localhost:3000"}
    with started(by_hand(models, "people"), origins) as server:
        server.event("Ready")
        yield server
