"""The kserve package's gRPC client, with typed and with raw contents. Its protobuf types bar tritonclient's."""

import asyncio
from typing import Any

import grpc
import numpy as np
from cases import case, main
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.infer_type import RequestedOutput
from kserve.utils.numpy_codec import from_np_dtype


def client(facts: dict[str, Any]) -> InferenceGRPCClient:
    return InferenceGRPCClient(facts["grpc"], retries=0)


def tensor(name: str, values: Any, dtype: str, *, raw: bool) -> InferInput:
    array = np.array(values, dtype)
    made = InferInput(name=name, shape=list(array.shape), datatype=from_np_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=raw)
    return made


def request(model: str, inputs: list[InferInput], *outputs: str) -> InferRequest:
    asked = [RequestedOutput(name) for name in outputs] or None
    return InferRequest(model_name=model, infer_inputs=inputs, request_id="42", request_outputs=asked)


@case
async def health(facts: dict[str, Any]) -> Any:
    async with client(facts) as server:
        return [await server.is_server_live(), await server.is_server_ready(), await server.is_model_ready("iris")]


@case
async def matrix(facts: dict[str, Any]) -> Any:
    async with client(facts) as server:
        seen = {}
        for raw in (False, True):
            inputs = [tensor("x", facts["iris"]["rows"], "float64", raw=raw)]
            response = await server.infer(request("iris", inputs, "predict", "predict_proba"))
            seen[str(raw)] = {"id": response.id, **{output.name: output.as_numpy() for output in response.outputs}}
        return seen


@case
async def columns(facts: dict[str, Any]) -> Any:
    async with client(facts) as server:
        known, seen = facts["rents"]["columns"].items(), {}
        for raw in (False, True):
            inputs = [
                tensor(name, values, "object" if isinstance(values[0], str) else "float64", raw=raw)
                for name, values in known
            ]
            seen[str(raw)] = (await server.infer(request("rents", inputs))).outputs[0].as_numpy()
        return seen


@case
async def pictures(facts: dict[str, Any]) -> Any:
    async with client(facts) as server:
        inputs = [tensor("image", facts["net"]["images"], "float32", raw=False)]
        return (await server.infer(request("net", inputs))).outputs[0].as_numpy()


@case
async def halves(facts: dict[str, Any]) -> Any:
    async with client(facts) as server:
        inputs = [tensor("x", facts["iris"]["rows"], "float16", raw=True)]
        return (await server.infer(request("iris", inputs, "predict_proba"))).outputs[0].as_numpy()


@case
async def many_at_once(facts: dict[str, Any]) -> Any:
    async with client(facts) as server:
        running = [
            server.infer(request("iris", [tensor("x", [row], "float64", raw=True)])) for row in facts["iris"]["rows"]
        ]
        return [response.outputs[0].as_numpy()[0] for response in await asyncio.gather(*running)]


async def _code(facts: dict[str, Any], asked: InferRequest) -> list[str]:
    async with client(facts) as server:
        try:
            await server.infer(asked)
        except grpc.RpcError as error:
            return [error.code().name, error.details()]
        return ["OK", ""]


@case
async def unknown_model(facts: dict[str, Any]) -> Any:
    return await _code(facts, request("nobody", [tensor("x", facts["iris"]["rows"], "float64", raw=True)]))


@case
async def wrong_type(facts: dict[str, Any]) -> Any:
    return await _code(facts, request("iris", [tensor("x", [["a", "b", "c", "d"]], "object", raw=False)]))


main()
