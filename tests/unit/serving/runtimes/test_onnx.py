"""Networks by ONNX Runtime: which artifact is answered by it, which values, and what happens where it may not be."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

from modelmoor_server.errors import InvalidRequest, ModelError, Reason
from modelmoor_server.naming import OF_SIGNATURE
from modelmoor_server.optimized.verb import optimize
from modelmoor_server.runtimes import EnginePolicy, Policy, load
from modelmoor_server.runtimes.base import Engine


@pytest.fixture(scope="module")
def converted(keras3: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory, quiet: Any) -> Path:
    """The optimized artifact of a convolutional network of Keras 3."""
    folder = tmp_path_factory.mktemp("converted") / "fast"
    with quiet():
        optimize(keras3[1] / "model.keras", folder, lambda sentence: None)
    return folder


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory, quiet: Any) -> tuple[Path, Path]:
    """A network over places in a table of 9, any number of them a row: its file and its optimized artifact."""
    import keras

    folder = tmp_path_factory.mktemp("tokens")
    keras.utils.set_random_seed(1)
    with quiet():
        layers = [keras.layers.Embedding(9, 4), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2, "softmax")]
        keras.Sequential([keras.Input((None,), dtype="int32", name="tokens"), *layers]).save(folder / "model.keras")
        optimize(folder / "model.keras", folder / "fast", lambda sentence: None)
    return folder / "model.keras", folder / "fast"


def by(path: Path, engine: EnginePolicy = EnginePolicy.AUTO) -> Any:
    return load(path, None, Policy(engine=engine))


def test_the_same_model(keras3: tuple[Any, Path], converted: Path, images: np.ndarray) -> None:
    """Names, datatypes, shapes and what is known of rows are the original's; answers are within 1e-5 of it."""
    fast, original = by(converted), by(keras3[1] / "model.keras")

    assert fast.engine is Engine.ONNX
    for what in ("format", "framework", "signature", "default_outputs", "independence", "alternatives"):
        assert getattr(fast, what) == getattr(original, what), what
    assert fast.warnings == ()
    name = fast.signature.inputs[0].name
    for rows in (1, 7, 16):
        got, wanted = (model.predict({name: images[:rows]}, model.default_outputs) for model in (fast, original))
        for output in wanted:
            assert got[output].dtype == wanted[output].dtype
            np.testing.assert_allclose(got[output], wanted[output], rtol=1e-5, atol=1e-7)
    assert fast.predict(fast.example(), fast.default_outputs)


def test_saved_model(keras3: tuple[Any, Path], tmp_path: Path, images: np.ndarray) -> None:
    """A SavedModel goes by all the names of its signature as before, and the original beside it stays servable."""
    optimize(keras3[1] / "export", tmp_path / "fast", lambda sentence: None)
    fast, original = by(tmp_path / "fast"), by(keras3[1] / "export")
    inner = fast.signature.inputs[0].name, fast.default_outputs[0]

    assert (fast.engine, fast.format, fast.framework) == (Engine.ONNX, "tensorflow", original.framework)
    assert fast.signature == original.signature
    assert dict(fast.alternatives) == dict(original.alternatives)
    assert by(tmp_path / "fast", EnginePolicy.LIBRARY).signature == original.signature
    for start in ("", *(name + OF_SIGNATURE for name in fast.alternatives)):
        got, wanted = (model.predict({start + inner[0]: images}, [start + inner[1]]) for model in (fast, original))
        np.testing.assert_allclose(got[start + inner[1]], wanted[start + inner[1]], rtol=1e-5, atol=1e-7)


def test_no_framework(converted: Path) -> None:
    """Neither TensorFlow nor Keras nor the converter is imported to answer."""
    code = (
        "import sys; from pathlib import Path; from modelmoor_server.runtimes import load, Policy\n"
        "m = load(Path(sys.argv[1]), None, Policy()); m.predict(m.example(), m.default_outputs)\n"
        "print(m.engine, *sorted({'tensorflow', 'keras', 'tf2onnx', 'onnx', 'h5py', 'sklearn'} & sys.modules.keys()))"
    )
    told = subprocess.run([sys.executable, "-c", code, str(converted)], capture_output=True, text=True, check=True)

    assert told.stdout.split() == ["ONNX"]


def test_policy(keras3: tuple[Any, Path], converted: Path) -> None:
    """Library answers by TensorFlow, ONNX demands the fast form and tells how to get one; none has a native engine."""
    assert by(converted, EnginePolicy.LIBRARY).engine is Engine.LIBRARY
    assert by(converted, EnginePolicy.ONNX).engine is Engine.ONNX
    assert by(keras3[1] / "model.keras").engine is Engine.LIBRARY
    with pytest.raises(ModelError) as caught:
        by(keras3[1] / "model.keras", EnginePolicy.ONNX)
    assert caught.value.reason is Reason.LOAD_FAILED
    assert "modelmoor-server optimize" in caught.value.hint
    for path in (converted, keras3[1] / "model.keras", keras3[1] / "export"):
        with pytest.raises(ModelError, match="no native engine"):
            by(path, EnginePolicy.NATIVE)


def _manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "fast" / "manifest.json"
        body = json.loads(path.read_text())
        change(body)
        path.write_text(json.dumps(body))

    return spoil


