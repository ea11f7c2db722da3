"""The list: layers whose answer to a row does not depend on the rows beside it, by class and configuration.

It reads what the artifact states, of either generation, as scan.py does; classes of others never get this far. A
layer is on it because of how it computes: dimension 0 is carried through, and nothing is counted, normalised, padded,
sorted or drawn over it. docs/decisions/0015-batching.md
"""

from collections.abc import Mapping
from typing import Any

from modelmoor_server.runtimes.base import Independence
from modelmoor_server.runtimes.keras.legacy import ACTIVATIONS
from modelmoor_server.runtimes.keras.scan import items

_LAYERS = """
Functional Model Sequential InputLayer
Activation Add Average AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Bidirectional
CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose Cropping1D
Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Discretization Dropout ELU Embedding Flatten GRU GRUCell
GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization Identity IntegerLookup LSTM LSTMCell LayerNormalization
LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU
Permute RNN ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell
Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D StackedRNNCells StringLookup Subtract TextVectorization
ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
ZeroPadding3D
"""
_PARTS = """
Constant DType DTypePolicy GlorotNormal GlorotUniform HeNormal HeUniform L1 L1L2 L2 LecunNormal LecunUniform MaxNorm
MinMaxNorm NonNeg Ones Orthogonal OrthogonalInitializer OrthogonalRegularizer Policy RandomNormal RandomUniform
TensorShape TruncatedNormal UnitNorm VarianceScaling Zeros __keras_tensor__ __numpy__ __tensor__
"""
LAYERS = frozenset(_LAYERS.split())
PARTS = frozenset(_PARTS.split())
_ACTIVATION_KEYS = ("activation", "recurrent_activation")
_AXIS_KEYS = ("axis", "axes")


def independence_of(config: Any) -> Independence:
    """What is known of the rows of a model with this configuration."""
    known = all(_is_known(item) for item in items(config))
    return Independence.CLOSE if known and isinstance(config, dict) else Independence.UNKNOWN


def _is_known(item: Mapping[str, Any]) -> bool:
    if item.get("training"):  # a layer that was told to train wherever it is called: batch statistics, lots drawn
        return False
    name = item.get("class_name")
    if name is None:
        return True
    if name in ("NotEqual", "Any"):
        return _is_mask(item)
    if not isinstance(name, str) or name not in LAYERS:
        return isinstance(name, str) and name in PARTS
    inner = item.get("config")
    if isinstance(inner, list):  # a Sequential of the first .h5 files
        return True
    return isinstance(inner, dict) and _carries_rows(name, inner)


def _is_mask(item: Mapping[str, Any]) -> bool:
    """The two operations by which Keras 3 writes a mask down: unlike one number, anywhere along the last axis."""
    config, nodes = item.get("config"), item.get("inbound_nodes")
    if not isinstance(config, dict) or not isinstance(nodes, list):
        return False
    if item["class_name"] == "Any":
        return config.get("axis") == -1
    arguments = [node.get("args") for node in nodes if isinstance(node, dict)]
    return all(isinstance(args, list) and len(args) == 2 and isinstance(args[1], (int, float)) for args in arguments)


def _carries_rows(name: str, config: Mapping[str, Any]) -> bool:
    """Whether the parameters leave dimension 0 alone."""
    if config.get("stateful") or config.get("ragged"):
        return False
    if any(isinstance(config.get(key), dict) for key in _ACTIVATION_KEYS):
        return False
    if any(isinstance(config.get(key), str) and config[key] not in ACTIVATIONS for key in _ACTIVATION_KEYS):
        return False
    if any(0 in _numbers(config.get(key)) for key in _AXIS_KEYS):
        return False
    if name == "TextVectorization":  # it pads to the longest text of the call
        return config.get("output_mode", "int") != "int" or config.get("output_sequence_length") is not None
    return True


def _numbers(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
