"""The gate of a conversion: what differs is found and named, and leaves nothing behind."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelmoor_server.errors import InvalidRequest, ModelError
from modelmoor_server.optimized.verb import optimize
from modelmoor_server.runtimes import Policy, load
from modelmoor_server.runtimes.base import Engine
from modelmoor_server.runtimes.onnx import gate
from modelmoor_server.signature import Datatype, Field, Signature

FLOATS = Signature((Field("x", Datatype.FP32, (-1, 3)),), (Field("y", Datatype.FP32, (-1, 3)),))
WHOLE = Signature((Field("x", Datatype.INT32, (-1, 3)),), (Field("y", Datatype.FP32, (-1, 3)),))
Way = Callable[[np.ndarray], np.ndarray]


def judged(original: Way, fast: Way, signature: Signature = FLOATS) -> gate.Verdict:
    """The verdict on a function that stands for the converted network."""
    example = {"x": np.ones((1, 3), np.float32 if signature is FLOATS else np.int32)}
    ask = lambda way: lambda inputs: {"y": way(inputs["x"])}  # noqa: E731
    return gate.judge(ask(original), ask(fast), signature, example, lambda sentence: None)


def half(x: np.ndarray) -> np.ndarray:
    return (x * np.float32(0.5)).astype(np.float32)


def test_equal() -> None:
    """Equal on everything: no limit, and so many rows of every size of a call."""
    verdict = judged(half, half)

    assert (verdict.largest, verdict.domain.limit, verdict.domain.empty) == (0.0, None, True)
    assert verdict.rows > 200
    assert len(verdict.sample["x"]) == 2
    assert np.array_equal(verdict.answers["y"], half(verdict.sample["x"]))


DIFFERENT: dict[str, Way] = {
    "by 2e-5": lambda x: half(x) * np.float32(1 + 2e-5),
    "in float64": lambda x: half(x).astype(np.float64),
    "another shape": lambda x: half(x)[:, :2],
    "negative numbers alone": lambda x: np.where(x < 0, 0, half(x)),
    "zero alone": lambda x: np.where(x == 0, np.float32(1e-3), half(x)),
    "calls of 64 rows alone": lambda x: half(x) + np.float32(len(x) == 64),
    "one row alone": lambda x: half(x) + np.float32(len(x) == 1),
    "beyond 300 alone": lambda x: np.where(np.abs(x) > 300, 0, half(x)),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_different(what: str) -> None:
    """A difference on any usual rows is found, whichever kind of rows shows it."""
    with pytest.raises(gate.NotEqual):
        judged(half, lambda x: DIFFERENT[what](x).astype(np.float64 if what == "in float64" else np.float32))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_special_values(number: float) -> None:
    """A difference on missing or infinite values alone bounds the values that are answered."""
    verdict = judged(half, lambda x: np.where(np.isnan(x) | (x == number), np.float32(7), half(x)))

    assert verdict.domain.limit == 1e32


def test_overflow() -> None:
    """So does one on very large numbers: the limit is the last magnitude that was equal."""
    assert judged(half, lambda x: np.where(np.abs(x) > 1e10, np.float32(0), half(x))).domain.limit == 1e8


def test_no_rows() -> None:
    """A call without rows is answered only where both do, alike."""

    def refuses(x: np.ndarray) -> np.ndarray:
        if not len(x):
            raise InvalidRequest("no rows")
        return half(x)

    assert [judged(*ways).domain.empty for ways in ((half, half), (refuses, half), (half, refuses))] == [
        True,
        False,
        False,
    ]


def test_table() -> None:
    """The places of a table are found to the last one, also where the converted network would take others."""
    table = np.linspace(0, 1, 1000, dtype=np.float32)

    def original(x: np.ndarray) -> np.ndarray:
        if x.min(initial=0) < 0 or x.max(initial=0) > 999:
            raise InvalidRequest("no such place")
        return table[x]

    def wraps(x: np.ndarray) -> np.ndarray:
        return table[x % 1000]

    def short(x: np.ndarray) -> np.ndarray:
        return table[np.minimum(x, 998)]

    assert judged(original, wraps, WHOLE).domain.whole == {"x": (0, 999)}
    with pytest.raises(gate.NotEqual):
        judged(original, short, WHOLE)


def test_lots() -> None:
    """A model that answers the same rows differently can be compared with nothing."""
    random = np.random.default_rng(0)
    draws = lambda x: half(x) + random.random(x.shape, dtype=np.float32)  # noqa: E731
    with pytest.raises(gate.NotEqual):
        judged(draws, draws)


def test_text(tmp_path: Path, quiet: Any) -> None:
    """Text has no fast form: a sentence, exit code 1, JSON for scripts, and no folder."""
    import keras

    with quiet():
        vectorize = keras.layers.TextVectorization(output_sequence_length=3, vocabulary=["good", "bad"])
        keras.Sequential([keras.Input((1,), dtype="string", name="words"), vectorize]).save(tmp_path / "m.keras")
    words = [sys.executable, "-m", "modelmoor_server", "optimize", "m.keras", "fast", "--json"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = json.loads(ended.stdout)

    assert (ended.returncode, told["ok"]) == (1, False)
    assert "'words' is text" in told["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_operation_without_counterpart(tmp_path: Path) -> None:
    """A SavedModel with an operation that ONNX does not know is refused as a whole."""
    import tensorflow as tf

    program = tf.Module()
    spec = tf.TensorSpec((None, 4), tf.float32, name="x")
    program.call = tf.function(lambda x: {"y": tf.math.bessel_i0e(x)}, input_signature=[spec])
    tf.saved_model.save(program, str(tmp_path / "m"), signatures=program.call)
    with pytest.raises(ModelError) as caught:
        optimize(tmp_path / "m", tmp_path / "fast", lambda sentence: None)

    assert "counterpart" in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_several_signatures(tmp_path: Path) -> None:
    """A SavedModel with a further signature keeps it, by staying as it is."""
    import tensorflow as tf

    program = tf.Module()
    spec = tf.TensorSpec((None, 4), tf.float32, name="x")
    program.one = tf.function(lambda x: {"y": x * 2.0}, input_signature=[spec])
    program.two = tf.function(lambda x: {"y": x * 3.0}, input_signature=[spec])
    both = {"serving_default": program.one, "other": program.two}
    tf.saved_model.save(program, str(tmp_path / "m"), signatures=both)
    with pytest.raises(ModelError, match="further signature"):
        optimize(tmp_path / "m", tmp_path / "fast", lambda sentence: None)


def test_fixed_rows(tmp_path: Path, quiet: Any) -> None:
    """A model of a fixed number of rows is compared in calls of that number, and answers them."""
    import keras

    with quiet():
        keras.Sequential([keras.Input(batch_shape=(2, 4)), keras.layers.Dense(3)]).save(tmp_path / "m.keras")
        optimize(tmp_path / "m.keras", tmp_path / "fast", lambda sentence: None)
    fast, original = load(tmp_path / "fast", None, Policy()), load(tmp_path / "m.keras", None, Policy())
    answers = [model.predict(fast.example(), fast.default_outputs) for model in (fast, original)]

    assert fast.engine is Engine.ONNX
    for name, array in answers[1].items():
        np.testing.assert_allclose(answers[0][name], array, rtol=1e-5, atol=1e-7)


def test_constants(tmp_path: Path, quiet: Any) -> None:
    """Numbers that a layer holds beside its weights, as a normalization does, are not taken for inputs."""
    import keras

    with quiet():
        normalize = keras.layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])
        layers = [normalize, keras.layers.Dense(2, activation="softmax")]
        keras.Sequential([keras.Input((2,), name="x"), *layers]).save(tmp_path / "m.keras")
        optimize(tmp_path / "m.keras", tmp_path / "fast", lambda sentence: None)
    fast, original = load(tmp_path / "fast", None, Policy()), load(tmp_path / "m.keras", None, Policy())
    rows = {"x": np.random.default_rng(0).normal(1, 3, (5, 2)).astype(np.float32)}
    answers = [model.predict(rows, fast.default_outputs) for model in (fast, original)]

    for name, array in answers[1].items():
        assert answers[0][name].dtype == array.dtype
        np.testing.assert_allclose(answers[0][name], array, rtol=1e-5, atol=1e-7)
