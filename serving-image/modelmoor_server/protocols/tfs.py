"""TensorFlow Serving's words for a model: signatures by name, the one version and its label, states."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.naming import OF_SIGNATURE
from modelmoor_server.repository import Entry, State

if TYPE_CHECKING:
    import numpy as np

    from modelmoor_server.exchange import InferenceRequest, OutputTensor
    from modelmoor_server.intake import Intake
    from modelmoor_server.signature import Field, Signature

VERSION = "1"  # what TensorFlow's clients, which want a number, may call the one version that is served
LABEL = "stable"  # ... and by label; which pods are a canary is known to the router, not to a pod
SERVING_DEFAULT = "serving_default"
METHOD = "tensorflow/serving/predict"
_STATES = {
    State.READY: ("AVAILABLE", "OK"),
    State.LOADING: ("LOADING", "OK"),
    State.FAILED: ("END", "FAILED_PRECONDITION"),
    State.UNLOADED: ("END", "OK"),
}


class Signed(NamedTuple):
    """What a `signature_name` stands for. outputs: those of a request that names none.

    alternative: whether it is one beside the model's own (SavedModel).
    """

    name: str
    signature: "Signature"
    outputs: tuple[str, ...]
    alternative: bool = False

    @property
    def told(self) -> "tuple[Sequence[Field], Sequence[Field]]":
        """Inputs and outputs, as the model's metadata lists them."""
        return self.signature.inputs, [field for field in self.signature.outputs if field.name in self.outputs]

    def request(
        self, intake: "Intake", arrays: "Mapping[str, np.ndarray]", outputs: Sequence[str] = ()
    ) -> "InferenceRequest":
        """A request for it. arrays: by the names of its own inputs. outputs: an output filter.

        Raises InvalidRequest.
        """
        if self.name == SERVING_DEFAULT:
            return intake.request(arrays, outputs)  # a filter may name any output of the model
        for name in outputs:
            if name not in self.outputs:
                raise InvalidRequest(f"The signature {self.name} has no such output; it has {', '.join(self.outputs)}.")
        names = tuple(dict.fromkeys(outputs)) or self.outputs
        if not self.alternative:
            return intake.request(arrays, names)
        from modelmoor_server.exchange import InferenceRequest  # brings numpy, as the model has by now

        start = self.name + OF_SIGNATURE
        return InferenceRequest(
            {start + name: array for name, array in arrays.items()}, tuple(start + name for name in names)
        )


def signatures(intake: "Intake") -> dict[str, Signed]:
    """What a request may give as `signature_name`.

    `serving_default` is the model's prediction; the signatures of a SavedModel go by their own names; each output of a
    model that computes them one by one (scikit-learn's predict_proba, for one) is a signature of its own name.
    """
    signature, default = intake.signature, intake.default_outputs
    found = {SERVING_DEFAULT: Signed(SERVING_DEFAULT, signature, default)}
    for name, other in intake.alternatives.items():
        found.setdefault(name, Signed(name, other, tuple(field.name for field in other.outputs), alternative=True))
    if len(signature.outputs) > len(default):
        for field in signature.outputs:
            found.setdefault(field.name, Signed(field.name, signature, (field.name,)))
    return found


def signed(intake: "Intake", name: str | None) -> Signed:
    """The signature that a request names; none or an empty name is the default one. Raises InvalidRequest."""
    if not name:
        return Signed(SERVING_DEFAULT, intake.signature, intake.default_outputs)
    known = signatures(intake)
    if name not in known:
        raise InvalidRequest(f"signature_name: the model has no such signature; it has {', '.join(sorted(known))}.")
    return known[name]


def public(outputs: "Sequence[OutputTensor]") -> "Sequence[OutputTensor]":
    """Outputs under the names of their own signature."""
    if OF_SIGNATURE not in outputs[0].name:
        return outputs
    return [output._replace(name=output.name.partition(OF_SIGNATURE)[2]) for output in outputs]


def state_of(entry: Entry) -> tuple[str, str, str]:
    """The state of the model's one version, its status code by name, and what that says."""
    return *_STATES[entry.state], "" if entry.failure is None else entry.failure.message


def unknown_label(name: str) -> str:
    """What a caller is told who asks a model for another label than that of what is served."""
    return f"The one version of model {name} that is served here has the label {LABEL}, and no other."
