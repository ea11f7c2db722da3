"""Compiles the modules of modules.py by mypyc, whose types `make check` has proven, into this folder.

usage: python -m modelmoor_server.compiled.build
Needs mypy and setuptools beside a C compiler and Python's headers; half a minute. Exit code 1, and a sentence on
stderr, where it cannot be done; then the same modules run as Python: the same answers, slower.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from modelmoor_server.compiled import modules

# In a process of its own: setuptools changes the folder and what is printed of the one that it runs in.
_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
work, group, *sources = sys.argv[1:]
# our own types alone: where the image is built, no library is installed, and what is tested should be what is shipped
skipped = "[mypy-numpy.*,orjson.*,uvloop.*,httptools.*,prometheus_client.*,google.*,grpc.*]\\nfollow_imports = skip\\n"
with open(f"{work}/mypy.ini", "w") as ini:
    ini.write("[mypy]\\nfollow_imports = silent\\nignore_missing_imports = true\\n" + skipped)
options = [f"--config-file={work}/mypy.ini", f"--cache-dir={work}/cache"]
extensions = mypycify([*options, *sources], opt_level="3", debug_level="0", group_name=group, target_dir=f"{work}/c")
setup(
    name=group, packages=[], ext_modules=extensions,
    script_args=["-q", "build_ext", f"--build-lib={work}/lib", f"--build-temp={work}/temp"],
)
"""


class CannotCompileError(Exception):
    """The modules stay Python; `str(error)` says why."""


def build(into: Path = modules.HERE) -> tuple[Path, ...]:
    """Every file of the compiled form, in a folder; at once where they are there and fit. Raises CannotCompileError.

    One build at a time. The stamp goes first and comes last: what is half made, or of sources that were changed
    meanwhile, is not used.
    """
    try:
        lock = (into / ".lock").open("w")
    except OSError as error:
        raise CannotCompileError(f"the folder of the result cannot be written: {error}") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, stamp, made_of = modules.files(into), modules.stamp(into), _made_of()
        if not modules.fresh(into) or stamp.read_text(encoding="ascii") != made_of:
            with tempfile.TemporaryDirectory(prefix="modelmoor-compile-") as work:
                _compile(work)
                if _made_of() != made_of:
                    raise CannotCompileError("the sources were changed meanwhile: compile them again")
                stamp.unlink(missing_ok=True)
                for left in {*into.glob(f"*{modules.SUFFIX}")} - {*wanted.values()}:
                    left.unlink()
                for name, file in wanted.items():
                    temporary = into / f".{file.name}.{os.getpid()}"
                    shutil.copyfile(Path(work, "lib", f"{name.replace('.', '/')}{modules.SUFFIX}"), temporary)
                    temporary.replace(file)  # in one step: a process that has the old one open keeps it
            stamp.write_text(made_of, encoding="ascii")
    return (*wanted.values(), stamp)


def _compile(work: str) -> None:
    # the paths that tracebacks will name are relative to the folder of the package
    sources = [str(source.relative_to(modules.PACKAGE.parent)) for source in modules.sources()]
    done = subprocess.run(
        [sys.executable, "-c", _SETUP, work, modules.GROUP, *sources],
        cwd=modules.PACKAGE.parent,
        env={**os.environ, "MYPYPATH": str(modules.PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = (done.stdout + done.stderr).strip()[-4000:]
        raise CannotCompileError(f"mypyc failed; it needs mypy, setuptools, a C compiler and Python's headers:\n{told}")


def _made_of() -> str:
    everything = sorted(modules.PACKAGE.rglob("*.py"))
    return f"{modules.hashed(modules.sources())} {modules.hashed(everything)}"


if __name__ == "__main__":
    try:
        built = build()
    except CannotCompileError as error:
        sys.exit(f"modelmoor_server.compiled: {error}")
    print(f"compiled {len(modules.MODULES)} modules, {sum(file.stat().st_size for file in built) / 1e6:.1f} MB")  # noqa: T201 - a command
