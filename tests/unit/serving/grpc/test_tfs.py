"""TensorFlow Serving's services, with real models behind the real process, and TensorFlow itself as the judge."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import joblib
import numpy as np
import pytest

from unit.serving.grpc.client import MODEL, PREDICTION, ROW, Client, message, status
from unit.serving.process import Started

ROWS = [ROW, [1.0, -1.0, 0.5, 2.0]]
DOUBLE, TEXT = 2, 7


def asked(model: str = "iris", output_filter: tuple[str, ...] = (), **spec: Any) -> Any:
    """A PredictRequest of two rows, as `tf.make_tensor_proto` writes them."""
    tensor = {
        "dtype": DOUBLE,
        "tensor_shape": {"dim": [{"size": 2}, {"size": 4}]},
        "tensor_content": np.array(ROWS).tobytes(),
    }
    return message(
        "tensorflow.serving.PredictRequest",
        model_spec={"name": model, **spec},
        inputs={"any": tensor},
        output_filter=output_filter,
    )


async def predict(client: Client, request: Any) -> Any:
    return await client.call("Predict", request, "tensorflow.serving.PredictResponse", service=PREDICTION)


async def test_predict(doors: Started, models: Path) -> None:
    """Outputs by name, elements in the field of their dtype, as TensorFlow Serving writes them."""
    model = joblib.load(models / "iris.joblib")
    async with Client(doors.grpc_port) as client:
        default = await predict(client, asked())
        stable = await predict(client, asked(version_label="stable"))
        both = await predict(client, asked(output_filter=("predict", "predict_proba"), version={"value": 1}))

    assert dict(default.outputs).keys() == {"predict"}
    assert stable == default
    assert (both.model_spec.name, both.model_spec.version.value) == ("iris", 1)
    assert [text.decode() for text in both.outputs["predict"].string_val] == model.predict(ROWS).tolist()
    scores = both.outputs["predict_proba"]
    assert (scores.dtype, [dim.size for dim in scores.tensor_shape.dim]) == (DOUBLE, [2, 3])
    np.testing.assert_array_equal(np.reshape(scores.double_val, (2, 3)), model.predict_proba(ROWS))


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"model": "nope"}, "NOT_FOUND"),
        ({"version": {"value": 2}}, "NOT_FOUND"),
        ({"version_label": "canary"}, "NOT_FOUND"),
        ({"signature_name": "regress"}, "INVALID_ARGUMENT"),
        ({"output_filter": ("nope",)}, "INVALID_ARGUMENT"),
        ({"model": ""}, "INVALID_ARGUMENT"),
    ],
)
async def test_what_is_not_here(doors: Started, spec: dict[str, Any], code: str) -> None:
    """Each by the status that TensorFlow Serving's clients know."""
    async with Client(doors.grpc_port) as client:
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await predict(client, asked(**spec))

    assert status(told.value)[0] == code


async def test_metadata_and_status(doors: Started) -> None:
    """The signature with the model's own names, dtypes and shapes; the version is available."""
    get = message("tensorflow.serving.GetModelMetadataRequest", model_spec={"name": "iris"})
    get.metadata_field.append("signature_def")
    state = message("tensorflow.serving.GetModelStatusRequest", model_spec={"name": "iris"})
    async with Client(doors.grpc_port) as client:
        told = await client.call(
            "GetModelMetadata", get, "tensorflow.serving.GetModelMetadataResponse", service=PREDICTION
        )
        found = await client.call("GetModelStatus", state, "tensorflow.serving.GetModelStatusResponse", service=MODEL)
    signatures = message("tensorflow.serving.SignatureDefMap")
    assert told.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]

    assert signature.method_name == "tensorflow/serving/predict"
    assert {name: (info.dtype, [d.size for d in info.tensor_shape.dim]) for name, info in signature.inputs.items()} == {
        "input": (DOUBLE, [-1, 4])
    }
    assert signature.outputs["predict"].dtype == TEXT
    (version,) = found.model_version_status
    assert (version.version, version.state, version.status.error_code) == (1, 30, 0)


@pytest.mark.parametrize(
    "method",
    [
        *(f"{PREDICTION}/{verb}" for verb in ("Classify", "Regress", "MultiInference")),
        f"{MODEL}/HandleReloadConfigRequest",
    ],
)
async def test_what_means_nothing_here(doors: Started, method: str) -> None:
    """UNIMPLEMENTED, with the methods that do something."""
    async with Client(doors.grpc_port) as client:
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.channel.unary_unary(f"/{method}")(b"")

    assert status(told.value) == (
        "UNIMPLEMENTED",
        "Not served here: ask Predict, GetModelMetadata or GetModelStatus.",
    )


NEIGHBOUR = """
import numpy as np
from modelmoor_server.grpc import services, tfs_tensors
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

NUMBERS = "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
NAMES = dict(zip(NUMBERS, "BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FP16 FP32 FP64".split()))
for name in NUMBERS:
    for array in (np.array([[0, 1, 1], [1, 0, 1]]).astype(name), np.ones((2, 3), name), np.array(1, name)):
        proto = tf.make_tensor_proto(array)
        datatype, shape, got = tfs_tensors.array_of(memoryview(proto.SerializeToString()), "x")
        assert (datatype, shape, got.dtype) == (NAMES[name], array.shape, array.dtype), name
        assert got.tolist() == array.ravel().tolist(), name
        written = tensor_pb2.TensorProto.FromString(tfs_tensors.bytes_of(array, datatype))
        assert tf.make_ndarray(written).dtype == array.dtype, name
        assert tf.make_ndarray(written).tolist() == array.tolist(), name
texts = np.array([["a", "b"], ["", "é"]], dtype=object)
datatype, shape, got = tfs_tensors.array_of(memoryview(tf.make_tensor_proto(texts).SerializeToString()), "x")
assert (datatype, shape, got.tolist()) == ("BYTES", (2, 2), [text.encode() for text in texts.ravel()])
written = tensor_pb2.TensorProto.FromString(tfs_tensors.bytes_of(texts, "BYTES"))
assert tf.make_ndarray(written).tolist() == [[b"a", b"b"], [b"", "é".encode()]]
print("good neighbours")
"""


@pytest.mark.slow
def test_tensorflow_in_the_same_process() -> None:
    """Our messages, there first as in a server that then loads a model, and TensorFlow's read each other's tensors."""
    done = subprocess.run([sys.executable, "-c", NEIGHBOUR], capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.returncode) == ("good neighbours", 0), done.stderr
