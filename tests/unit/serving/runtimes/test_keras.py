"""Keras files of both generations."""

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from modelmoor_server.errors import InvalidRequest, ModelError, Reason
from modelmoor_server.runtimes import LegacyKerasPolicy, Policy, VersionPolicy, load
from modelmoor_server.runtimes.keras import legacy
from modelmoor_server.signature import Datatype, from_instances, from_tensors

STEPS = np.random.default_rng(1).random((7, 5, 2), dtype=np.float32)


def failure(path: Path, **policy: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load(path, None, Policy(**policy))
    return caught.value


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_keras3(keras3: tuple[Any, Path], images: np.ndarray, name: str) -> None:
    """A file of Keras 3 answers as the model does in process, for any number of rows; names are the layers'."""
    original, folder = keras3
    model = load(folder / name, None, Policy())
    output = original.layers[-1].name

    assert model.framework == "keras 3.15.1"
    assert (model.signature.inputs[0].datatype, model.signature.inputs[0].shape) == (Datatype.FP32, (-1, 8, 8, 1))
    assert model.default_outputs == (output,)
    for rows in (1, 16):
        inputs = from_tensors(model.signature, [("any", "FP32", [rows, 8, 8, 1], images[:rows])])
        wanted = np.asarray(original(images[:rows], training=False))
        np.testing.assert_allclose(model.predict(inputs, [output])[output], wanted, rtol=1e-5, atol=1e-7)
    assert model.predict(model.example(), [output])[output].shape == (1, 3)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_keras2(keras2: tuple[Any, Path], name: str) -> None:
    """A file of Keras 2 with LSTM and TensorFlow operations, which Keras 3 cannot open, answers as in process."""
    original, folder = keras2
    model = load(folder / name, None, Policy())
    answers = model.predict(from_instances(model.signature, STEPS.tolist()), ["score"])

    assert model.framework.startswith("keras 2.")
    assert model.signature.inputs[0].name == "steps"
    np.testing.assert_allclose(answers["score"], np.asarray(original(STEPS)), rtol=1e-5, atol=1e-7)


def test_names_are_the_same_in_every_process(keras3: tuple[Any, Path], keras2: tuple[Any, Path]) -> None:
    """A file loaded again, behind others, has the same signature: nothing in it is counted up by the engine."""
    for path in (keras3[1] / "model.h5", keras3[1] / "model.keras", keras2[1] / "model.h5", keras3[1] / "export"):
        first, second = (load(path, None, Policy()).signature for _ in range(2))

        assert first == second
        assert "keras_tensor" not in repr(first)


def test_several_inputs_and_outputs(tmp_path: Path, quiet: Any) -> None:
    """Inputs and outputs go by the author's keys, whichever order the engine holds them in."""
    import keras

    with quiet():
        age, city = keras.Input((2,), name="age"), keras.Input((3,), name="city")
        outputs = {"z": keras.layers.Dense(1)(age), "c": keras.layers.Dense(2)(city)}
        original = keras.Model({"age": age, "city": city}, outputs)
        original.save(tmp_path / "m.keras")
    model = load(tmp_path / "m.keras", None, Policy())
    a, c = np.ones((4, 2), np.float32), np.full((4, 3), 2, np.float32)
    answers = model.predict({"age": a, "city": c}, ["z", "c"])
    wanted = original({"age": a, "city": c})

    assert set(model.default_outputs) == {"z", "c"}
    for name in ("z", "c"):
        np.testing.assert_allclose(answers[name], np.asarray(wanted[name]), rtol=1e-5)
    assert list(model.predict({"age": a, "city": c}, ["c"])) == ["c"]


def test_text(tmp_path: Path, quiet: Any) -> None:
    """A model that takes text takes [n] and [n, 1]."""
    import keras

    vectorize = keras.layers.TextVectorization(max_tokens=10, output_sequence_length=4)
    vectorize.adapt(["good day", "bad night"])
    original = keras.Sequential([keras.Input((1,), dtype="string"), vectorize, keras.layers.Embedding(10, 2)])
    with quiet():
        original.save(tmp_path / "m.keras")
    model = load(tmp_path / "m.keras", None, Policy())
    name = model.default_outputs[0]

    assert model.signature.text
    for shape in ([2], [2, 1]):
        inputs = from_tensors(model.signature, [("x", "BYTES", shape, ["good", "bad day"])])
        answers = model.predict(inputs, [name])[name]
        wanted = np.asarray(original(np.array([["good"], ["bad day"]])))
        np.testing.assert_allclose(answers, wanted, rtol=1e-6)


def test_values_that_the_graph_refuses(tmp_path: Path, quiet: Any) -> None:
    """A number beyond an embedding's table is the caller's mistake, told without the value."""
    import keras

    with quiet():
        keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(4, 2)]).save(tmp_path / "m.keras")
    model = load(tmp_path / "m.keras", None, Policy())

    with pytest.raises(InvalidRequest) as caught:
        model.predict(from_instances(model.signature, [[1, 77]]), model.default_outputs)
    assert "77" not in str(caught.value)


def test_no_shape(tmp_path: Path, quiet: Any) -> None:
    """A model that was saved without ever having seen an input is LoadFailed, and the hint says how to mend it."""
    import keras

    with quiet():
        keras.Sequential([keras.layers.Dense(2)]).save(tmp_path / "m.keras")

    error = failure(tmp_path / "m.keras")
    assert error.reason is Reason.LOAD_FAILED
    assert "keras.Input" in error.hint


