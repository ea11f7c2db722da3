"""OpenAPI 3.1 for the models that are served here: their own names, types, shapes and examples.

Imported with the first request for it: the signatures bring numpy.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from modelmoor_server.protocols.tfs import signatures
from modelmoor_server.repository import Repository
from modelmoor_server.rest import schemas

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference
    from modelmoor_server.intake import Identity

Object = dict[str, Any]
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_STATUSES = {
    "400": "The request does not fit the protocol or the model's signature.",
    "413": "The body is too large.",
    "415": "The body comes in a form that is not read here.",
    "500": "The model's own code raised.",
    "503": "Still loading, or too many requests wait.",
    "504": "The model did not answer in time.",
}
_known: "dict[str, tuple[Identity, Object, Object]]" = {}  # paths and schemas of the last one of each name


def document(repository: Repository) -> Object:
    """The OpenAPI document for the models that are ready now."""
    ready = [entry.inference for entry in repository.entries.values() if entry.inference is not None]
    paths, components = _server_paths(), {"Error": _ERROR}
    for inference in ready:
        known = _known.get(inference.identity.name)
        if known is None or known[0] != inference.identity:
            known = inference.identity, _model_paths(inference), _components(inference)
            _known[inference.identity.name] = known
        paths |= known[1]
        components |= known[2]
    if ready:
        paths["/invocations"] = {"post": _invocations(ready)}
    names = [inference.identity.name for inference in ready]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Modelmoor: {', '.join(names)}" if names else "Modelmoor",
            "version": version("modelmoor-server"),
            "description": "Predictions over the Open Inference Protocol v2, v1, TensorFlow Serving's REST and MLflow.",
        },
        "servers": [{"url": "."}],
        "tags": [{"name": name, "description": _described(model)} for name, model in zip(names, ready, strict=True)],
        "paths": paths,
        "components": {"schemas": components},
    }


def _described(inference: "Inference") -> str:
    identity = inference.identity
    return f"{identity.framework}, version {identity.version}, {identity.digest}"


def _server_paths() -> Object:
    told = {
        "/v2/health/live": "The process answers.",
        "/v2/health/ready": "It may be given requests; 503 where not.",
        "/v2": "Name, version and extensions of the server.",
        "/v2/models": "The names of the models.",
        "/v1/models": "The names of the models.",
        "/ping": "200 where it may be given requests, as MLflow's scoring server says it.",
    }
    return {path: {"get": _get(path, sentence)} for path, sentence in told.items()}


def _model_paths(inference: "Inference") -> Object:
    name = inference.identity.name
    example = schemas.example(inference) or {}
    told = {
        f"/v2/models/{name}": "Inputs and outputs: names, datatypes, shapes, labels.",
        f"/v2/models/{name}/ready": "Whether the model answers.",
        f"/v1/models/{name}": "Whether the model answers, for clients of KServe's v1 and of TensorFlow Serving.",
        f"/v1/models/{name}/metadata": "TensorFlow Serving's signature_def.",
    }
    doors = {
        f"/v2/models/{name}/infer": ("A prediction, Open Inference Protocol v2.", "v2"),
        f"/v1/models/{name}:predict": ("A prediction, v1 and TensorFlow Serving.", "v1"),
    }
    gets = {path: {"get": _get(path, sentence, name)} for path, sentence in told.items()}
    posts = {
        path: {"post": _post(path, sentence, name, door, example.get(door))} for path, (sentence, door) in doors.items()
    }
    return gets | posts


def _components(inference: "Inference") -> Object:
    signature, name = inference.signature, inference.identity.name
    outputs = signature.outputs
    default = [field for field in outputs if field.name in inference.default_outputs]
    row = {"$ref": f"#/components/schemas/{name}.row"}
    predictions = {"type": "array", "items": {"$ref": f"#/components/schemas/{name}.prediction"}}
    either = [{"required": ["instances"]}, {"required": ["inputs"]}]
    named = {"type": "object", "properties": {"name": {"enum": [f.name for f in outputs]}}, "required": ["name"]}
    return {
        f"{name}.row": schemas.row(signature),
        f"{name}.prediction": schemas.prediction(default),
        f"{name}.v1.request": {
            "type": "object",
            "properties": {
                "instances": schemas.rows(signature, row),
                "inputs": schemas.columns(signature),
                "signature_name": {"enum": list(signatures(inference))},
            },
            "oneOf": either,
        },
        f"{name}.v1.answer": {
            "type": "object",
            "description": "instances get predictions; inputs get outputs, too. NaN and Infinity are words.",
            "properties": {"predictions": predictions, "outputs": {}},
        },
        f"{name}.v2.request": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "parameters": {"type": "object"},
                "inputs": schemas.tensors(signature),
                "outputs": {"type": "array", "items": named},
            },
            "required": ["inputs"],
        },
        f"{name}.v2.answer": {
            "type": "object",
            "properties": {
                "model_name": {"const": name},
                "model_version": {"const": inference.identity.version},
                "id": {"type": "string"},
                "outputs": schemas.output_tensors(outputs),
            },
            "required": ["model_name", "model_version", "outputs"],
        },
        f"{name}.mlflow.request": {
            "type": "object",
            "properties": {
                "dataframe_split": {
                    "type": "object",
                    "properties": {
                        "columns": {"type": "array", "items": {"type": ["string", "integer"]}},
                        "index": {"type": "array"},
                        "data": {"type": "array", "items": {"type": "array"}, "minItems": 1},
                    },
                    "required": ["data"],
                },
                "dataframe_records": {"type": "array", "items": {"type": "object"}, "minItems": 1},
                "instances": schemas.rows(signature, row),
                "inputs": schemas.columns(signature),
                "params": {"type": ["object", "null"], "maxProperties": 0},
            },
            "oneOf": [{"required": [form]} for form in ("dataframe_split", "dataframe_records")] + either,
            "additionalProperties": False,
        },
        f"{name}.mlflow.answer": {
            "type": "object",
            "properties": {"predictions": predictions},
            "required": ["predictions"],
        },
    }  # fmt: skip


def _invocations(ready: list["Inference"]) -> Object:
    name, example = ready[0].identity.name, schemas.example(ready[0]) or {}
    sentence = "A prediction, as MLflow's scoring server gives it."
    operation = _post("/invocations", sentence, name, "mlflow", example.get("frame") or example.get("v1"))
    operation["requestBody"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    if len(ready) > 1:
        names = [inference.identity.name for inference in ready]
        operation["tags"] = names
        operation["parameters"] = [{"name": "model", "in": "query", "required": True, "schema": {"enum": names}}]
        operation["requestBody"]["content"]["application/json"] = {"schema": _any(names, "request")}
        operation["responses"]["200"]["content"]["application/json"] = {"schema": _any(names, "answer")}
    return operation


def _any(names: list[str], part: str) -> Object:
    return {"anyOf": [{"$ref": f"#/components/schemas/{name}.mlflow.{part}"} for name in names]}


def _get(path: str, sentence: str, tag: str | None = None) -> Object:
    answer = {"description": "Its answer.", "content": {"application/json": {"schema": {"type": "object"}}}}
    operation: Object = {"summary": sentence, "operationId": f"GET {path}"}
    if tag is not None:
        operation["tags"] = [tag]
    return {**operation, "responses": {"200": answer, "503": _refused("503")}}


def _post(path: str, sentence: str, name: str, door: str, example: Object | None) -> Object:
    body: Object = {"schema": {"$ref": f"#/components/schemas/{name}.{door}.request"}}
    if example is not None:
        body["example"] = example
    answer = {"schema": {"$ref": f"#/components/schemas/{name}.{door}.answer"}}
    return {
        "summary": sentence,
        "operationId": f"POST {path}",
        "tags": [name],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {"description": "The prediction.", "content": {"application/json": answer}},
            **{status: _refused(status) for status in _STATUSES},
        },
    }


def _refused(status: str) -> Object:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": _STATUSES[status], "content": content}
