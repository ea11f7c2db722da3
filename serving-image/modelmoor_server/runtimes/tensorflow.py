"""TensorFlow SavedModel folders, by their signature `serving_default`, with the others as alternatives to it."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from modelmoor_server.errors import InvalidRequest, ModelError, cause_name
from modelmoor_server.inspection import Inspection
from modelmoor_server.inspection.saved_model import FILE
from modelmoor_server.naming import OF_SIGNATURE
from modelmoor_server.runtimes import tensors, versions  # tensors first: it sets TensorFlow's environment
from modelmoor_server.runtimes.base import Engine, Independence, Policy
from modelmoor_server.runtimes.direct import DirectCall, direct, same
from modelmoor_server.signature import Datatype, Field, Signature

import tensorflow as tf  # isort: skip

SIGNATURE = "serving_default"
# a SavedModel is a program: these would read and write files, or run Python, with the caller's values
_FORBIDDEN = frozenset(
    (
        *("ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc", "Save", "SaveSlices"),
        *("FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "TextLineDataset", "TFRecordDataset"),
        *("TFRecordDatasetV2", "WholeFileReader", "WholeFileReaderV2", "TextLineReader", "TextLineReaderV2"),
        *("TFRecordReader", "TFRecordReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2"),
        *("SaveDataset", "SaveDatasetV2", "LoadDataset", "PrintV2", "WriteSummary", "CreateSummaryFileWriter"),
        *("RpcCall", "RpcClient", "RpcServer", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3"),
    )
)


def load(found: Inspection, policy: Policy) -> "SavedModel":
    """Load a SavedModel folder. Raises ModelError."""
    warnings: tuple[str, ...] = ()
    stated, own = versions.minor(found.version or ""), versions.minor(tf.__version__)
    if stated is not None and own is not None and stated > own:  # older graphs keep their meaning: TensorFlow's promise
        warnings = (versions.mismatch("tensorflow", str(found.version), tf.__version__, policy.version_mismatch),)
    _refuse_forbidden(found.path)
    tensors.use_threads()
    try:
        program = tf.saved_model.load(str(found.path))
    except Exception as error:  # noqa: BLE001 - TensorFlow raises a dozen types; all of them end the load
        raise _told(error, found, bool(warnings)) from None
    chosen = _chosen(program)
    model = _model(program, program.signatures[chosen], found, warnings)
    others: dict[str, SavedModel] = {}
    for name in sorted(program.signatures):
        with suppress(ModelError):  # one that carries what the protocols cannot is not offered
            others[name] = _model(program, program.signatures[name], found, ())
    return replace(_shortened(model), others=others)


def _shortened(model: "SavedModel") -> "SavedModel":
    """The model with the row that it answers, and the short way where that gives the same bits."""
    row, names = tensors.answered_example(model), model.default_outputs
    model = replace(model, row=row)
    if row is None:
        return model
    short = replace(
        model, short=direct(model.call, [own for own, _ in model.given.values()], list(model.made.values()))
    )
    return short if same(lambda: model.predict(row, names), lambda: short.predict(row, names)) else model


def _model(program: Any, call: Any, found: Inspection, warnings: tuple[str, ...]) -> "SavedModel":
    """The model by one of its signatures. Raises ModelError where that holds a type that the protocols do not."""
    given, made = _ordered(call.structured_input_signature[1]), _ordered(call.structured_outputs)
    inputs, outputs = _fields(given, "input", binary=True), _fields(made, "output", binary=False)
    text = len(inputs) == 1 and inputs[0].datatype is Datatype.BYTES and inputs[0].shape in ((-1,), (-1, 1))
    return SavedModel(
        program=program,
        call=call,
        framework=found.framework,
        signature=Signature(inputs, outputs, text=text),
        warnings=warnings,
        given=dict(zip((field.name for field in inputs), given.items(), strict=True)),
        made=dict(zip((field.name for field in outputs), made, strict=True)),
    )


@dataclass(frozen=True)
class SavedModel:
    """A loaded program and its signature. given, made: public name -> the engine's name (and spec).

    others: the model by each of its signatures. short: the same call by fewer steps.
    """

    program: Any  # its variables live as long as it does
    call: Any
    framework: str
    signature: Signature
    warnings: tuple[str, ...]
    given: Mapping[str, tuple[str, Any]]
    made: Mapping[str, str]
    row: Mapping[str, np.ndarray] | None = None
    short: DirectCall | None = None
    independence: Independence = Independence.UNKNOWN  # a SavedModel is a program of any operations
    engine: Engine = Engine.LIBRARY
    others: Mapping[str, "SavedModel"] = field(default_factory=dict)
    format: str = "tensorflow"

    @property
    def default_outputs(self) -> tuple[str, ...]:
        return tuple(self.made)

    @property
    def alternatives(self) -> dict[str, Signature]:
        """All signatures by their names, `serving_default` among them where there is one."""
        return {name: model.signature for name, model in self.others.items()}

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """One call of the signature; outputs that are not asked for are computed and left."""
        name, marked, _ = outputs[0].partition(OF_SIGNATURE)
        if marked:
            start = len(name) + 1
            own = {key[start:]: array for key, array in inputs.items()}
            answered = self.others[name].predict(own, [output[start:] for output in outputs])
            return {name + marked + key: array for key, array in answered.items()}
        try:
            feed = {own: tf.constant(inputs[name], dtype=spec.dtype) for name, (own, spec) in self.given.items()}
            arrays = [inputs[name] for name in self.given]
            flat = self.short(list(feed.values()), arrays) if self.short is not None else None
            answers = self.call(**feed) if flat is None else dict(zip(self.made.values(), flat, strict=True))
            return {name: tensors.array_of(answers[self.made[name]]) for name in outputs}
        except Exception as error:  # noqa: BLE001 - as when loading
            raise tensors.refused(error) from None

    def example(self) -> dict[str, np.ndarray]:
        if self.row is None:
            raise InvalidRequest("no input can be made up for this model: it does not tell the shape it takes")
        return dict(self.row)


def _chosen(program: Any) -> str:
    names = list(program.signatures)
    if SIGNATURE in names:
        return SIGNATURE
    if len(names) == 1:
        return str(names[0])
    raise versions.load_failed(
        f"The SavedModel has {len(names)} signatures, and none is called {SIGNATURE}.",
        f"Export the model with a signature {SIGNATURE}: model.export(path) of Keras makes one.",
    )


def _ordered(specs: Mapping[str, Any]) -> dict[str, Any]:
    """By name, numbers inside it by value: the file is a map, which each process reads in another order."""

    def natural(name: str) -> list[Any]:
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

    return {name: specs[name] for name in sorted(specs, key=natural)}


def _fields(specs: Mapping[str, Any], fallback: str, binary: bool) -> tuple[Field, ...]:
    """The fields of one side of a signature: the names are the artifact's, but for those that Keras counted up."""
    names = tensors.stable_names(tuple(specs), fallback)
    fields = []
    for name, spec in zip(names, specs.values(), strict=True):
        datatype = tensors.DATATYPES.get(spec.dtype.name)
        if datatype is None and spec.dtype != tf.bfloat16:
            raise versions.load_failed(
                f"The {fallback} {name!r} of the SavedModel is a {spec.dtype.name}, which the protocol cannot carry.",
                "Export the model with tensors of numbers, booleans or text.",
            )
        fields.append(
            Field(
                name,
                datatype or Datatype.FP32,
                tensors.shape_of(spec.shape),
                binary=binary and datatype is Datatype.BYTES,
            )
        )
    return tuple(fields)