@pytest.mark.parametrize("deep", [False, True])
def test_lambda(tmp_path: Path, deep: bool, quiet: Any) -> None:
    """A Lambda layer is code in the artifact: refused in both generations, inside wrappers, too."""
    import keras
    import tf_keras

    for name, library in (("m.keras", keras), ("m.h5", tf_keras), ("old.keras", tf_keras)):
        layer = library.layers.Lambda(lambda x: x * 2)
        layer = library.layers.TimeDistributed(layer) if deep else layer
        model = library.Sequential([library.layers.Input((2, 3)) if library is keras else library.Input((2, 3)), layer])
        with quiet():
            model.save(tmp_path / name)
        error = failure(tmp_path / name)
        assert error.reason is Reason.UNSAFE_ARTIFACT
        assert "Lambda" in error.message


def test_legacy_denied(keras2: tuple[Any, Path]) -> None:
    """Where the platform denies files of Keras 2, they are refused and the way out is told."""
    error = failure(keras2[1] / "model.h5", legacy_keras=LegacyKerasPolicy.DENY)

    assert error.reason is Reason.UNSAFE_ARTIFACT
    assert "Keras 3" in error.hint


def altered(source: Path, target: Path, old: str, new: str) -> Path:
    """A copy of an .h5 file with another configuration."""
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as file:
        config = file.attrs["model_config"]
        assert old in config
        file.attrs["model_config"] = config.replace(old, new)
    return target


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"function": "nn.relu"', '"function": "io.write_file"'),
        ('"function": "nn.relu"', '"function": "compat.v1.py_func"'),
        ('"function": "nn.relu"', '"function": ["nn.relu"]'),
        ('"class_name": "LSTM"', '"class_name": "TFSMLayer"'),
        ('"class_name": "LSTM"', '"class_name": ["LSTM"]'),
        ('"class_name": "GlorotUniform"', '"class_name": "MyInitializer"'),
        ('"module": "keras.initializers"', '"module": "os"'),
        ('"activation": "tanh"', '"activation": "deserialize"'),
        ('"registered_name": null', '"registered_name": "package>Other"'),
        ('"units": 3', '"units": 8589934592'),
    ],
)
def test_legacy_list(keras2: tuple[Any, Path], tmp_path: Path, old: str, new: str) -> None:
    """Before tf_keras sees a file of Keras 2, each class, function, module and size in it must be a known one."""
    assert failure(altered(keras2[1] / "model.h5", tmp_path / "m.h5", old, new)).reason is Reason.UNSAFE_ARTIFACT


def test_legacy_vocabulary_outside() -> None:
    """A layer that would read its vocabulary from a file of the machine is refused."""
    config = {"class_name": "StringLookup", "config": {"name": "x", "vocabulary": "/etc/passwd"}}

    with pytest.raises(ModelError) as caught:
        legacy.check(Path("unused"), config)
    assert caught.value.reason is Reason.UNSAFE_ARTIFACT


def test_weights_in_other_files(keras2: tuple[Any, Path], tmp_path: Path) -> None:
    """Weights that lie in other files of the machine are refused, in an .h5 as inside a .keras."""
    source = keras2[1] / "model.h5"
    (tmp_path / "a.h5").write_bytes(source.read_bytes())
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/hostname", "/x")
    with h5py.File(tmp_path / "bytes.h5", "w") as file:
        file.create_dataset("x", (10,), dtype="u1", external=[("/etc/hostname", 0, 10)])
    with zipfile.ZipFile(keras2[1] / "model.keras") as old, zipfile.ZipFile(tmp_path / "b.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, (tmp_path / "bytes.h5").read_bytes() if name.endswith(".h5") else old.read(name))

    for name in ("a.h5", "b.keras"):
        assert failure(tmp_path / name).reason is Reason.UNSAFE_ARTIFACT


def test_newer_version(keras3: tuple[Any, Path], tmp_path: Path) -> None:
    """A file of a newer Keras is refused; Warn loads it and says so."""
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(keras3[1] / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, json.dumps({"keras_version": "3.99.0"}) if name == "metadata.json" else body)

    assert failure(path).reason is Reason.VERSION_MISMATCH
    assert "3.99.0" in load(path, None, Policy(version_mismatch=VersionPolicy.WARN)).warnings[0]


def test_own_classes(keras3: tuple[Any, Path], tmp_path: Path) -> None:
    """A class that is not Keras's own is LoadFailed, by its name."""
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(keras3[1] / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            if name == "config.json":
                body = body.replace(
                    b'"module": "keras.layers", "class_name": "Conv2D"', b'"module": "mine", "class_name": "Swirl"'
                )
            new.writestr(name, body)

    error = failure(path)
    assert error.reason is Reason.LOAD_FAILED
    assert "Swirl" in error.message


def test_missing_weights(keras3: tuple[Any, Path], tmp_path: Path) -> None:
    """An archive whose weights are gone or damaged is CorruptArtifact."""
    for number, body in enumerate((None, b"rubbish")):
        path = tmp_path / f"{number}.keras"
        with zipfile.ZipFile(keras3[1] / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                if not name.endswith(".h5"):
                    new.writestr(name, old.read(name))
                elif body is not None:
                    new.writestr(name, body)
        assert failure(path).reason is Reason.CORRUPT_ARTIFACT
