"""The short way into TensorFlow gives the long way's bits, or is not taken."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelmoor_server.errors import RequestError
from modelmoor_server.runtimes import Policy, load

RANDOM = np.random.default_rng(5)


def bits(model: Any, inputs: dict[str, np.ndarray]) -> dict[str, bytes]:
    answers = model.predict(inputs, model.default_outputs)
    return {name: array.tobytes() for name, array in answers.items()}


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "export"])
def test_keras3(keras3: tuple[Any, Path], images: np.ndarray, name: str) -> None:
    """A convolutional network of each form takes the short way, by not a bit another one."""
    model: Any = load(keras3[1] / name, None, Policy())
    given = model.signature.inputs[0].name

    assert model.short is not None
    for rows in (1, 2, 7, 16):
        inputs = {given: images[:rows]}
        assert bits(model, inputs) == bits(replace(model, short=None), inputs)


def test_keras2(keras2: tuple[Any, Path]) -> None:
    """A recurrent network of Keras 2, too."""
    model: Any = load(keras2[1] / "model.h5", None, Policy())
    inputs = {"steps": RANDOM.random((5, 5, 2), dtype=np.float32)}

    assert model.short is not None
    assert bits(model, inputs) == bits(replace(model, short=None), inputs)


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory, quiet: Any) -> Path:
    """A SavedModel whose author's order of inputs and outputs is not the alphabet's, all of one shape."""
    import keras

    with quiet():
        z, a = keras.Input((2,), name="zed"), keras.Input((2,), name="alpha")
        outputs = {"y": keras.layers.Dense(2)(z), "b": keras.layers.Dense(2)(a)}
        path = tmp_path_factory.mktemp("crossed") / "export"
        keras.Model({"zed": z, "alpha": a}, outputs).export(path, verbose=False)
    return path


def test_several_inputs_keep_their_names(crossed: Path) -> None:
    """Inputs and outputs of one shape are not taken for one another."""
    model: Any = load(crossed, None, Policy())
    inputs = {name: RANDOM.random((3, 2), dtype=np.float32) for name in ("zed", "alpha")}

    assert model.short is not None
    assert bits(model, inputs) == bits(replace(model, short=None), inputs)


def test_other_shapes_go_the_long_way(crossed: Path) -> None:
    """Arrays that the function was not traced for meet the same refusal as without the short way."""
    model: Any = load(crossed, None, Policy())
    inputs = {name: np.ones((3, 5), np.float32) for name in ("zed", "alpha")}
    told = []
    for way in (model, replace(model, short=None)):
        with pytest.raises(RequestError) as caught:
            way.predict(inputs, way.default_outputs)
        told.append((type(caught.value), str(caught.value)))

    assert told[0] == told[1]


def test_lots(tmp_path: Path) -> None:
    """A program that draws lots can be compared with nothing: it stays on the long way, and answers."""
    import tensorflow as tf

    program = tf.Module()
    spec = tf.TensorSpec((None, 2), tf.float32, name="x")
    program.call = tf.function(lambda x: {"y": x + tf.random.uniform(tf.shape(x))}, input_signature=[spec])
    tf.saved_model.save(program, str(tmp_path / "lots"), signatures=program.call)
    model: Any = load(tmp_path / "lots", None, Policy())

    assert model.short is None
    assert model.predict({"x": np.ones((2, 2), np.float32)}, model.default_outputs)["y"].shape == (2, 2)
