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

BOTH_TRANSPORTS = "doors"
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


async def test_signature_name(doors: Started, models: Path) -> None:
    """The default signature is the prediction; each output of a scikit-learn model is a signature of its own."""
    model = joblib.load(models / "iris.joblib")
    async with Client(doors.grpc_port) as client:
        for name in ("", "serving_default", "predict"):
            answer = await predict(client, asked(signature_name=name))
            assert [text.decode() for text in answer.outputs["predict"].string_val] == model.predict(ROWS).tolist()
            assert answer.model_spec.signature_name == (name or "serving_default")
        answer = await predict(client, asked("iris", ("predict_proba",), signature_name="predict_proba"))

    assert list(answer.outputs) == ["predict_proba"]
    scores = np.reshape(answer.outputs["predict_proba"].double_val, (2, 3))
    np.testing.assert_array_equal(scores, model.predict_proba(ROWS))


@pytest.mark.parametrize("pin", [{"version_label": "stable"}, {"version_label": ""}, {"version": {"value": 1}}])
async def test_versions_and_labels(doors: Started, pin: dict[str, Any]) -> None:
    """What REST takes below /versions and /labels is taken in the model_spec, at all three methods."""
    spec = {"name": "iris", **pin}
    get = message("tensorflow.serving.GetModelMetadataRequest", model_spec=spec, metadata_field=["signature_def"])
    state = message("tensorflow.serving.GetModelStatusRequest", model_spec=spec)
    async with Client(doors.grpc_port) as client:
        assert (await predict(client, asked(**pin))).outputs
        assert (await _metadata(client, get)).keys() >= {"serving_default"}
        found = await client.call("GetModelStatus", state, "tensorflow.serving.GetModelStatusResponse", service=MODEL)

    assert [version.state for version in found.model_version_status] == [30]


async def _metadata(client: Client, get: Any) -> dict[str, Any]:
    told = await client.call("GetModelMetadata", get, "tensorflow.serving.GetModelMetadataResponse", service=PREDICTION)
    signatures = message("tensorflow.serving.SignatureDefMap")
    assert told.metadata["signature_def"].Unpack(signatures)
    return dict(signatures.signature_def)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"model": "nope"}, "NOT_FOUND"),
        ({"version": {"value": 2}}, "NOT_FOUND"),
        ({"version_label": "canary"}, "NOT_FOUND"),
        ({"version_label": "1"}, "NOT_FOUND"),
        ({"model": "nope", "version_label": "canary"}, "NOT_FOUND"),
        ({"signature_name": "regress"}, "INVALID_ARGUMENT"),
        ({"signature_name": "predict_proba", "output_filter": ("predict",)}, "INVALID_ARGUMENT"),
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
    """Every signature with the model's own names, dtypes and shapes, as REST tells them; the version is available."""
    state = message("tensorflow.serving.GetModelStatusRequest", model_spec={"name": "iris"})
    async with Client(doors.grpc_port) as client:
        for name in ("iris", "people", "text", "sum"):
            get = message("tensorflow.serving.GetModelMetadataRequest", model_spec={"name": name})
            get.metadata_field.append("signature_def")
            rest = doors.ask("GET", f"/v1/models/{name}/metadata")[1]["metadata"]["signature_def"]["signature_def"]
            assert _as_rest(await _metadata(client, get)) == rest
        found = await client.call("GetModelStatus", state, "tensorflow.serving.GetModelStatusResponse", service=MODEL)

    (version,) = found.model_version_status
    assert (version.version, version.state, version.status.error_code) == (1, 30, 0)


def _as_rest(signatures: dict[str, Any]) -> dict[str, Any]:
    names = {0: "DT_INVALID", 1: "DT_FLOAT", 2: "DT_DOUBLE", 7: "DT_STRING", 9: "DT_INT64", 3: "DT_INT32"}

    def infos(tensors: Any) -> dict[str, Any]:
        return {
            key: {
                "name": info.name,
                "dtype": names[info.dtype],
                "tensor_shape": {
                    "dim": [{"size": str(dim.size), "name": ""} for dim in info.tensor_shape.dim],
                    "unknown_rank": info.tensor_shape.unknown_rank,
                },
            }
            for key, info in tensors.items()
        }

    return {
        name: {
            "inputs": infos(found.inputs),
            "outputs": infos(found.outputs),
            "method_name": found.method_name,
            "defaults": {},
        }
        for name, found in signatures.items()
    }


@pytest.mark.slow
async def test_signatures_of_a_saved_model(tensorflow: Started, saved: Path) -> None:
    """Each is called by its name, a scalar is a scalar, and a filter keeps what it names; metadata lists all."""
    import tensorflow as tf

    program = tf.saved_model.load(str(saved)).signatures
    real = {name: value.numpy() for name, value in program["half"](x=tf.constant([1.0, 4.0])).items()}
    x = {"dtype": 1, "tensor_shape": {"dim": [{"size": 2}]}, "float_val": [1.0, 4.0]}
    half = {"name": "m", "signature_name": "half"}
    scalar = message(
        "tensorflow.serving.PredictRequest",
        model_spec={"name": "m", "signature_name": "scalar"},
        inputs={"n": {"dtype": 9, "int64_val": [2**53]}},
    )
    get = message("tensorflow.serving.GetModelMetadataRequest", model_spec={"name": "m"})
    get.metadata_field.append("signature_def")
    async with Client(tensorflow.grpc_port) as client:
        request = message("tensorflow.serving.PredictRequest", model_spec=half, inputs={"x": x})
        both = await predict(client, request)
        request.output_filter.append("total")
        one = await predict(client, request)
        number = await predict(client, scalar)
        request.output_filter[0] = "length"
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await predict(client, request)
        signatures = await _metadata(client, get)

    assert (list(both.outputs["y"].float_val), list(both.outputs["total"].float_val)) == (
        real["y"].tolist(),
        [real["total"].item()],
    )
    assert (list(one.outputs), one.model_spec.signature_name) == (["total"], "half")
    assert list(number.outputs["next"].int64_val) == [2**53 + 1]
    assert not number.outputs["next"].tensor_shape.dim
    assert status(told.value) == ("INVALID_ARGUMENT", "The signature half has no such output; it has total, y.")
    rest = tensorflow.ask("GET", "/v1/models/m/metadata")[1]["metadata"]["signature_def"]["signature_def"]
    assert rest.keys() == {"serving_default", "half", "scalar"}
    assert _as_rest(signatures) == rest


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
