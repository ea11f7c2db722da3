"""The native modules' build: it makes what Python can import, and says what is missing where it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelmoor_server.native import build as native


@pytest.mark.slow
def test_what_is_built_can_be_imported(tmp_path: Path) -> None:
    """A new build, imported by a process of its own."""
    made = native.build(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {each.name for each in made}
    used = "import _kernel, _numbers, _http2; _kernel.Ensemble, _numbers.cut, _http2.Session"
    subprocess.run([sys.executable, "-c", used], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("compiler", "sentence"),
    [("no-such-compiler", "no C compiler was found"), ("", "no C compiler was found"), ("false", "compiler failed")],
)
def test_what_is_missing_is_told(compiler: str, sentence: str) -> None:
    """No compiler, or one that fails: exit code 1, a sentence, and the modules that were there stay."""
    built = [native.HERE / f"{name}.abi3.so" for name in native.MODULES]
    before = [each.stat() for each in built]
    done = subprocess.run(
        [sys.executable, "-m", "modelmoor_server.native.build"],
        env={**os.environ, "CC": compiler},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert [each.stat() for each in built] == before


def test_no_headers_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Python without its headers cannot build extensions."""
    monkeypatch.setattr(native.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(native.CannotBuildError, match="headers"):
        native.build(tmp_path)
    assert not list(tmp_path.iterdir())
