"""Compiles the native modules beside their sources: for a wheel, an editable installation, an image, or by hand.

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

HERE = Path(__file__).parent
MODULES = ("_kernel", "_numbers", "_http2")
# no contraction: a fused multiply-add rounds once where scikit-learn's build rounds twice. No instruction set: the
# plain one was about as fast as x86-64-v3, and what is built here may run on an older processor.
FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra",
         "-Werror=implicit-function-declaration")  # fmt: skip
PLATFORM = ("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ()
# dlopen is a part of the C library only since glibc 2.34; an image has libnghttp2 beside the module that looks for it
LIBRARIES = ("-lm",) if sys.platform == "darwin" else ("-lm", "-ldl", "-Wl,-rpath,$ORIGIN")


class CannotBuildError(Exception):
    """There will be no native modules; `str(error)` says why, and what can be done."""


def build(into: Path = HERE) -> tuple[Path, ...]:
    """The compiled modules in a folder, each in one step: a process that has the old one open keeps it.

    Raises CannotBuildError.
    """
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if not compiler or shutil.which(compiler[0]) is None:
        raise CannotBuildError(
            "no C compiler was found (cc, or what $CC names); on Debian: apt-get install gcc libc6-dev"
        )
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise CannotBuildError("Python's headers are not installed; on Debian: apt-get install python3-dev")
    return tuple(_compiled([*compiler, *FLAGS, *PLATFORM, f"-I{headers}"], name, into) for name in MODULES)


def _compiled(command: list[str], name: str, into: Path) -> Path:
    result = into / f"{name}.abi3.so"
    temporary = into / f".{result.name}.{os.getpid()}"
    command = [*command, str(HERE / f"{name}.c"), "-o", str(temporary), *LIBRARIES]
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
