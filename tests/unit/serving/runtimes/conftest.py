"""Small models of Keras and TensorFlow, made once a session by the libraries themselves."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Sixteen pictures of 8 x 8 pixels."""
    return np.random.default_rng(0).random((16, 8, 8, 1), dtype=np.float32)


@contextmanager
def silence() -> Iterator[None]:
    """Keras warns of its own deprecations while it saves; our code gets no such silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session")
def quiet() -> Callable[[], AbstractContextManager[None]]:
    """`with quiet():` around what Keras does to make a test's file."""
    return silence


@pytest.fixture(scope="session")
def keras3(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray) -> tuple[Any, Path]:
    """A convolutional model of Keras 3, trained for an epoch, as model.keras, model.h5 and a SavedModel `export`."""
    import keras

    folder = tmp_path_factory.mktemp("keras3")
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    with silence():
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(images, np.arange(16) % 3, verbose=0)
        model.save(folder / "model.keras")
        model.save(folder / "model.h5")
        model.export(folder / "export", verbose=False)
    return model, folder


@pytest.fixture(scope="session")
def keras2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A recurrent model of Keras 2 with TensorFlow operations in its graph, as model.h5 and model.keras."""
    import tf_keras
    from tensorflow import concat, nn

    folder = tmp_path_factory.mktemp("keras2")
    steps = tf_keras.Input((5, 2), name="steps")
    hidden = tf_keras.layers.LSTM(3)(steps)
    hidden = concat([nn.relu(hidden), hidden * 2.0], axis=-1)
    model = tf_keras.Model(steps, tf_keras.layers.Dense(2, name="score")(hidden))
    with silence():
        model.save(folder / "model.h5")
        model.save(folder / "model.keras")
    return model, folder
