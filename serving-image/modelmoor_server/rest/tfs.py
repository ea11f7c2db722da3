"""What TensorFlow Serving's REST interface has beyond v1: version states, metadata, and two other verbs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelmoor_server.protocols.tfs import METHOD, VERSION, signatures, state_of
from modelmoor_server.repository import Entry, State

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference
    from modelmoor_server.signature import Field

EXAMPLES_ONLY = (
    "classify and regress take tf.Example records, which this model's signature does not; "
    "send the same rows to :predict."
)
_DTYPES = {
    "BOOL": "DT_BOOL", "UINT8": "DT_UINT8", "UINT16": "DT_UINT16", "UINT32": "DT_UINT32", "UINT64": "DT_UINT64",
    "INT8": "DT_INT8", "INT16": "DT_INT16", "INT32": "DT_INT32", "INT64": "DT_INT64", "FP16": "DT_HALF",
    "FP32": "DT_FLOAT", "FP64": "DT_DOUBLE", "BYTES": "DT_STRING",
}  # fmt: skip


def status(entry: Entry) -> dict[str, Any]:
    """What `GET /v1/models/{model}` tells: KServe's answer and TensorFlow Serving's in one."""
    state, code, message = state_of(entry)
    return {
        "name": entry.name,
        "ready": entry.state is State.READY,
        "model_version_status": [
            {"version": VERSION, "state": state, "status": {"error_code": code, "error_message": message}}
        ],
    }


def metadata(inference: "Inference") -> dict[str, Any]:
    """What `GET /v1/models/{model}/metadata` tells: the JSON form of GetModelMetadataResponse."""
    definitions = {}
    for name, found in signatures(inference).items():
        inputs, outputs = map(_tensors, found.told)
        definitions[name] = {"inputs": inputs, "outputs": outputs, "method_name": METHOD, "defaults": {}}
    return {
        "model_spec": {"name": inference.identity.name, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": definitions}},
    }


def _tensors(fields: Sequence["Field"]) -> dict[str, Any]:
    return {
        field.name: {
            "name": field.name,
            "dtype": _DTYPES[field.datatype] if field.datatype is not None else "DT_INVALID",
            "tensor_shape": {
                "dim": [{"size": str(size), "name": ""} for size in field.shape or ()],
                "unknown_rank": field.shape is None,
            },
        }
        for field in fields
    }
