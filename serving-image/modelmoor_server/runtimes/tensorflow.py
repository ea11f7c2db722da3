"""TensorFlow SavedModel folders, by their signature `serving_default`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelmoor_server.errors import InvalidRequest, ModelError, RequestError, cause_name
from modelmoor_server.inspection import Inspection
from modelmoor_server.inspection.saved_model import FILE
from modelmoor_server.runtimes import tensors, versions  # before tensorflow: it sets its environment
from modelmoor_server.runtimes.base import Policy
from modelmoor_server.signature import Datatype, Field, Signature

import tensorflow as tf  # isort: skip
from tensorflow.core.protobuf import saved_model_pb2  # isort: skip

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
    own = versions.minor(tf.__version__) or (0, 0)
    stated = versions.minor(found.version or "")
    if stated is not None and stated > own:  # older graphs keep their meaning: TensorFlow's own promise
        text = versions.mismatch("tensorflow", str(found.version), tf.__version__, policy.version_mismatch)
        warnings = (text,)
    _refuse_forbidden(found.path)
    tensors.use_threads()
    try:
        program = tf.saved_model.load(str(found.path))
    except Exception as error:  # noqa: BLE001 - TensorFlow raises a dozen types; all of them end the load
        raise _told(error, found, bool(warnings)) from None
    call = _signature(program)
    inputs = _fields(call.structured_input_signature[1], "input", binary=True)
    outputs = _fields(call.structured_outputs, "output")
    text = len(inputs) == 1 and inputs[0].datatype is Datatype.BYTES and inputs[0].shape in ((-1,), (-1, 1))
    signature = Signature(tuple(inputs.fields), tuple(outputs.fields), text=text) if False else Signature(
        tuple(inputs), tuple(outputs), text=text
    )
    return SavedModel(program, call, found.framework, signature, warnings)