def _cut(folder: Path) -> None:
    (folder / "fast" / "manifest.json").write_text("{")


def _flip(folder: Path) -> None:
    path = folder / "fast" / "model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _gone(folder: Path) -> None:
    (folder / "fast" / "sample.npz").unlink()


def _other_original(folder: Path) -> None:
    import keras

    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()]).save(folder / "model.keras")


def _other_answers(folder: Path) -> None:
    """As on a machine whose ONNX Runtime computes otherwise: the files are whole, the answers are not those stored."""
    path = folder / "fast" / "sample.npz"
    with np.load(path) as sample:
        arrays = dict(sample)
    arrays["output_0"] = arrays["output_0"] * np.float32(1.001)
    np.savez(path, **arrays)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    _manifest(lambda body: body["files"].update({"sample.npz": f"sha256:{digest}"}))(folder)


def _no_model(folder: Path) -> None:
    path = folder / "fast" / "model.onnx"
    path.write_bytes(b"no model")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    _manifest(lambda body: body["files"].update({"model.onnx": f"sha256:{digest}"}))(folder)


SPOILED = (
    (_cut, "cannot be read"),
    (_flip, "is damaged"),
    (_gone, "is not there"),
    (_other_original, "has changed"),
    (_other_answers, "differently on this machine"),
    (_no_model, "cannot load it"),
    (_manifest(lambda body: body.update(layout=2)), "not of layout 1"),
    (_manifest(lambda body: body.update(engine="Magic")), "cannot be"),
    (_manifest(lambda body: body["madeWith"].update(onnxruntime="99.0.0")), "newer ONNX Runtime"),
    (_manifest(lambda body: body["madeWith"].pop("onnxruntime")), "newer ONNX Runtime"),
    (_manifest(lambda body: body["model"]["domain"].update(limit="much")), "do not hold what"),
    (
        _manifest(lambda body: body["signature"]["outputs"].append(body["signature"]["outputs"][0] | {"name": "b"})),
        "oth",
    ),
)


@pytest.mark.parametrize(("spoil", "told"), SPOILED, ids=[told for _, told in SPOILED])
def test_unusable(converted: Path, tmp_path: Path, quiet: Any, spoil: Callable[[Path], None], told: str) -> None:
    """A fast form that is damaged, of another original or another layout is not used: the original answers and says
    why; where ONNX alone is allowed the model is refused with the same reason."""
    folder = tmp_path / "artifact"
    copytree(converted, folder)
    with quiet():
        spoil(folder)
        model = by(folder)

    assert model.engine is Engine.LIBRARY
    assert told in model.warnings[-1]
    assert "original is served" in model.warnings[-1]
    with pytest.raises(ModelError) as caught:
        by(folder, EnginePolicy.ONNX)
    assert told in caught.value.message


def test_values_beyond_the_comparison(converted: Path) -> None:
    """Missing and infinite values, which the two engines treat differently, are refused with row and reason."""
    model = by(converted)
    name = model.signature.inputs[0].name
    for value in (np.nan, np.inf, -np.inf):
        rows = np.zeros((3, 8, 8, 1), np.float32)
        rows[1, 2, 2, 0] = value
        if model.domain.limit is None:
            assert model.predict({name: rows}, model.default_outputs)
            continue
        with pytest.raises(InvalidRequest, match=r"row 1: a missing or infinite value.*engine Library"):
            model.predict({name: rows}, model.default_outputs)


def test_ends_of_a_table(tokens: tuple[Path, Path]) -> None:
    """Places that the table does not have are refused by both engines, with the row; all others are answered alike."""
    original, fast = by(tokens[0]), by(tokens[1])
    low, high = fast.domain.whole["tokens"]
    for number in (low - 1, low, 0, high, high + 1):
        rows = np.zeros((3, 5), np.int32)
        rows[2, 4] = number
        refused = []
        for model in (original, fast):
            try:
                refused.append(model.predict({"tokens": rows}, model.default_outputs))
            except InvalidRequest as error:
                refused.append(error)
        if low <= number <= high:
            for output, array in refused[0].items():
                np.testing.assert_allclose(refused[1][output], array, rtol=1e-5, atol=1e-7)
        else:
            assert all(isinstance(one, InvalidRequest) for one in refused)
            assert "row 2" in str(refused[1])


def test_any_length(tokens: tuple[Path, Path]) -> None:
    """A dimension other than that of rows may vary, too."""
    original, fast = by(tokens[0]), by(tokens[1])
    for length in (1, 3, 17):
        rows = np.random.default_rng(0).integers(0, 9, (4, length)).astype(np.int32)
        got, wanted = (model.predict({"tokens": rows}, model.default_outputs) for model in (fast, original))
        for output, array in wanted.items():
            np.testing.assert_allclose(got[output], array, rtol=1e-5, atol=1e-7)


def test_no_rows(keras3: tuple[Any, Path], converted: Path) -> None:
    """A request without rows gets an answer of the same kind from both engines."""
    told = []
    for model in (by(converted), by(keras3[1] / "model.keras")):
        name = model.signature.inputs[0].name
        try:
            answers = model.predict({name: np.zeros((0, 8, 8, 1), np.float32)}, model.default_outputs)
            told.append([array.shape for array in answers.values()])
        except InvalidRequest:
            told.append(["refused"])

    assert told[0] == told[1]
