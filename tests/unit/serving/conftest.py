"""Real models on disk, and real servers for the tests of the doors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from unit.serving.process import GRPC, Started, by_hand, save_models, save_odd_models, started

settings.register_profile("no deadline", deadline=None)  # an example's time tells about the machine, not about us
settings.load_profile("no deadline")


TRANSPORTS = ("Native", "Grpcio")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is about the gRPC port is asked of both transports: the module names its fixture in BOTH_TRANSPORTS."""
    fixture = getattr(metafunc.module, "BOTH_TRANSPORTS", "")
    if fixture in metafunc.fixturenames:
        scope = "session" if fixture == "doors" else "function"
        metafunc.parametrize(fixture, TRANSPORTS, indirect=True, scope=scope)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of process.py."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    save_odd_models(folder)
    return folder


@pytest.fixture(scope="session")
def doors(models: Path, request: pytest.FixtureRequest) -> Iterator[Started]:
    """A server of the four well-behaved models, ready; HTTP and gRPC. Its parameter is the gRPC port's transport."""
    transport = {"MODELMOOR_GRPC_TRANSPORT": getattr(request, "param", "Auto")}
    with started([*by_hand(models, "iris", "people", "text", "sum"), *GRPC], transport) as server:
        server.event("Ready")
        yield server


@pytest.fixture(scope="session")
def lone(models: Path) -> Iterator[Started]:
    """A server of one model, the table of people, that lets pages of two origins in."""
    origins = {"MODELMOOR_CORS_ORIGINS": "https://app.example.com, http://localhost:3000"}
    with started(by_hand(models, "people"), origins) as server:
        server.event("Ready")
        yield server


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """serving_default: bytes and numbers; half: an output that is not one a row; scalar: one value."""
    import tensorflow as tf

    class Program(tf.Module):
        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.string, "png"), tf.TensorSpec([None, 2], tf.float32, "x")]
        )
        def look(self, png: Any, x: Any) -> dict[str, Any]:
            return {
                "length": tf.strings.length(png),
                "ratio": x / tf.constant([[3.0, 0.0]]),
                "copy_bytes": tf.strings.join([png, b"\xff"]),
            }

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
        def half(self, x: Any) -> dict[str, Any]:
            return {"y": x / 2, "total": tf.reduce_sum(x)}

        @tf.function(input_signature=[tf.TensorSpec([], tf.int64, "n")])
        def scalar(self, n: Any) -> dict[str, Any]:
            return {"next": n + 1}

    folder = tmp_path_factory.mktemp("saved") / "m"
    program = Program()
    names = {"serving_default": program.look, "half": program.half, "scalar": program.scalar}
    tf.saved_model.save(program, str(folder), signatures=names)
    return folder


@pytest.fixture(scope="session")
def saved_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nested lists and a whole number of 64 bits in, one number of each kind out."""
    import tensorflow as tf

    class Program(tf.Module):
        @tf.function(
            input_signature=[tf.TensorSpec([None, 3, 3], tf.float32, "pixels"), tf.TensorSpec([None], tf.int64, "n")]
        )
        def look(self, pixels: Any, n: Any) -> dict[str, Any]:
            return {"light": tf.reduce_sum(pixels, [1, 2]), "next": n + 1}

    folder = tmp_path_factory.mktemp("saved") / "picture"
    program = Program()
    tf.saved_model.save(program, str(folder), signatures=program.look)
    return folder


@pytest.fixture(scope="session")
def tensorflow(saved: Path, saved_picture: Path) -> Iterator[Started]:
    """A server of both SavedModels; HTTP and gRPC. TensorFlow takes its time, so only `slow` tests ask for it."""
    models = [f"m={saved}", f"picture={saved_picture}"]
    with started(["serve", "--model", models[0], "--model", models[1], "--http-port", "0", *GRPC]) as server:
        server.event("Ready", 240)
        yield server
