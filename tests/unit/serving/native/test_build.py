"""The kernel's build: it makes what Python can import, and says what is missing where it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelmoor_server.native import build as kernel


@pytest.mark.slow
def test_what_is_built_can_be_imported(tmp_path: Path) -> None:
    """A new build, imported by a process of its own."""
    made = kernel.build(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(made)
    names = [each.name.partition(".")[0] for each in made]
    assert names == [source.stem for source in kernel.SOURCES]
    subprocess.run([sys.executable, "-c", f"import {', '.join(names)}"], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("compiler", "sentence"),
    [("no-such-compiler", "no C compiler was found"), ("", "no C compiler was found"), ("false", "compiler failed")],
)
def test_what_is_missing_is_told(compiler: str, sentence: str) -> None:
    """No compiler, or one that fails: exit code 1, a sentence, and the kernel that was there stays."""
    results = [source.with_suffix(".abi3.so") for source in kernel.SOURCES]
    before = [result.stat() for result in results]
    done = subprocess.run(
        [sys.executable, "-m", "modelmoor_server.native.build"],
        env={**os.environ, "CC": compiler},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert [result.stat() for result in results] == before


def test_no_headers_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Python without its headers cannot build extensions."""
    monkeypatch.setattr(kernel.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(kernel.CannotBuildError, match="headers"):
        kernel.build(tmp_path)
    assert not list(tmp_path.iterdir())
