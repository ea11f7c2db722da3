"""A file or package a framework; each framework is imported there alone, and only when a model asks for it.

base.py        what a loaded model is, and what the platform allows a loader
versions.py    the errors of loading, told apart
fast.py        the fast form of an optimized artifact, or why there is none
flat/          models of plain arrays, without the framework that they came from
onnx/          networks converted for ONNX Runtime, without the framework that they came from
sklearn/       joblib and pickle
keras/         .keras and .h5, of Keras 3 and (by tf_keras) of Keras 2
tensorflow.py  SavedModel folders
direct.py      a function of TensorFlow called without what Python does around it
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from modelmoor_server.errors import cause_name
from modelmoor_server.inspection import Inspection, inspect
from modelmoor_server.runtimes import fast
from modelmoor_server.runtimes.base import EnginePolicy, LegacyKerasPolicy, Model, PicklePolicy, Policy, VersionPolicy
from modelmoor_server.runtimes.versions import load_failed

__all__ = ["EnginePolicy", "LegacyKerasPolicy", "Model", "PicklePolicy", "Policy", "VersionPolicy", "load"]

_FRAMEWORKS = {"sklearn", "joblib", "tensorflow", "keras", "tf_keras", "h5py", "pandas"}


def load(
    artifact: Path, format: str | None, policy: Policy, imported: Callable[[str], None] = lambda format: None
) -> Model:
    """Load the model at `artifact` (a file or a folder). Raises ModelError (phases Verify and Load).

    imported: told the format once its framework is imported, before the model is read.
    An optimized artifact is answered by its fast form, where that may be used and is whole; else by its original.
    """
    found = inspect(artifact, format)
    model, unused = fast.load(artifact, found, policy, imported)
    if model is None and policy.engine is EnginePolicy.ONNX:
        raise load_failed(
            "There is no form of this model that ONNX Runtime may answer from, and no other engine is allowed."
            + (f" {unused}" if unused else ""),
            "Make one with `modelmoor-server optimize SOURCE FOLDER`, or choose engine Auto.",
        )
    if model is None and policy.engine is EnginePolicy.NATIVE and found.format != "sklearn":
        raise load_failed(
            f"There is no native engine for {found.framework}, and no other one is allowed.",
            "Choose engine Auto, or ONNX for a network that `modelmoor-server optimize` has converted.",
        )
    if model is None:
        model = _original(found, policy, imported)
    return model if unused is None else fast.warned(model, unused)


def _original(found: Inspection, policy: Policy, imported: Callable[[str], None]) -> Model:
    try:
        if found.format == "sklearn":
            from modelmoor_server.runtimes import sklearn

            imported(found.format)
            return sklearn.load(found, policy)
        if found.format == "keras":
            from modelmoor_server.runtimes import keras

            imported(found.format)
            return keras.load(found, policy)
        from modelmoor_server.runtimes import tensorflow

        imported(found.format)
        return tensorflow.load(found, policy)
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _FRAMEWORKS:
            raise
        if find_spec(name) is not None:
            raise load_failed(
                f"{name} is in this image and could not be imported ({cause_name(error)}).",
                "Use an unchanged image: a part of the library is missing.",
            ) from None
        raise load_failed(
            f"This image does not hold {name}, which {found.framework} needs.",
            "Use the image that serves scikit-learn, Keras and TensorFlow.",
        ) from None