def _refuse_forbidden(folder: Path) -> None:
    """Refuse operations that no prediction needs; the protobuf is data until `tf.saved_model.load`."""
    from tensorflow.core.protobuf import saved_model_pb2

    graph = saved_model_pb2.SavedModel()
    try:
        graph.ParseFromString((folder / FILE).read_bytes())
    except Exception as error:  # noqa: BLE001 - protobuf's DecodeError, by whichever implementation is in use
        raise versions.corrupt(f"The file {FILE} cannot be parsed ({cause_name(error)}).") from None
    for meta in graph.meta_graphs:
        nodes = [meta.graph_def.node, *(function.node_def for function in meta.graph_def.library.function)]
        for node in (node for group in nodes for node in group):
            if node.op in _FORBIDDEN:
                raise versions.unsafe(
                    f"The SavedModel holds the operation {node.op}, which reaches beyond the model.",
                    "Export the prediction alone, without reading or writing files and without Python functions.",
                )


def _told(error: Exception, found: Inspection, mismatched: bool) -> ModelError:
    if mismatched:
        return versions.unloadable("tensorflow", str(found.version), tf.__version__)
    if "Op type not registered" in str(error):  # read here, shown nowhere
        return versions.load_failed(
            "The SavedModel uses an operation that this TensorFlow does not have.",
            "Export it without add-on libraries, or use an image of your own that holds them.",
        )
    broken = (OSError, IndexError, tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.OutOfRangeError)
    if isinstance(error, broken) or type(error) is tf.errors.OpError:  # the bare type: of the checkpoint's reader
        return versions.corrupt(f"The SavedModel lacks a part of its files or they are damaged ({cause_name(error)}).")
    return versions.load_failed(
        f"TensorFlow could not load the SavedModel ({cause_name(error)}).",
        f"Load it once by hand: tf.saved_model.load of TensorFlow {tf.__version__} shows the whole traceback.",
    )
