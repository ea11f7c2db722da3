"""scikit-learn imported without what it imports at once and models hardly ever need: it takes most of the time.

scikit-learn 1.9 asks for pandas and rich in a `try` (utils/fixes.py binds a name that nothing reads,
callback/_progressbar.py is for `fit`), and takes a few functions from parts of SciPy whose import lasts a second. While
it is imported by `import_sklearn`, the first two are not there and the functions are stand-ins that import their part
when they are called. Afterwards everything is as ever: frames, and models that name these parts, find the real ones.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

ABSENT = frozenset({"pandas", "rich"})
LATER = frozenset({"scipy.integrate", "scipy.interpolate", "scipy.stats", "numpy.f2py"})
PARTS = (
    "compose",
    "exceptions",
    "feature_extraction.text",
    "impute",
    "linear_model",
    "pipeline",
    "preprocessing",
    "svm",
    "utils.validation",
)


def import_sklearn() -> None:
    """Import what every model brings with it. Other threads import as ever meanwhile. Raises ImportError."""
    if "sklearn" in sys.modules:
        return
    finder = _Finder(threading.get_ident())
    sys.meta_path.insert(0, finder)
    try:
        for part in PARTS:
            importlib.import_module(f"sklearn.{part}")
    finally:
        sys.meta_path.remove(finder)
        for name in LATER:
            if isinstance(sys.modules.get(name), _StandIn):
                del sys.modules[name]
                package, _, part = name.partition(".")
                vars(sys.modules[package]).pop(part, None)  # both find their parts by themselves where nothing is bound


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, thread: int) -> None:
        self._thread = thread

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if threading.get_ident() != self._thread:
            return None
        if name in ABSENT:
            raise ModuleNotFoundError(f"{name} is imported when it is needed", name=name)
        return importlib.machinery.ModuleSpec(name, self) if name in LATER else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


class _StandIn(ModuleType):
    """Has every public name, as something to call later."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Later(self.__name__, name)


class _Later:
    """A function, a class or a distribution that is looked up when it is used."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._real()(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._real(), name)

    def _real(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)
