"""A request's way in native code: mypyc compiles the same modules that stand here as Python, and an import takes those.

modules.py  which ones, and the hash of their sources
build.py    compiles them, for a wheel, for .venv, for an image, or by hand

What is compiled lies in this folder, away from its sources, and is taken only while they are what it was made of:
whoever edits one of them runs Python until the next build. docs/decisions/0024-compiled-modules.md
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from modelmoor_server.compiled import modules

VARIABLE = "MODELMOOR_COMPILED"


class Finder(MetaPathFinder):
    """Finds the compiled modules before Python finds their sources. files: by the name of a module."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(fullname)
        return None if file is None else spec_from_file_location(fullname, file)


def install() -> bool:
    """Use what is compiled, if it is there, fresh and not forbidden (MODELMOOR_COMPILED); tells whether it is used.

    Raises ImportError where the environment demands it and it cannot be had.
    """
    choice = os.environ.get(VARIABLE) or "Auto"
    if choice == "Never":
        return False
    try:
        if not modules.fresh():
            raise ImportError("the modules are not compiled, or were changed since")
        finder = Finder(modules.files())
        sys.meta_path.insert(0, finder)
        try:
            import_module(modules.SHARED)  # all of them are in it; it may be of another machine
        except ImportError:
            sys.meta_path.remove(finder)
            raise
    except ImportError as error:
        if choice == "Always":
            again = f"{VARIABLE}=Never python -m modelmoor_server.compiled.build"
            raise ImportError(f"{VARIABLE} is Always, but {error}. Compile them: {again}") from None
        return False
    return True
