"""Keras files of both generations: `.keras` and `.h5`.

scan.py    what may stand in a configuration, before anything is built from it
legacy.py  the stricter list for files of Keras 2, which tf_keras loads without a safe mode
independence.py  the layers whose rows may share a call
model.py   the loaded model of either generation
"""

import os
import threading
import warnings
from typing import Any

from modelmoor_server.errors import ModelError, cause_name
from modelmoor_server.inspection import Inspection, keras_files
from modelmoor_server.runtimes import tensors, versions
from modelmoor_server.runtimes.base import LegacyKerasPolicy, Policy
from modelmoor_server.runtimes.keras import legacy, scan
from modelmoor_server.runtimes.keras.model import KerasModel, model_of

__all__ = ["load"]

_ONE_AT_A_TIME = threading.Lock()  # warnings.catch_warnings changes the whole process


def load(found: Inspection, policy: Policy) -> KerasModel:
    """Load a Keras file. Raises ModelError."""
    stated = versions.minor(found.version or "")
    config = keras_files.config(found.path)
    scan.check(config, found.path.stat().st_size)
    tensors.use_threads()
    told: tuple[str, ...] = ()
    if stated is None or stated[0] < 3:
        loader, own = _legacy_loader(found, config, policy), "tf_keras"
    else:
        import keras

        # files of an older 3.x keep their meaning; of a newer one nothing is known
        if stated > (versions.minor(keras.__version__) or stated):
            told = (versions.mismatch("keras", str(found.version), keras.__version__, policy.version_mismatch),)
        scan.refuse_foreign_classes(config)
        loader, own = keras.models.load_model, f"keras {keras.__version__}"
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of compile settings that serving leaves out
        try:
            model = loader(str(found.path), compile=False, safe_mode=True)
        except Exception as error:  # noqa: BLE001 - layers raise whatever they like; all of it ends the load
            raise _failure(error, found, own, bool(told)) from None
        return model_of(model, found.framework, told, config)


def _legacy_loader(found: Inspection, config: Any, policy: Policy) -> Any:
    if policy.legacy_keras is LegacyKerasPolicy.DENY:
        raise versions.unsafe(
            f"The artifact is a file of {found.framework}, and the platform denies files of Keras below 3.",
            "Open it with Keras 3 and save it as .keras, or ask the platform team for legacyKeras: Allow.",
        )
    legacy.check(found.path, config)
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")
    import tf_keras

    return tf_keras.models.load_model


def _failure(error: Exception, found: Inspection, own: str, mismatched: bool) -> ModelError:
    """What an exception of the loader means; its text quotes the configuration and stays here."""
    if mismatched:
        return versions.unloadable("keras", str(found.version), own)
    if isinstance(error, (OSError, KeyError, EOFError)) or cause_name(error) in ("BadZipFile", "error"):
        return versions.corrupt(f"The file {found.path.name} lacks weights or is damaged ({cause_name(error)}).")
    return versions.load_failed(
        f"{own} could not build the model of {found.path.name} ({cause_name(error)}).",
        "Load it once by hand with keras.models.load_model(path, compile=False), which shows the whole traceback.",
    )
