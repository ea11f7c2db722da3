"""Which modules are compiled, where the results lie, and of which sources they were made."""

from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import source_hash
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parent
SUFFIX = EXTENSION_SUFFIXES[0]  # of this Python
GROUP = "modelmoor_server"
SHARED = f"{GROUP}__mypyc"  # mypyc's name for what they all are in; each module's own file only leads there

# What every request passes. Nothing here may loop over many values without calling Python in between: compiled code
# keeps the interpreter from all other threads until it does (texts.py and rest/frame.py are therefore files of their
# own). And no Python class may inherit from one of these.
MODULES = (
    "batching",
    "calling",
    "exchange",
    "http.connection",
    "http.message",
    "inference",
    "intake",
    "job",
    "metrics",
    "model_thread",
    "rest.calls",
    "rest.mlflow",
    "rest.numbers",
    "rest.v1",
    "rest.v2",
)


def sources() -> tuple[Path, ...]:
    """The Python files."""
    return tuple(PACKAGE / f"{module.replace('.', '/')}.py" for module in MODULES)


def files(folder: Path = HERE) -> dict[str, Path]:
    """The compiled files by the names under which they are imported."""
    named = {f"{PACKAGE.name}.{module}": folder / f"{module}{SUFFIX}" for module in MODULES}
    return {SHARED: folder / f"{SHARED}{SUFFIX}", **named}


def stamp(folder: Path = HERE) -> Path:
    """The file that holds two hashes: of the compiled modules' sources, and of the whole package, whose types they use.

    One for each kind of Python, as the compiled files are.
    """
    return folder / f"{SHARED}{SUFFIX}.sources"


def hashed(sources: Iterable[Path]) -> str:
    """A hash by which a change is noticed; not a secure one."""
    return source_hash(b"\0".join([file.read_bytes() for file in sources])).hex()


def fresh(folder: Path = HERE) -> bool:
    """Whether the compiled files are there, for this Python, and were made of their sources as they are now."""
    try:
        made_of, _, _ = stamp(folder).read_text(encoding="ascii").partition(" ")
    except OSError:
        return False
    return made_of == hashed(sources()) and all(file.is_file() for file in files(folder).values())
