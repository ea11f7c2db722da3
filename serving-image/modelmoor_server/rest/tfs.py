"""What TensorFlow Serving's REST interface has beyond v1: signatures, version states, metadata, and two other verbs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.repository import Entry, State

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference, InferenceRequest, OutputTensor
    from modelmoor_server.signature import Field, Signature

VERSION = "1"  # what TensorFlow's clients, which want a number, may call the one version that is served
LABEL = "stable"  # ... and by label; which pods are a canary is known to the router, not to a pod
SERVING_DEFAULT = "serving_default"
EXAMPLES_ONLY = (
    "classify and regress take tf.Example records, which this model's signature does not; "
    "send the same rows to :predict."
)
_DTYPES = {
    "BOOL": "DT_BOOL", "UINT8": "DT_UINT8", "UINT16": "DT_UINT16", "UINT32": "DT_UINT32", "UINT64": "DT_UINT64",
    "INT8": "DT_INT8", "INT16": "DT_INT16", "INT32": "DT_INT32", "INT64": "DT_INT64", "FP16": "DT_HALF",
    "FP32": "DT_FLOAT", "FP64": "DT_DOUBLE", "BYTES": "DT_STRING",
}  # fmt: skip
_STATES = {
    State.READY: ("AVAILABLE", "OK"),
    State.LOADING: ("LOADING", "OK"),
    State.FAILED: ("END", "FAILED_PRECONDITION"),
    State.UNLOADED: ("END", "OK"),
}


class Signed(NamedTuple):
    """What a `signature_name` stands for. alternative: whether it is one beside the model's own (SavedModel)."""

    name: str
    signature: "Signature"
    outputs: tuple[str, ...]
    alternative: bool = False

    def request(self, inference: "Inference", given: Any, *, by_columns: bool) -> "InferenceRequest":
        """A request for it, out of the rows or the columns of a body. Raises InvalidRequest."""
        from modelmoor_server.inference import InferenceRequest  # brings numpy, as the model has by now
        from modelmoor_server.signature import OF_SIGNATURE, from_columns, from_instances

        arrays = (from_columns if by_columns else from_instances)(self.signature, given)
        if not self.alternative:
            return inference.request(arrays, self.outputs)
        start = self.name + OF_SIGNATURE
        named = {start + name: array for name, array in arrays.items()}
        return InferenceRequest(named, tuple(start + name for name in self.outputs))


def signatures(inference: "Inference") -> dict[str, Signed]:
    """What a request may give as `signature_name`.

    `serving_default` is the model's prediction; the signatures of a SavedModel go by their own names; each output of a
    model that computes them one by one (scikit-learn's predict_proba, for one) is a signature of its own name.
    """
    signature, default = inference.signature, inference.default_outputs
    found = {SERVING_DEFAULT: Signed(SERVING_DEFAULT, signature, default)}
    for name, other in inference.alternatives.items():
        found.setdefault(name, Signed(name, other, tuple(field.name for field in other.outputs), alternative=True))
    if len(signature.outputs) > len(default):
        for field in signature.outputs:
            found.setdefault(field.name, Signed(field.name, signature, (field.name,)))
    return found


def signed(inference: "Inference", name: str | None) -> Signed:
    """The signature that a request names; none or an empty name is the default one. Raises InvalidRequest."""
    if not name:
        return Signed(SERVING_DEFAULT, inference.signature, inference.default_outputs)
    known = signatures(inference)
    if name not in known:
        raise InvalidRequest(f"signature_name: the model has no such signature; it has {', '.join(sorted(known))}.")
    return known[name]


def public(outputs: Sequence["OutputTensor"]) -> Sequence["OutputTensor"]:
    """Outputs under the names of their own signature."""
    from modelmoor_server.signature import OF_SIGNATURE

    if OF_SIGNATURE not in outputs[0].name:
        return outputs
    return [output._replace(name=output.name.partition(OF_SIGNATURE)[2]) for output in outputs]


def status(entry: Entry) -> dict[str, Any]:
    """What `GET /v1/models/{model}` tells: KServe's answer and TensorFlow Serving's in one."""
    state, code = _STATES[entry.state]
    message = "" if entry.failure is None else entry.failure.message
    return {
        "name": entry.name,
        "ready": entry.state is State.READY,
        "model_version_status": [
            {"version": VERSION, "state": state, "status": {"error_code": code, "error_message": message}}
        ],
    }


def metadata(inference: "Inference") -> dict[str, Any]:
    """What `GET /v1/models/{model}/metadata` tells: the JSON form of GetModelMetadataResponse."""
    definitions = {
        name: {
            "inputs": _tensors(found.signature.inputs),
            "outputs": _tensors([field for field in found.signature.outputs if field.name in found.outputs]),
            "method_name": "tensorflow/serving/predict",
            "defaults": {},
        }
        for name, found in signatures(inference).items()
    }
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
