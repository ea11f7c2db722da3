"""Compiles the C beside its sources: for a wheel, an editable installation, an image, or by hand.

usage: python -m modelmoor_server.native.build
Needs a C compiler ($CC, else `cc`) and Python's headers, nothing else: this module must run before anything is
installed. Exit code 1, and a sentence on stderr, where it cannot be done.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCES = tuple(sorted(FOLDER.glob("_*.c")))
# no contraction: a fused multiply-add rounds once where scikit-learn's build rounds twice. No instruction set: the
# plain one was about as fast as x86-64-v3, and what is built here may run on an older processor.
FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra")
PLATFORM = ("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ()


class CannotBuildError(Exception):
    """There will be no compiled part; `str(error)` says why, and what can be done."""


def build(into: Path = FOLDER) -> list[Path]:
    """The compiled modules, each in one step: a process that has the old one open keeps it. Raises CannotBuildError."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if not compiler or shutil.which(compiler[0]) is None:
        raise CannotBuildError(
            "no C compiler was found (cc, or what $CC names); on Debian: apt-get install gcc libc6-dev"
        )
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise CannotBuildError("Python's headers are not installed; on Debian: apt-get install python3-dev")
    return [_compiled(compiler, headers, source, into / f"{source.stem}.abi3.so") for source in SOURCES]


def _compiled(compiler: list[str], headers: Path, source: Path, result: Path) -> Path:
    temporary = result.with_name(f".{result.name}.{os.getpid()}")
    command = [*compiler, *FLAGS, *PLATFORM, f"-I{headers}", str(source), "-o", str(temporary), "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotBuildError(f"the C compiler failed:\n{done.stderr.strip()}")
        temporary.replace(result)
    except OSError as error:
        raise CannotBuildError(f"the C compiler could not be run, or its result not be kept: {error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return result


if __name__ == "__main__":
    try:
        print(*(built.name for built in build()))  # noqa: T201 - a command
    except CannotBuildError as error:
        sys.exit(f"modelmoor_server.native: {error}")
