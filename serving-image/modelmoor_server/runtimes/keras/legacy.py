"""The list that a file of Keras 2 has to pass before tf_keras sees it: tf_keras runs code from an .h5 without asking.

Every class, function and activation named in the configuration is one of those below; the list is exact, and what is
not on it is refused. See docs/decisions/0005-pickle-policy.md.
"""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

from modelmoor_server.inspection import keras_files
from modelmoor_server.runtimes import versions
from modelmoor_server.runtimes.keras.scan import items

_MODELS = "Functional Model Sequential"
_LAYERS = """
Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D AveragePooling2D
AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D
Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense
DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten GRU GRUCell GaussianDropout
GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
GlobalMaxPooling3D GroupNormalization HashedCrossing Hashing Identity InputLayer IntegerLookup LSTM LSTMCell
LayerNormalization LeakyReLU LocallyConnected1D LocallyConnected2D Masking MaxPooling1D MaxPooling2D MaxPooling3D
Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute RNN RandomBrightness RandomContrast RandomCrop
RandomFlip RandomHeight RandomRotation RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape
Resizing
SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D
SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization ThresholdedReLU TimeDistributed
UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
TFOpLambda SlicingOpLambda
"""
_PARTS = """
Constant GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones Orthogonal RandomNormal
RandomUniform TruncatedNormal VarianceScaling Zeros L1 L1L2 L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm
RadialConstraint Policy TensorShape DType __tensor__ __numpy__ __ellipsis__ __slice__ __tuple__
"""
_FUNCTIONS = """
__operators__.add __operators__.getitem __operators__.eq __operators__.ne __operators__.logical_and
__operators__.logical_or __operators__.logical_xor abs add_n argmax argmin boolean_mask broadcast_to cast clip_by_value
concat convert_to_tensor cumsum einsum exp expand_dims eye fill gather gather_nd identity image.resize linalg.matmul
linalg.l2_normalize linalg.norm linspace math.abs math.add math.argmax math.ceil math.cos math.cumsum math.divide
math.divide_no_nan math.equal math.exp math.floor math.floordiv math.floormod math.greater math.greater_equal
math.is_nan math.less math.less_equal math.log math.log1p math.logical_and math.logical_not math.logical_or math.maximum
math.minimum math.mod math.multiply math.negative math.not_equal math.pow math.reciprocal math.reduce_all
math.reduce_any math.reduce_max math.reduce_mean math.reduce_min math.reduce_prod math.reduce_std math.reduce_sum
math.reduce_variance math.round math.rsqrt math.sigmoid math.sign math.sin math.softplus math.sqrt math.square
math.squared_difference math.subtract math.tan math.tanh math.top_k math.truediv meshgrid nn.avg_pool nn.bias_add
nn.conv2d nn.depth_to_space nn.elu nn.gelu nn.l2_normalize nn.leaky_relu nn.log_softmax nn.max_pool nn.relu nn.relu6
nn.selu nn.sigmoid nn.silu nn.softmax nn.softplus nn.space_to_depth nn.tanh nn.moments one_hot ones ones_like pad range
rank repeat reshape reverse shape slice sort split squeeze stack strided_slice strings.lower strings.strip
strings.length tensordot tile transpose unstack where zeros zeros_like compat.v1.shape compat.v1.gather
compat.v1.transpose compat.v1.squeeze compat.v1.pad
"""
_ACTIVATIONS = """
elu exponential gelu hard_sigmoid linear mish relu relu6 selu sigmoid softmax softplus softsign swish silu tanh
leaky_relu log_softmax
"""
_MODULES = frozenset(
    (
        *("keras", "keras.layers", "keras.models", "keras.initializers", "keras.regularizers", "keras.constraints"),
        *("keras.mixed_precision", "keras.src.engine.functional", "keras.src.engine.sequential"),
        *(
            "keras.src.layers.core.tf_op_layer",
            "tf_keras.src.layers.core.tf_op_layer",
            "tf_keras.src.engine.functional",
        ),
        *("keras.engine.functional", "keras.layers.core.tf_op_layer", "tensorflow", "tf_keras", "tf_keras.layers"),
    )
)
CLASSES = frozenset(f"{_MODELS} {_LAYERS} {_PARTS}".split())
FUNCTIONS = frozenset(_FUNCTIONS.split())
ACTIVATIONS = frozenset(_ACTIVATIONS.split())
_ACTIVATION_KEYS = ("activation", "recurrent_activation", "inner_activation")


def check(path: Path, config: Any) -> None:
    """Refuse all that is not on the list, and weights that lie in other files. Raises ModelError (UnsafeArtifact)."""
    for item in items(config):
        name = item.get("class_name")
        if name is not None and not _listed(name, CLASSES):
            raise _not_listed("the class", name)
        if name in ("TFOpLambda", "SlicingOpLambda"):
            function = item["config"].get("function") if isinstance(item.get("config"), dict) else None
            if not _listed(function, FUNCTIONS):
                raise _not_listed("the function", function)
        if name is not None and item.get("module") not in (None, *_MODULES):
            raise _not_listed("the module", item["module"])
        if name is not None and item.get("registered_name") not in (None, name):
            raise _not_listed("the registered class", item["registered_name"])
        for key in _ACTIVATION_KEYS:
            if isinstance(item.get(key), str) and item[key] not in ACTIVATIONS:
                raise _not_listed("the activation", item[key])
        if isinstance(item.get("vocabulary"), str):
            raise versions.unsafe(
                "A layer of the model reads its vocabulary from a file outside the artifact.",
                "Save the model after adapting the layer, so that the vocabulary is inside.",
            )
    _check_weights(path)


def _check_weights(path: Path) -> None:
    import h5py

    try:
        with path.open("rb") as file:
            is_zip = file.read(4) == keras_files.ZIP
        if not is_zip:
            with h5py.File(path, "r") as weights:
                keras_files.refuse_links(weights)
            return
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".h5"):
                    with archive.open(name) as member, h5py.File(io.BytesIO(member.read()), "r") as weights:
                        keras_files.refuse_links(weights)
    except (OSError, RuntimeError, KeyError, ValueError, zipfile.BadZipFile):
        raise versions.corrupt(f"The weights of {path.name} cannot be read.") from None


def _listed(name: Any, known: frozenset[str]) -> bool:
    return isinstance(name, str) and name in known


def _not_listed(what: str, name: Any) -> Exception:
    shown = f" {name}" if isinstance(name, str) and re.fullmatch(r"[\w.>]{1,64}", name) else ""
    return versions.unsafe(
        f"The file of Keras 2 uses {what}{shown}, which is not on the list of known parts.",
        "Open the model with Keras 3 and save it as .keras, or export it as a SavedModel.",
    )
