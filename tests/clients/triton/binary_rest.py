"""tritonclient over HTTP as it is by default: binary tensors both ways; the repository; compressed bodies."""

import asyncio
from typing import Any

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from cases import case, main
from tritonclient.utils import np_to_triton_dtype


def tensor(name: str, values: Any, dtype: str) -> triton.InferInput:
    array = np.array(values, dtype)
    return triton.InferInput(name, array.shape, np_to_triton_dtype(array.dtype)).set_data_from_numpy(array)


def client(facts: dict[str, Any]) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(facts["http"])


def columns_of(facts: dict[str, Any]) -> list[triton.InferInput]:
    columns = facts["rents"]["columns"].items()
    return [tensor(name, values, "object" if isinstance(values[0], str) else "float64") for name, values in columns]


def only_output(server: triton.InferenceServerClient, model: str) -> str:
    (output,) = server.get_model_metadata(model)["outputs"]
    return output["name"]


@case
def extensions(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return server.get_server_metadata()["extensions"]


@case
def by_default(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        result = server.infer("iris", [tensor("x", facts["iris"]["rows"], "float64")], request_id="seven")
        (output,) = result.get_response()["outputs"]
        return {"predict": result.as_numpy("predict"), "output": output, "id": result.get_response()["id"]}


@case
def per_output(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        asked = [
            triton.InferRequestedOutput("predict", binary_data=False),
            triton.InferRequestedOutput("predict_proba", binary_data=True),
        ]
        result = server.infer("iris", [tensor("x", facts["iris"]["rows"], "float64")], outputs=asked)
        json_output, binary_output = result.get_response()["outputs"]
        return {
            "data": ["data" in json_output, "data" in binary_output],
            **{name: result.as_numpy(name) for name in ("predict", "predict_proba")},
        }


@case
def columns(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return server.infer("rents", columns_of(facts)).as_numpy("predict")


@case
def mixed_inputs(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        inputs = columns_of(facts)
        area = next(one for one in inputs if one.name() == "area")
        area.set_data_from_numpy(np.array(facts["rents"]["columns"]["area"]), binary_data=False)
        return server.infer("rents", inputs).as_numpy("predict")


@case
def texts(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        names = ("predict", "predict_proba")
        asked = [triton.InferRequestedOutput(name) for name in names]
        result = server.infer("text", [tensor("t", facts["text"]["texts"], "object")], outputs=asked)
        return {name: result.as_numpy(name) for name in names}


@case
def pictures(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return server.infer("net", [tensor("image", facts["net"]["images"], "float32")]).as_numpy(
            only_output(server, "net")
        )


@case
def halves_to_doubles(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        asked = [triton.InferRequestedOutput("predict_proba")]
        return server.infer("iris", [tensor("x", facts["iris"]["rows"], "float16")], outputs=asked).as_numpy(
            "predict_proba"
        )


@case
def halves_to_halves(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return server.infer("half", [tensor("n", facts["half"]["numbers"], "float16")]).as_numpy(
            only_output(server, "half")
        )


@case
def best_classes(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        asked = [triton.InferRequestedOutput("predict_proba", class_count=2)]
        return server.infer("iris", [tensor("x", facts["iris"]["rows"], "float64")], outputs=asked).as_numpy(
            "predict_proba"
        )


@case
async def aio(facts: dict[str, Any]) -> Any:
    async with triton_aio.InferenceServerClient(facts["http"]) as server:
        running = [server.infer("iris", [tensor("x", [row], "float64")]) for row in facts["iris"]["rows"]]
        return [result.as_numpy("predict")[0] for result in await asyncio.gather(*running)]


@case
def gevent(facts: dict[str, Any]) -> Any:
    with triton.InferenceServerClient(facts["http"], concurrency=4) as server:
        running = [server.async_infer("iris", [tensor("x", [row], "float64")]) for row in facts["iris"]["rows"]]
        return [one.get_result().as_numpy("predict")[0] for one in running]


@case
def compressed(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        inputs = [tensor("image", facts["net"]["images"] * 20, "float32")]
        result = server.infer(
            "net", inputs, request_compression_algorithm="gzip", response_compression_algorithm="gzip"
        )
        return result.as_numpy(only_output(server, "net"))


@case
def index(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        return server.get_model_repository_index()


@case
def load_where_it_is_denied(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.unload_model("iris")


@case
def unload_and_load(facts: dict[str, Any]) -> Any:
    with triton.InferenceServerClient(facts["singles"]["rents"]) as server:
        seen = [(server.is_model_ready("rents"), server.get_model_repository_index()[0]["state"])]
        server.unload_model("rents")
        seen.append((server.is_model_ready("rents"), server.get_model_repository_index()[0]["state"]))
        server.load_model("rents")
        seen.append((server.is_model_ready("rents"), server.get_model_repository_index()[0]["state"]))
        return {"seen": seen, "predict": server.infer("rents", columns_of(facts)).as_numpy("predict")}


@case
def statistics(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.get_inference_statistics("iris")


@case
def wrong_type(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.infer("iris", [tensor("x", [["a", "b", "c", "d"]], "object")])


@case
def wrong_shape(facts: dict[str, Any]) -> Any:
    with client(facts) as server:
        server.infer("iris", [tensor("x", [[1.0, 2.0]], "float64")])


main()
