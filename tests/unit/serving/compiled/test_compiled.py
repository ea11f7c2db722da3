"""A request's way compiled: used where it is fresh and allowed, else the same modules run as Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelmoor_server.compiled import Finder, modules

SHOWN = "import modelmoor_server, modelmoor_server.job as job; print(modelmoor_server.is_compiled, job.__file__)"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the server, compiled by itself."""
    folder = tmp_path_factory.mktemp("compiled")
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.sources")
    shutil.copytree(modules.PACKAGE, folder / "modelmoor_server", ignore=ignored)
    done = _run(folder, "-m", "modelmoor_server.compiled.build")
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def _run(folder: Path, *words: str, choice: str = "Auto", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "MODELMOOR_COMPILED": choice, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _shown(folder: Path, choice: str = "Auto") -> tuple[bool, str]:
    """Whether the copy says that it is compiled, and the ending of the module that was imported."""
    done = _run(folder, "-c", SHOWN, choice=choice)
    assert done.returncode == 0, done.stderr
    told, file = done.stdout.split()
    assert Path(file).is_relative_to(folder)
    return told == "True", Path(file).suffix


@pytest.mark.slow
def test_what_is_fresh_is_used_unless_forbidden(package: Path) -> None:
    """By default, and where it is demanded."""
    assert _shown(package) == (True, ".so")
    assert _shown(package, "Always") == (True, ".so")
    assert _shown(package, "Never") == (False, ".py")


@pytest.mark.slow
def test_an_edited_module_runs_as_python(package: Path) -> None:
    """No stale code is ever run; where compiled code is demanded, the start says what to do."""
    source = package / "modelmoor_server" / "job.py"
    before = source.read_text()
    source.write_text(before + "# edited\n")
    try:
        assert _shown(package) == (False, ".py")
        refused = _run(package, "-c", SHOWN, choice="Always")
        assert refused.returncode == 1
        assert "python -m modelmoor_server.compiled.build" in refused.stderr.splitlines()[-1]
    finally:
        source.write_text(before)
    assert _shown(package) == (True, ".so")


@pytest.mark.slow
def test_tracebacks_name_the_source(package: Path) -> None:
    """What the log tells of a failure is a line that a person can open."""
    code = "from modelmoor_server.calling import _request\nfrom modelmoor_server.job import Job\n_request(None)"
    assert "calling.py" in _run(package, "-c", code, choice="Never").stderr
    assert "calling.py" in _run(package, "-c", code, choice="Always").stderr


@pytest.mark.slow
def test_a_failed_build_leaves_python(package: Path, tmp_path: Path) -> None:
    """Without a compiler: exit code 1 and a sentence; what was compiled of other sources is not used."""
    folder = tmp_path / "copy"
    shutil.copytree(package, folder)
    with (folder / "modelmoor_server" / "job.py").open("a") as source:
        source.write("# edited\n")
    done = _run(folder, "-m", "modelmoor_server.compiled.build", CC="no-such-compiler")
    assert done.returncode == 1
    assert done.stderr.startswith("modelmoor_server.compiled: mypyc failed")
    assert _shown(folder) == (False, ".py")


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["missing", "empty", "of another machine"])
def test_what_cannot_be_loaded_is_not_used(package: Path, tmp_path: Path, harm: str) -> None:
    """What they are all in is missing, or of no use to this machine: Python, or a refusal where that is forbidden."""
    folder = tmp_path / "copy"
    shutil.copytree(package, folder)
    file = modules.files(folder / "modelmoor_server" / "compiled")[modules.SHARED]
    file.unlink()
    if harm != "missing":
        file.write_text("" if harm == "empty" else harm)
    assert _shown(folder) == (False, ".py")
    refused = _run(folder, "-c", SHOWN, choice="Always")
    assert refused.returncode == 1
    assert "MODELMOOR_COMPILED=Never python -m modelmoor_server.compiled.build" in refused.stderr.splitlines()[-1]


@pytest.mark.slow
def test_what_is_fresh_is_not_built_again(package: Path) -> None:
    """A second build changes no file; one after an edit of any other module does, for its types may count."""
    file = modules.files(package / "modelmoor_server" / "compiled")[modules.SHARED]
    before = file.stat().st_mtime_ns
    assert _run(package, "-m", "modelmoor_server.compiled.build").returncode == 0
    assert file.stat().st_mtime_ns == before
    with (package / "modelmoor_server" / "settings.py").open("a") as other:
        other.write("# edited\n")
    assert _run(package, "-m", "modelmoor_server.compiled.build").returncode == 0
    assert file.stat().st_mtime_ns != before


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_told(package: Path, tmp_path: Path) -> None:
    """A sentence, not a traceback."""
    folder = tmp_path / "copy"
    shutil.copytree(package, folder)
    lock = folder / "modelmoor_server" / "compiled" / ".lock"
    lock.unlink()
    lock.mkdir()  # as good as a folder without the right to write, and true for root as well
    done = _run(folder, "-m", "modelmoor_server.compiled.build")
    assert done.returncode == 1
    assert done.stderr.startswith("modelmoor_server.compiled: the folder of the result cannot be written")


def test_every_module_is_there() -> None:
    """The list names files, and the finder nothing else."""
    assert all(source.is_file() for source in modules.sources())
    finder = Finder(modules.files())
    assert finder.find_spec("modelmoor_server.settings", None) is None
    assert finder.find_spec("modelmoor_server.job", None) is not None


def test_the_tests_run_what_they_were_asked_to_run() -> None:
    """`make test` means the compiled modules, `make check` those in Python."""
    import modelmoor_server
    from modelmoor_server import job

    wanted = {"Always": True, "Never": False}.get(os.environ.get("MODELMOOR_COMPILED", "Auto"), modules.fresh())
    assert modelmoor_server.is_compiled == wanted == (Path(job.__file__).suffix == ".so")
