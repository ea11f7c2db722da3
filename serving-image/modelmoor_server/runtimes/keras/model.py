"""A Keras model of either generation behind the server's interface, called as one traced function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.runtimes import tensors, versions
from modelmoor_server.runtimes.base import Engine, Independence
from modelmoor_server.runtimes.direct import DirectCall, direct, same
from modelmoor_server.runtimes.keras import scan
from modelmoor_server.runtimes.keras.independence import independence_of
from modelmoor_server.signature import Datatype, Field, Signature

import tensorflow as tf  # isort: skip - tensors sets its environment first


def model_of(model: Any, framework: str, warnings: tuple[str, ...], config: Any) -> "KerasModel":
    """The model around a loaded Keras model. config: what the artifact states of it. Raises ModelError."""
    stated = scan.names(config)
    inputs = list(getattr(model, "inputs", None) or ())
    if not inputs:
        raise versions.load_failed(
            "The model does not state the shape of its input.",
            "Add keras.Input(shape) as first layer, or call the model once before saving it.",
        )
    outputs = list(model.outputs)
    given = _struct(model, ("_inputs_struct", "_nested_inputs"), inputs)
    made = _struct(model, ("_outputs_struct", "_nested_outputs"), outputs)
    fields = _fields(inputs, tensors.stable_names(_names(inputs, given), "input", stated | _keys(given)))
    answers = _fields(outputs, tensors.stable_names(_names(outputs, made), "output", stated | _keys(made)))
    text = len(fields) == 1 and fields[0].datatype is Datatype.BYTES and fields[0].shape in ((-1,), (-1, 1))
    specs = [tf.TensorSpec(tensor.shape, _dtype(tensor)) for tensor in inputs]
    keys = [_key(tensor, given) for tensor in inputs]

    # one trace for any number of rows; `model.predict` would build a data set for every request
    @tf.function(input_signature=specs, autograph=False)  # type: ignore[untyped-decorator]
    def call(*values: Any) -> list[Any]:
        if isinstance(given, dict):
            fed: Any = dict(zip(keys, values, strict=True))
        else:
            fed = values[0] if len(values) == 1 and not isinstance(given, (list, tuple)) else list(values)
        answer = model(fed, training=False)
        return [answer[_key(tensor, made)] for tensor in outputs] if isinstance(made, dict) else tf.nest.flatten(answer)

    loaded = KerasModel(
        call=call,
        dtypes=tuple(spec.dtype for spec in specs),
        framework=framework,
        signature=Signature(fields, answers, text=text),
        warnings=warnings,
        keep=model,
        independence=independence_of(config),
    )
    loaded = replace(loaded, row=tensors.answered_example(loaded))
    if loaded.row is None:
        return loaded
    short = replace(loaded, short=direct(call.get_concrete_function(), [""] * len(specs), [""] * len(answers)))
    row, names = loaded.row, loaded.default_outputs
    return short if same(lambda: loaded.predict(row, names), lambda: short.predict(row, names)) else loaded


@dataclass(frozen=True)
class KerasModel:
    """A traced call, its signature, and the row that it was found to answer. short: the same call by fewer steps."""

    call: Any
    dtypes: tuple[Any, ...]
    framework: str
    signature: Signature
    warnings: tuple[str, ...]
    keep: Any  # its variables live as long as it does
    row: Mapping[str, np.ndarray] | None = None
    short: DirectCall | None = None
    independence: Independence = Independence.UNKNOWN
    engine: Engine = Engine.LIBRARY
    alternatives: Mapping[str, Signature] = field(default_factory=dict)
    format: str = "keras"

    @property
    def default_outputs(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.signature.outputs)

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """One call in inference mode; all outputs are computed, those asked for are given."""
        fields = self.signature.inputs
        try:
            arrays = [inputs[field.name] for field in fields]
            feed = [tf.constant(array, dtype=dtype) for array, dtype in zip(arrays, self.dtypes, strict=True)]
            made = self.short(feed, arrays) if self.short is not None else None
            answers = dict(zip(self.default_outputs, self.call(*feed) if made is None else made, strict=True))
            return {name: tensors.array_of(answers[name]) for name in outputs}
        except Exception as error:  # noqa: BLE001 - layers raise whatever they like
            raise tensors.refused(error) from None

    def example(self) -> dict[str, np.ndarray]:
        if self.row is None:
            raise InvalidRequest("no input can be made up for this model: it does not tell the shape it takes")
        return dict(self.row)


def _struct(model: Any, attributes: Sequence[str], flat: list[Any]) -> Any:
    """How the model nests its tensors: a dict by the author's own keys, a list, or one tensor."""
    for name in attributes:
        if (found := getattr(model, name, None)) is not None:
            return found
    return flat if len(flat) > 1 else flat[0]


def _keys(struct: Any) -> frozenset[str]:
    return frozenset(struct) if isinstance(struct, dict) else frozenset()


def _key(tensor: Any, struct: Any) -> Any:
    return next((key for key, value in struct.items() if value is tensor), None) if isinstance(struct, dict) else None


def _names(flat: Sequence[Any], struct: Any) -> tuple[str, ...]:
    """The author's keys, else the names of the layers, which the file states; never those of tensors."""
    return tuple(_key(tensor, struct) or _layer(tensor) for tensor in flat)


def _layer(tensor: Any) -> str:
    history = getattr(tensor, "_keras_history", None)
    owner = getattr(history, "operation", None) or getattr(history, "layer", None)
    return str(getattr(owner, "name", ""))


def _fields(flat: Sequence[Any], names: Sequence[str]) -> tuple[Field, ...]:
    return tuple(
        Field(name, tensors.DATATYPES.get(_dtype(tensor).name, Datatype.FP32), tensors.shape_of(tensor.shape))
        for name, tensor in zip(names, flat, strict=True)
    )


def _dtype(tensor: Any) -> Any:
    return tf.as_dtype(tensor.dtype)
