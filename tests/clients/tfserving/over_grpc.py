"""TensorFlow Serving's gRPC API through its own stubs, with TensorFlow's own tensors."""

from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from cases import case, main
from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


def predict(facts: dict[str, Any], model: str, inputs: dict[str, Any], **spec: Any) -> dict[str, np.ndarray]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = spec.get("signature", "serving_default")
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    request.output_filter.extend(spec.get("outputs", ()))
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    with grpc.insecure_channel(facts["grpc"]) as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, 60)
    return {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}


@case
def status(facts: dict[str, Any]) -> Any:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "net"
    with grpc.insecure_channel(facts["grpc"]) as channel:
        answer = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, 60)
    return [
        (known.version, get_model_status_pb2.ModelVersionStatus.State.Name(known.state))
        for known in answer.model_version_status
    ]


@case
def metadata(facts: dict[str, Any]) -> Any:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "net"
    request.metadata_field.append("signature_def")
    with grpc.insecure_channel(facts["grpc"]) as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(request, 60)
    known = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(known)
    return MessageToDict(known.signature_def["serving_default"])


@case
def pictures(facts: dict[str, Any]) -> Any:
    images = np.array(facts["net"]["images"], "float32")
    return [list(predict(facts, "net", {"image": images}, **spec).values()) for spec in ({}, {"version": 1})]


@case
def flowers(facts: dict[str, Any]) -> Any:
    rows = np.array(facts["iris"]["rows"])
    columns = {name: rows[:, number] for number, name in enumerate(facts["iris"]["names"])}
    return predict(facts, "iris", columns, outputs=["predict", "predict_proba"])


@case
def columns(facts: dict[str, Any]) -> Any:
    return predict(facts, "rents", facts["rents"]["columns"])


@case
def halves(facts: dict[str, Any]) -> Any:
    return list(predict(facts, "half", {"numbers": np.array(facts["half"]["numbers"], "float16")}).values())


@case
def classify(facts: dict[str, Any]) -> Any:
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "net"
    request.input.example_list.examples.add()
    with grpc.insecure_channel(facts["grpc"]) as channel:
        try:
            prediction_service_pb2_grpc.PredictionServiceStub(channel).Classify(request, 60)
        except grpc.RpcError as error:
            return [error.code().name, error.details()]
    return ["OK", ""]


def _code(facts: dict[str, Any], model: str, inputs: dict[str, Any], **spec: Any) -> list[str]:
    try:
        predict(facts, model, inputs, **spec)
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return ["OK", ""]


@case
def refusals(facts: dict[str, Any]) -> Any:
    images = np.array(facts["net"]["images"], "float32")
    return {
        "model": _code(facts, "nobody", {"image": images}),
        "version": _code(facts, "net", {"image": images}, version=7),
        "signature": _code(facts, "net", {"image": images}, signature="weather"),
        "shape": _code(facts, "net", {"image": images[:, :2]}),
    }


main()
