"""tritonclient over gRPC: one request at a time, at once, and as a stream."""

import asyncio
import queue
from typing import Any

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from cases import case, main
from google.protobuf.json_format import MessageToDict
from tritonclient.utils import np_to_triton_dtype


def tensor(name: str, values: Any, dtype: str) -> triton.InferInput:
    array = np.array(values, dtype)
    return triton.InferInput(name, array.shape, np_to_triton_dtype(array.dtype)).set_data_from_numpy(array)


def flower(row: list[float]) -> list[triton.InferInput]:
    return [tensor("x", [row], "float64")]


def client(facts: dict[str, Any]) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(facts["grpc"])


def only_output(server: triton.InferenceServerClient, model: str) -> str:
    (output,) = server.get_model_metadata(model).outputs
    return output.name


@case
def health(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return {
            "live": server.is_server_live(),
            "ready": server.is_server_ready(),
            "model": server.is_model_ready("iris"),
            "version": server.is_model_ready("iris", "1"),
        }


@case
def nobody_ready(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return server.is_model_ready("nobody")


@case
def metadata(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return {
            "server": MessageToDict(server.get_server_metadata()),
            "iris": server.get_model_metadata("iris", as_json=True),
        }


@case
def matrix(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        asked = [triton.InferRequestedOutput(name) for name in ("predict_proba", "predict")]
        result = server.infer(
            "iris", [tensor("x", facts["iris"]["rows"], "float64")], outputs=asked, request_id="seven"
        )
        response = result.get_response()
        return {
            "id": response.id,
            "order": [output.name for output in response.outputs],
            **{name: result.as_numpy(name) for name in ("predict_proba", "predict")},
        }


@case
def columns(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        known = facts["rents"]["columns"].items()
        inputs = [tensor(name, values, "object" if isinstance(values[0], str) else "float64") for name, values in known]
        return server.infer("rents", inputs).as_numpy("predict")


@case
def texts(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return server.infer("text", [tensor("t", facts["text"]["texts"], "object")]).as_numpy("predict")


@case
def pictures(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return server.infer("net", [tensor("image", facts["net"]["images"], "float32")]).as_numpy(
            only_output(server, "net")
        )


@case
def halves(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        asked = [triton.InferRequestedOutput("predict_proba")]
        doubles = server.infer("iris", [tensor("x", facts["iris"]["rows"], "float16")], outputs=asked)
        sums = server.infer("half", [tensor("n", facts["half"]["numbers"], "float16")])
        return {"proba": doubles.as_numpy("predict_proba"), "sums": sums.as_numpy(only_output(server, "half"))}


@case
def compressed(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        inputs = [tensor("image", facts["net"]["images"] * 20, "float32")]
        return server.infer("net", inputs, compression_algorithm="gzip").as_numpy(only_output(server, "net"))


@case
def callbacks(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        done: queue.Queue[tuple[str, Any]] = queue.Queue()
        for row in facts["iris"]["rows"]:
            server.async_infer(
                "iris", flower(row), lambda result, error: done.put((result, error)), request_id=str(row)
            )
        answers = [done.get(timeout=60) for _ in facts["iris"]["rows"]]
        by_id = {result.get_response().id: result.as_numpy("predict")[0] for result, _ in answers}
        return [by_id[str(row)] for row in facts["iris"]["rows"]]


@case
async def aio(facts: dict[str, Any]) -> Any:
    async with triton_aio.InferenceServerClient(facts["grpc"]) as server:
        running = [server.infer("iris", flower(row)) for row in facts["iris"]["rows"]]
        return [result.as_numpy("predict")[0] for result in await asyncio.gather(*running)]


@case
def stream(facts: dict[str, Any]) -> Any:
    """Every row ten times, with a wrong one in the middle."""
    rows = facts["iris"]["rows"] * 10
    rows[20] = [1.0]
    done: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with client(facts) as server:
        server.start_stream(lambda result, error: done.put((result, error)))
        for number, row in enumerate(rows):
            server.async_stream_infer("iris", flower(row), request_id=str(number), enable_empty_final_response=True)
        answers = [done.get(timeout=60) for _ in rows]
        server.stop_stream()
    seen = []
    for result, error in answers:
        if error is not None:
            seen.append({"error": str(error)})
            continue
        response = result.get_response()
        last = response.parameters["triton_final_response"].bool_param
        seen.append({"id": response.id, "predict": result.as_numpy("predict")[0], "last": last})
    return seen


@case
async def aio_stream(facts: dict[str, Any]) -> Any:
    rows = facts["iris"]["rows"]

    async def requests() -> Any:
        for row in rows:
            yield {"model_name": "iris", "inputs": flower(row)}

    async with triton_aio.InferenceServerClient(facts["grpc"]) as server:
        return [result.as_numpy("predict")[0] async for result, _ in server.stream_infer(requests())]


@case
def index(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return [[model.name, model.state] for model in server.get_model_repository_index().models]


@case
def load_where_it_is_denied(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.unload_model("iris")


@case
def unknown_model(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.infer("nobody", flower(facts["iris"]["rows"][0]))


@case
def wrong_shape(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.infer("iris", flower([1.0, 2.0]))


@case
def wrong_type(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.infer("iris", [tensor("x", [["a", "b", "c", "d"]], "object")])


main()
