"""A Keras file or a SavedModel becomes the files of its fast form; the maker of `modelmoor-server optimize`.

It runs where a person or a pipeline asks for it, never in a pod: it takes TensorFlow, tf2onnx and onnx, and minutes
for a large network.
"""

import importlib
import io
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelmoor_server import threads
from modelmoor_server.errors import cause_name
from modelmoor_server.inspection import Inspection
from modelmoor_server.optimized.manifest import Made
from modelmoor_server.optimized.verb import refused
from modelmoor_server.runtimes.base import Engine, Policy
from modelmoor_server.signature import Datatype, Signature

OPSET = 18  # the newest that tf2onnx writes; each later ONNX Runtime reads it
_NEEDED = ("modelmoor_server.runtimes.tensors", "onnx", "onnxruntime", "tf2onnx")
_AS_IT_IS = "Serve the original as it is; TensorFlow answers it."


def make(found: Inspection, policy: Policy, into: Path, say: Callable[[str], None]) -> Made:
    """Write model.onnx and sample.npz into `into`. Raises ModelError where the model has no fast form."""
    try:
        for name in _NEEDED:  # asked for before minutes are spent; the first sets TensorFlow's environment
            importlib.import_module(name)
    except ImportError as error:
        raise refused(
            f"The conversion needs {error.name or 'a package'}, which is not installed here.",
            "Install it: pip install 'modelmoor-server[tensorflow,onnx,optimize]'.",
        ) from None
    say("Loading it by TensorFlow")
    original = _original(found, policy)
    _refuse_kinds(original.signature)
    if original.row is None:
        raise refused("The model does not tell the shape that it takes, so no rows can be compared.", _AS_IT_IS)
    say("Converting it to ONNX")
    model = _onnx(*_function(original))
    from modelmoor_server.runtimes.onnx import gate
    from modelmoor_server.runtimes.onnx.model import ATOL, FILE, RTOL, SAMPLE, Domain, Stated, Unequal, model_of

    names = tuple(field.name for field in original.signature.outputs)
    stated = Stated(found.format, found.framework, original.signature, names, original.independence, Domain())
    try:
        fast = model_of(model, stated, threads.count(os.environ))
    except Unequal as error:
        raise refused(f"There is no fast form of it: {error}.", _AS_IT_IS) from None
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no class in common
        raise refused(
            f"ONNX Runtime cannot load the converted network ({cause_name(error)}): an operation has no counterpart.",
            _AS_IT_IS,
        ) from None
    say("Comparing its answers with TensorFlow's")
    try:
        verdict = _judged(original, fast, say)
    except gate.NotEqual as error:
        raise refused(f"The converted network is not equal to the original: {error}.", _AS_IT_IS) from None
    try:
        for name, other in getattr(original, "others", {}).items():  # of a SavedModel, often one under two names
            say(f"Comparing them with those of the signature {name}")
            if other.signature != original.signature or _judged(replace(other, row=original.row), fast, say) != verdict:
                raise gate.NotEqual
    except gate.NotEqual:
        raise refused("A further signature of the SavedModel answers something else.", _AS_IT_IS) from None
    if verdict.domain.limit is not None:
        say(
            "Missing and infinite values, and numbers beyond "
            f"{verdict.domain.limit:.0e}, are answered differently: the fast form will refuse them"
        )
    into.joinpath(FILE).write_bytes(model)
    into.joinpath(SAMPLE).write_bytes(_packed(verdict.sample, verdict.answers, original.signature, names))
    return Made(
        framework=found.framework,
        engine=Engine.ONNX,
        made_with={
            name: str(importlib.import_module(name).__version__)
            for name in ("tensorflow", "tf2onnx", "onnx", "onnxruntime")
        },
        signature=original.signature,
        default_outputs=names,
        independence=original.independence,
        checked={"rows": verdict.rows, "largestDifference": verdict.largest, "rtol": RTOL[4], "atol": ATOL[4]},
        model={"opset": OPSET, "domain": verdict.domain.as_json(), "signatures": list(original.alternatives)},
    )


def _judged(original: Any, fast: Any, say: Callable[[str], None]) -> Any:
    """The gate's verdict. Raises gate.NotEqual."""
    from modelmoor_server.runtimes.onnx import gate

    names = original.default_outputs
    return gate.judge(
        lambda inputs: original.predict(inputs, names),
        lambda inputs: fast.predict(inputs, names),
        original.signature,
        dict(original.row),
        say,
    )


def _original(found: Inspection, policy: Policy) -> Any:
    if found.format == "keras":
        from modelmoor_server.runtimes import keras

        return keras.load(found, policy)
    from modelmoor_server.runtimes import tensorflow

    return tensorflow.load(found, policy)


def _refuse_kinds(signature: Signature) -> None:
    for field in (*signature.inputs, *signature.outputs):
        if field.datatype is Datatype.BYTES:
            raise refused(f"The field {field.name!r} is text, which the converted form does not know.", _AS_IT_IS)


def _function(original: Any) -> tuple[Any, list[Any]]:
    """A function of TensorFlow with positional inputs and a list of outputs in the signature's order, and its specs."""
    import tensorflow as tf

    if original.format == "keras":
        return original.call, list(original.call.input_signature)
    own = [(name, spec) for name, spec in original.given.values()]

    def flat(*values: Any) -> list[Any]:
        answers = original.call(**{name: value for (name, _), value in zip(own, values, strict=True)})
        return [answers[name] for name in original.made.values()]

    specs = [tf.TensorSpec(spec.shape, spec.dtype) for _, spec in own]
    return tf.function(flat, input_signature=specs, autograph=False), specs


def _onnx(function: Any, specs: list[Any]) -> bytes:
    """The function as the bytes of an ONNX model. Raises ModelError."""
    import tf2onnx.tf_loader

    loggers = [logging.getLogger(name) for name in ("tf2onnx", *logging.root.manager.loggerDict) if "tf2onnx" in name]
    try:
        for logger in loggers:
            logger.disabled = True  # its lines quote the network's insides; the exception is enough
        concrete = function.get_concrete_function(*specs)
        # constants that a layer holds come after them, and would become inputs
        given = [tensor.name for tensor in concrete.inputs[: len(specs)]]
        made = [tensor.name for tensor in concrete.outputs]
        graph = tf2onnx.tf_loader.from_function(concrete, given, made)
        proto, _ = tf2onnx.convert.from_graph_def(graph, input_names=given, output_names=made, opset=OPSET)
        return bytes(proto.SerializeToString())
    except Exception as error:  # noqa: BLE001 - a converter of a hundred operations raises whatever it likes
        raise refused(
            f"tf2onnx cannot convert the model ({cause_name(error)}): an operation of it has no counterpart in ONNX.",
            _AS_IT_IS,
        ) from None
    finally:
        for logger in loggers:
            logger.disabled = False


def _packed(
    inputs: Mapping[str, np.ndarray], answers: Mapping[str, np.ndarray], signature: Signature, names: tuple[str, ...]
) -> bytes:
    """The sample as an .npz, by place: a public name may be anything."""
    arrays = {f"input_{index}": inputs[field.name] for index, field in enumerate(signature.inputs)}
    arrays |= {f"output_{index}": answers[name] for index, name in enumerate(names)}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()
