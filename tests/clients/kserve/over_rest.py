"""The kserve package's client over HTTP, protocols v1 and v2, tensors as JSON and binary."""

import asyncio
from typing import Any

import numpy as np
from cases import case, main
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def client(protocol: str) -> InferenceRESTClient:
    return InferenceRESTClient(RESTConfig(protocol=protocol, retries=0, timeout=60))


def tensor(name: str, values: Any, datatype: str, dtype: str, *, binary: bool = False) -> InferInput:
    array = np.array(values, dtype)
    made = InferInput(name=name, shape=list(array.shape), datatype=datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def rents(facts: dict[str, Any], *, binary: bool = False) -> list[InferInput]:
    kinds = {str: ("BYTES", "object"), int: ("FP64", "float64"), float: ("FP64", "float64")}
    known = facts["rents"]["columns"].items()
    return [tensor(name, values, *kinds[type(values[0])], binary=binary) for name, values in known]


def request(model: str, inputs: list[InferInput], *outputs: str) -> InferRequest:
    asked = [RequestedOutput(name) for name in outputs] or None
    return InferRequest(model_name=model, infer_inputs=inputs, request_id="42", request_outputs=asked)


@case
async def health(facts: dict[str, Any]) -> Any:
    async with client("v1") as v1, client("v2") as v2:
        url = facts["url"]
        return {
            "live": [await v1.is_server_live(url), await v2.is_server_live(url)],
            "ready": await v2.is_server_ready(url),
            "model": [await v1.is_model_ready(url, "iris"), await v2.is_model_ready(url, "iris")],
            "nobody": await v2.is_model_ready(url, "nobody"),
        }


@case
async def v1_rows(facts: dict[str, Any]) -> Any:
    async with client("v1") as v1:
        return await v1.infer(facts["url"], {"instances": facts["iris"]["rows"]}, model_name="iris")


@case
async def v1_records(facts: dict[str, Any]) -> Any:
    async with client("v1") as v1:
        return await v1.infer(facts["url"], {"instances": facts["rents"]["records"]}, model_name="rents")


@case
async def v1_pictures(facts: dict[str, Any]) -> Any:
    async with client("v1") as v1:
        return await v1.infer(facts["url"], {"instances": facts["net"]["images"]}, model_name="net")


@case
async def matrix(facts: dict[str, Any]) -> Any:
    async with client("v2") as v2:
        inputs = [tensor("input-0", facts["iris"]["rows"], "FP32", "float32")]
        response = await v2.infer(facts["url"], request("iris", inputs, "predict"), model_name="iris")
        return {"id": response.id, "model": response.model_name, "predict": response.outputs[0].as_numpy()}


@case
async def probabilities(facts: dict[str, Any]) -> Any:
    async with client("v2") as v2:
        inputs = [tensor("input-0", facts["iris"]["rows"], "FP64", "float64")]
        response = await v2.infer(facts["url"], request("iris", inputs, "predict_proba"), model_name="iris")
        return response.outputs[0].as_numpy()


@case
async def columns(facts: dict[str, Any]) -> Any:
    async with client("v2") as v2:
        response = await v2.infer(facts["url"], request("rents", rents(facts)), model_name="rents")
        return response.outputs[0].as_numpy()


@case
async def texts(facts: dict[str, Any]) -> Any:
    async with client("v2") as v2:
        inputs = [tensor("text", facts["text"]["texts"], "BYTES", "object")]
        response = await v2.infer(facts["url"], request("text", inputs), model_name="text")
        return response.outputs[0].as_numpy()


@case
async def many_at_once(facts: dict[str, Any]) -> Any:
    async with client("v1") as v1:
        rows = facts["iris"]["rows"]
        running = [v1.infer(facts["url"], {"instances": [row]}, model_name="iris") for row in rows]
        return [answer["predictions"][0] for answer in await asyncio.gather(*running)]


async def ask_binary(facts: dict[str, Any], model: str, inputs: list[InferInput], *outputs: str) -> Any:
    asked = [RequestedOutput(name, parameters={"binary_data": True}) for name in outputs]
    binary = InferRequest(model_name=model, infer_inputs=inputs, request_id="42", request_outputs=asked)
    async with client("v2") as v2:
        return await v2.infer(facts["url"], binary, model_name=model)


@case
async def binary_matrix(facts: dict[str, Any]) -> Any:
    inputs = [tensor("x", facts["iris"]["rows"], "FP64", "float64", binary=True)]
    response = await ask_binary(facts, "iris", inputs, "predict", "predict_proba")
    return {"id": response.id, **{output.name: output.as_numpy() for output in response.outputs}}


@case
async def binary_columns(facts: dict[str, Any]) -> Any:
    return (await ask_binary(facts, "rents", rents(facts, binary=True), "predict")).outputs[0].as_numpy()


@case
async def binary_halves(facts: dict[str, Any]) -> Any:
    inputs = [tensor("x", facts["iris"]["rows"], "FP16", "float16", binary=True)]
    return (await ask_binary(facts, "iris", inputs, "predict_proba")).outputs[0].as_numpy()


@case
async def binary_wrong_type(facts: dict[str, Any]) -> Any:
    await ask_binary(facts, "iris", [tensor("x", [["a", "b", "c", "d"]], "BYTES", "object", binary=True)], "predict")


@case
async def unknown_model(facts: dict[str, Any]) -> Any:
    async with client("v2") as v2:
        inputs = [tensor("input-0", facts["iris"]["rows"], "FP64", "float64")]
        await v2.infer(facts["url"], request("nobody", inputs), model_name="nobody")


@case
async def missing_column(facts: dict[str, Any]) -> Any:
    async with client("v1") as v1:
        await v1.infer(facts["url"], {"instances": [{"district": "Station"}]}, model_name="rents")


main()
