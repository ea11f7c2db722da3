"""Bytes of joblib or pickle become an object, as the policy allows; every way to fail has its own reason."""

import lzma
import pickle
import re
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import joblib
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from modelmoor_server.errors import ModelError, cause_name
from modelmoor_server.inspection import Inspection
from modelmoor_server.runtimes import versions
from modelmoor_server.runtimes.base import PicklePolicy, Policy

_LZ4 = b"\x04\x22\x4d\x18"
_CORRUPT = (EOFError, pickle.UnpicklingError, zlib.error, lzma.LZMAError, OSError, IndexError, KeyError, ValueError)
_ONE_AT_A_TIME = threading.Lock()  # warnings.catch_warnings changes the whole process


def unpickle(found: Inspection, policy: Policy) -> tuple[Any, tuple[str, ...]]:
    """The object in a file, and the sentences that the policy let pass. Raises ModelError."""
    if policy.pickle is PicklePolicy.DENY:
        raise versions.unsafe(
            "The artifact is a pickle, which can run any code while it is read, and the platform denies pickles.",
            "Ask the platform team for the policy AllowListed, or serve the model in a format without code.",
        )
    told: tuple[str, ...] = ()
    if found.version is not None and versions.minor(found.version) != versions.minor(sklearn.__version__):
        told = (versions.mismatch("scikit-learn", found.version, sklearn.__version__, policy.version_mismatch),)
    with found.path.open("rb") as file:
        if file.read(4) == _LZ4:
            raise versions.load_failed(
                "The file is compressed by lz4, which this image does not hold.",
                "Save the model with joblib.dump(model, path, compress=3).",
            )
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if policy.pickle is PicklePolicy.ALLOW_LISTED:
                from modelmoor_server.runtimes.sklearn import listed  # it brings half of scikit-learn with it

                model = listed.load(found.path)
            else:
                model = joblib.load(found.path)
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 - an unpickler raises whatever the pickled classes raise
            raise _told(error, found.path, found.version) from None
    stated = next((w.message for w in caught if isinstance(w.message, InconsistentVersionWarning)), None)
    if stated is not None and not told:
        other = str(stated.original_sklearn_version)
        if versions.minor(other) != versions.minor(sklearn.__version__):
            told = (versions.mismatch("scikit-learn", other, sklearn.__version__, policy.version_mismatch),)
    return model, told


def _told(error: Exception, path: Path, version: str | None) -> ModelError:
    """What an exception of the unpickler means. Its text stays here: it quotes bytes of the file."""
    own = sklearn.__version__
    if version is not None and versions.minor(version) != versions.minor(own):
        return versions.unloadable("scikit-learn", version, own)
    if (name := _missing_name(error)) is not None:
        shown = f" ({name})" if name else ""
        if name.startswith("sklearn."):
            return versions.load_failed(
                f"The artifact needs a part of scikit-learn that {own} does not have{shown}.",
                f"Save the model again with scikit-learn {own}.",
            )
        return versions.load_failed(
            f"The artifact needs Python code that is not in this image{shown}.",
            "Build the model from scikit-learn's own parts, or use an image of your own that holds the code.",
        )
    if isinstance(error, _CORRUPT):
        return versions.corrupt(f"The file {path.name} cannot be unpickled ({cause_name(error)}).")
    return versions.load_failed(
        f"The file {path.name} could not be loaded ({cause_name(error)}).",
        f"Load it once by hand with scikit-learn {own}: joblib.load shows the whole traceback.",
    )


def _missing_name(error: Exception) -> str | None:
    """The module or attribute that the unpickler did not find, as far as it is a plain name; None for other errors."""
    if isinstance(error, ImportError):
        name = error.name or ""
    elif isinstance(error, AttributeError) and (match := re.match(r"Can't get attribute '([\w.]+)'", str(error))):
        name = match.group(1)
    else:
        return None
    return name if re.fullmatch(r"[A-Za-z_][\w.]{0,63}", name) else ""
