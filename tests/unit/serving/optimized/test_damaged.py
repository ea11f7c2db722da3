"""Whatever is wrong with a fast form, the original is served and the log says why; no forged number reaches memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelmoor_server import artifact, native
from modelmoor_server.optimized import manifest
from modelmoor_server.runtimes import Policy, load
from modelmoor_server.runtimes.base import Engine
from modelmoor_server.runtimes.flat import functions, store
from modelmoor_server.runtimes.flat.model import FlatModel
from modelmoor_server.runtimes.sklearn.model import SklearnModel
from unit.serving.optimized.conftest import X

Copied = Callable[[str], Path]


def _body(folder: Path) -> Any:
    return json.loads(manifest.path_in(folder).read_text())


def _forge(folder: Path, body: Any) -> None:
    manifest.path_in(folder).write_text(json.dumps(body))


def _not_used(folder: Path, why: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", "modelmoor_server"):
        model = load(folder, None, Policy())
    assert isinstance(model, SklearnModel)
    assert why in model.warnings[-1]
    assert "FastFormUnused" in [record.getMessage() for record in caplog.records]
    assert model.predict({"input": X[:2]}, ("predict",))["predict"].shape == (2,)


def test_whole_ones_are_used(optimized: Path) -> None:
    """The damages below are what makes the difference."""
    for name in ("ridge", "logistic", "softmax", "objects", "sgd", "forest", "boosting", "histogram"):
        model = load(optimized / name, None, Policy())
        assert isinstance(model, FlatModel), name
        assert model.engine is Engine.NATIVE


@pytest.mark.parametrize("name", ["logistic", "forest"])
def test_bytes_that_changed(name: str, copied: Copied, caplog: pytest.LogCaptureFixture) -> None:
    """One bit in the arrays, a cut, a file that is gone."""
    arrays = copied(name) / "fast" / store.FILE
    whole = arrays.read_bytes()
    for changed in (bytes([whole[0] ^ 1]) + whole[1:], whole[:-1], b""):
        arrays.write_bytes(changed)
        _not_used(arrays.parents[1], "arrays.bin is damaged", caplog)
    arrays.unlink()
    _not_used(arrays.parents[1], "is not there", caplog)


def test_another_original(copied: Copied, optimized: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A model that was replaced beside its old fast form is the one that is served."""
    folder = copied("logistic")
    (folder / "logistic.joblib").write_bytes((optimized / "softmax.joblib").read_bytes())
    _not_used(folder, "the original has changed", caplog)
    (folder / "logistic.joblib").rename(folder / "model.joblib")
    _not_used(folder, "another file", caplog)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"layout": 2}', "[" * 5000, '{"layout": 1}', "\x00"])
def test_a_manifest_that_is_none(text: str, copied: Copied, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing, another layout, lists too deep, parts that lack."""
    folder = copied("logistic")
    manifest.path_in(folder).write_text(text)
    _not_used(folder, "its manifest", caplog)


def test_without_the_kernel(optimized: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees need it, linear models do not: SciPy's function stands in."""
    monkeypatch.setattr(native, "available", False)
    assert isinstance(load(optimized / "forest", None, Policy()), SklearnModel)
    model = load(optimized / "logistic", None, Policy())
    assert isinstance(model, FlatModel)
    monkeypatch.setattr(native, "available", True)
    expected = load(optimized / "logistic", None, Policy()).predict({"input": X}, ("predict_proba",))
    monkeypatch.setattr(native, "available", False)
    assert (
        model.predict({"input": X}, ("predict_proba",))["predict_proba"].tobytes()
        == expected["predict_proba"].tobytes()
    )


ODD = (
    None,
    True,
    -1,
    0,
    1,
    7,
    63,
    64,
    2**31,
    2**63,
    -(2**70),
    1.5,
    "",
    "<f8",
    "<i4",
    "O",
    "F",
    [],
    [0],
    [-1],
    [2**40, 2**40],
    {},
)


def _places(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        found += _places(value, (*path, key))
    return found


@pytest.mark.parametrize("name", ["ridge", "logistic", "softmax", "objects", "forest", "boosting", "histogram"])
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_forged_manifests(name: str, optimized: Path, data: st.DataObject) -> None:
    """Any value of the manifest may be anything: what comes out is a model that answers or refuses, or Unusable."""
    body = _body(optimized / name)
    for place in data.draw(st.lists(st.sampled_from(_places(body["model"])), min_size=1, max_size=3)):
        owner = body["model"]
        try:
            for key in place[:-1]:
                owner = owner[key]
            if data.draw(st.booleans()):
                owner[place[-1]] = data.draw(st.sampled_from(ODD))
            else:
                del owner[place[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier forgery took it away
    _open(body["model"], optimized / name / "fast")


@pytest.mark.parametrize("name", ["forest", "histogram"])
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_forged_arrays(name: str, optimized: Path, tmp_path: Path, data: st.DataObject) -> None:
    """The same for the numbers of the trees themselves, with digests that fit."""
    body, whole = _body(optimized / name), bytearray((optimized / name / "fast" / store.FILE).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        part = body["model"]["trees"][data.draw(st.sampled_from(["nodes", "left", "right", "feature", "threshold"]))]
        size = np.dtype(part["dtype"]).itemsize
        at = part["at"] + size * data.draw(st.integers(0, part["shape"][0] - 1))
        whole[at : at + size] = data.draw(st.binary(min_size=size, max_size=size))
    (tmp_path / store.FILE).write_bytes(whole)
    _open(body["model"], tmp_path)


def _open(model: Any, folder: Path) -> None:
    try:
        methods = functions.methods_of(store.read(model, folder))
    except (manifest.Unusable, ValueError):
        return
    for method in methods.values():
        try:
            with np.errstate(all="ignore"):
                method(X[:5].copy())
        except (ValueError, functions.Unfit):
            pass  # refused, and no worse


def test_a_forged_signature(copied: Copied, caplog: pytest.LogCaptureFixture) -> None:
    """Manifest and arrays of two models, an output that is not there, a width that is none."""
    folder = copied("forest")
    for path, value in (
        (("signature", "inputs", 0, "shape"), [-1, 3]),
        (("signature", "inputs", 0, "datatype"), "FP32"),
        (("signature", "inputs"), []),
        (("signature", "outputs", 0, "name"), 5),
        (("defaultOutputs",), ["transform"]),
        (("defaultOutputs",), []),
        (("independence",), "Perhaps"),
        (("engine",), "Other"),
        (("format",), "keras"),
        (("source",), "../forest.joblib"),
        (("files",), {"../forest.joblib": artifact.digest(folder / "forest.joblib")}),
        (("files",), {"model.onnx": "0"}),
    ):
        whole = manifest.path_in(folder).read_bytes()
        body = owner = json.loads(whole)
        for key in path[:-1]:
            owner = owner[key]
        owner[path[-1]] = value
        _forge(folder, body)
        _not_used(folder, "", caplog)
        manifest.path_in(folder).write_bytes(whole)
