"""tritonclient over HTTP, tensors as JSON."""

import asyncio
from typing import Any

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from cases import case, main

FLOAT64, TEXT = ("FP64", "float64"), ("BYTES", "object")


def tensor(name: str, values: Any, kind: tuple[str, str]) -> triton.InferInput:
    array = np.array(values, kind[1])
    made = triton.InferInput(name, list(array.shape), kind[0])
    return made.set_data_from_numpy(array, binary_data=False)


def asked(*names: str) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(name, binary_data=False) for name in names]


def rents(facts: dict[str, Any]) -> list[triton.InferInput]:
    columns = facts["rents"]["columns"]
    return [tensor(name, values, TEXT if isinstance(values[0], str) else FLOAT64) for name, values in columns.items()]


def client(facts: dict[str, Any]) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(facts["http"])


@case
def health(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return {
            "live": server.is_server_live(),
            "ready": server.is_server_ready(),
            "model": server.is_model_ready("iris"),
            "version": server.is_model_ready("iris", "1"),
            "nobody": server.is_model_ready("nobody"),
        }


@case
def metadata(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return {"server": server.get_server_metadata(), "iris": server.get_model_metadata("iris")}


@case
def matrix(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        result = server.infer(
            "iris",
            [tensor("x", facts["iris"]["rows"], FLOAT64)],
            outputs=asked("predict_proba", "predict"),
            request_id="7",
        )
        response = result.get_response()
        return {
            "id": response["id"],
            "order": [output["name"] for output in response["outputs"]],
            "predict": result.as_numpy("predict"),
            "predict_proba": result.as_numpy("predict_proba"),
        }


@case
def columns(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return server.infer("rents", rents(facts), outputs=asked("predict")).as_numpy("predict")


@case
def texts(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        result = server.infer(
            "text", [tensor("t", facts["text"]["texts"], TEXT)], outputs=asked("predict", "predict_proba")
        )
        return {name: result.as_numpy(name) for name in ("predict", "predict_proba")}


@case
def pictures(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        (output,) = server.get_model_metadata("net")["outputs"]
        images = tensor("image", facts["net"]["images"], ("FP32", "float32"))
        return server.infer("net", [images], outputs=asked(output["name"])).as_numpy(output["name"])


@case
def gevent(facts: dict[str, Any]) -> Any:
    with triton.InferenceServerClient(facts["http"], concurrency=4) as server:
        rows = facts["iris"]["rows"]
        running = [server.async_infer("iris", [tensor("x", [row], FLOAT64)], outputs=asked("predict")) for row in rows]
        return [one.get_result().as_numpy("predict")[0] for one in running]


@case
async def aio(facts: dict[str, Any]) -> Any:
    async with triton_aio.InferenceServerClient(facts["http"]) as server:
        rows = facts["iris"]["rows"]
        running = [server.infer("iris", [tensor("x", [row], FLOAT64)], outputs=asked("predict")) for row in rows]
        return [result.as_numpy("predict")[0] for result in await asyncio.gather(*running)]


@case
def unknown_model(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.infer("nobody", [tensor("x", facts["iris"]["rows"], FLOAT64)], outputs=asked("predict"))


@case
def wrong_shape(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.infer("iris", [tensor("x", [[1.0, 2.0]], FLOAT64)], outputs=asked("predict"))


@case
def unknown_output(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.infer("iris", [tensor("x", facts["iris"]["rows"], FLOAT64)], outputs=asked("weather"))


main()
