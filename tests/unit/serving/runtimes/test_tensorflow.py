"""TensorFlow SavedModel folders."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelmoor_server.errors import ModelError, Reason
from modelmoor_server.runtimes import Policy, load
from modelmoor_server.signature import Datatype, from_instances, from_tensors


def failure(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load(path, None, Policy())
    return caught.value


def test_keras3_export(keras3: tuple[Any, Path], images: np.ndarray) -> None:
    """An export of Keras 3 answers as the model does in process."""
    original, folder = keras3
    model = load(folder / "export", "tensorflow", Policy())
    inputs = from_tensors(model.signature, [("any", "FP32", [16, 8, 8, 1], images)])

    assert model.framework.startswith("tensorflow 2.")
    assert model.default_outputs == ("output_0",)
    answers = model.predict(inputs, ["output_0"])["output_0"]
    np.testing.assert_allclose(answers, np.asarray(original(images, training=False)), rtol=1e-5, atol=1e-7)


def test_keras2_folder(tmp_path: Path, quiet: Any) -> None:
    """A SavedModel of Keras 2 keeps its names."""
    import tf_keras

    steps = tf_keras.Input((5,), name="steps")
    original = tf_keras.Model(steps, tf_keras.layers.Dense(2, name="score")(steps))
    with quiet():
        original.save(tmp_path / "saved", save_format="tf")
    model = load(tmp_path / "saved", None, Policy())
    steps = np.ones((3, 5), np.float32)
    answers = model.predict({"steps": steps}, ["score"])

    np.testing.assert_allclose(answers["score"], np.asarray(original(steps)), rtol=1e-5, atol=1e-7)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function of text and numbers, with an output of each."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("program") / "m"

    class Program(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, name="word"),
                tf.TensorSpec([None, 2], tf.int64, name="numbers"),
            ]
        )
        def serve(self, word: Any, numbers: Any) -> dict[str, Any]:
            return {"loud": tf.strings.upper(word), "sum": tf.reduce_sum(numbers, axis=1), "raw": word}

    module = Program()
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


def test_text_and_numbers(program: Path) -> None:
    """Text goes in as text or any bytes and comes out as text, where it is UTF-8; numbers keep their dtype."""
    model = load(program, None, Policy())
    rows = [{"word": "day", "numbers": [1, 2]}, {"word": "ü", "numbers": [3, 2**53 + 1]}]
    answers = model.predict(from_instances(model.signature, rows), ["loud", "sum", "raw"])

    assert answers["loud"].tolist() == ["DAY", "ü"]
    assert answers["sum"].tolist() == [3, 2**53 + 4]
    assert [field.datatype for field in model.signature.inputs] == [Datatype.INT64, Datatype.BYTES]

    raw = np.array([b"\xff"], dtype=object)
    tensors = [("word", "BYTES", [1], raw), ("numbers", "INT64", [1, 2], [1, 2])]
    assert model.predict(from_tensors(model.signature, tensors), ["raw"])["raw"].tolist() == [b"\xff"]
    assert model.predict(model.example(), ["sum"])["sum"].shape == (1,)


def test_file_operations(tmp_path: Path) -> None:
    """A graph that reads or writes files is refused before it is loaded."""
    import tensorflow as tf

    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def serve(self, path: Any) -> dict[str, Any]:
            return {"content": tf.io.read_file(path)}

    module = Reader()
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.serve)

    error = failure(tmp_path / "m")
    assert error.reason is Reason.UNSAFE_ARTIFACT
    assert "ReadFile" in error.message


def test_damaged(keras3: tuple[Any, Path], tmp_path: Path) -> None:
    """Missing or cut-off variables and a cut-off graph are CorruptArtifact."""
    source = keras3[1] / "export"
    for number, (name, keep) in enumerate(
        [("variables/variables.data-00000-of-00001", 0.5), ("variables/variables.index", 0), ("saved_model.pb", 0.5)]
    ):
        folder = tmp_path / str(number)
        shutil.copytree(source, folder)
        body = (folder / name).read_bytes()
        (folder / name).write_bytes(body[: int(len(body) * keep)])

        assert failure(folder).reason is Reason.CORRUPT_ARTIFACT


def test_no_signature(tmp_path: Path) -> None:
    """A SavedModel without signatures is LoadFailed, and the hint says how to export one."""
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "m"))

    error = failure(tmp_path / "m")
    assert error.reason is Reason.LOAD_FAILED
    assert "serving_default" in error.message
