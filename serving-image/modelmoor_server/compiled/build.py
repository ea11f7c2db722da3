"""Compiles the modules of modules.py by mypyc, whose types `make check` has proven, into this folder.

usage: python -m modelmoor_server.compiled.build
Needs mypy and setuptools beside a C compiler and Python's headers; half a minute. Exit code 1, and a sentence on
stderr, where it cannot be done; then the same modules run as Python: the same answers, slower.
"""

import os
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
open(f"{work}/mypy.ini", "w").write("[mypy]\\nfollow_imports = silent\\nignore_missing_imports = true\\n")
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
    """Every file of the compiled form, in a folder. Raises CannotCompileError.

    The stamp comes last and goes first: what is half made is not used.
    """
    modules.stamp(into).unlink(missing_ok=True)
    wanted, made_of = modules.files(into), modules.of_sources()
    with tempfile.TemporaryDirectory(prefix="modelmoor-compile-") as work:
        command = [sys.executable, "-c", _SETUP, work, modules.GROUP, *map(_relative, modules.sources())]
        # the paths that tracebacks will name are relative to the folder of the package
        done = subprocess.run(
            command,
            cwd=modules.PACKAGE.parent,
            env={**os.environ, "MYPYPATH": str(modules.PACKAGE.parent), "MODELMOOR_COMPILED": "Never"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotCompileError(f"mypyc failed:\n{(done.stdout + done.stderr).strip()[-4000:]}")
        for name, file in wanted.items():
            made = Path(work, "lib", f"{name.replace('.', '/')}{modules.SUFFIX}")
            temporary = into / f".{file.name}.{os.getpid()}"
            temporary.write_bytes(made.read_bytes())
            temporary.replace(file)  # in one step: a process that has the old one open keeps it
    modules.stamp(into).write_text(made_of, encoding="ascii")
    return (*wanted.values(), modules.stamp(into))


def _relative(source: Path) -> str:
    return str(source.relative_to(modules.PACKAGE.parent))


if __name__ == "__main__":
    try:
        built = build()
    except CannotCompileError as error:
        sys.exit(f"modelmoor_server.compiled: {error}")
    print(f"compiled {len(modules.MODULES)} modules, {sum(file.stat().st_size for file in built) / 1e6:.1f} MB")  # noqa: T201 - a command
