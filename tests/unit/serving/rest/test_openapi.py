"""OpenAPI for the models that are served: valid, and true for real requests and answers."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import numpy as np
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from modelmoor_server.repository import Repository
from modelmoor_server.rest import answers, schemas
from modelmoor_server.signature import Datatype, Field, Signature
from unit.serving.process import Started

DOORS = {"v2": "/v2/models/{name}/infer", "v1": "/v1/models/{name}:predict"}


@pytest.fixture(scope="module")
def document(doors: Started) -> Any:
    """The description of the four models."""
    status, found = doors.ask("GET", "/openapi.json")
    assert status == 200
    return found


def _check(document: Any, name: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def test_valid(document: Any, lone: Started) -> None:
    """The documents of several models and of one are OpenAPI 3.1."""
    for found in (document, lone.ask("GET", "/openapi.json")[1]):
        assert found["openapi"] == "3.1.0"
        assert not list(OpenAPIV31SpecValidator(found).iter_errors())


@pytest.mark.parametrize("name", ["iris", "people", "text", "sum"])
@pytest.mark.parametrize("door", DOORS)
def test_examples_are_answered(doors: Started, document: Any, name: str, door: str) -> None:
    """The example of each door fits its own schema, is answered, and the answer fits the schema, too."""
    path = DOORS[door].format(name=name)
    example = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
    status, answer = doors.ask("POST", path, example)

    _check(document, f"{name}.{door}.request", example)
    assert status == 200
    _check(document, f"{name}.{door}.answer", answer)


def test_invocations(lone: Started, doors: Started) -> None:
    """MLflow's door has its example, and asks for the model where there are several."""
    found = lone.ask("GET", "/openapi.json")[1]
    operation = found["paths"]["/invocations"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    status, answer = lone.ask("POST", "/invocations", example)

    assert status == 200
    assert "dataframe_split" in example
    _check(found, "people.mlflow.request", example)
    _check(found, "people.mlflow.answer", answer)
    (parameter,) = doors.ask("GET", "/openapi.json")[1]["paths"]["/invocations"]["post"]["parameters"]
    assert (parameter["name"], parameter["required"]) == ("model", True)
    assert parameter["schema"]["enum"] == ["iris", "people", "text", "sum"]


@pytest.mark.slow
def test_saved_models(tensorflow: Started) -> None:
    """Bytes, nested lists and further signatures are described, and the examples answered."""
    found = tensorflow.ask("GET", "/openapi.json")[1]

    assert not list(OpenAPIV31SpecValidator(found).iter_errors())
    assert found["components"]["schemas"]["m.v1.request"]["properties"]["signature_name"]["enum"] == [
        "serving_default",
        "half",
        "scalar",
    ]
    for name in ("m", "picture"):
        for door, template in DOORS.items():
            path = template.format(name=name)
            example = found["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
            _check(found, f"{name}.{door}.request", example)
            assert tensorflow.ask("POST", path, example)[0] == 200


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("people.v1.request", {"instances": [{"age": 1, "town": "x"}]}),
        ("people.v1.request", {"instances": [{"age": "old", "city": "x"}]}),
        ("people.v1.request", {"instances": [{"age": 1, "city": "x"}], "inputs": {}}),
        ("people.v1.request", {"instances": [{"age": 1, "city": "x"}], "signature_name": "nope"}),
        ("people.mlflow.request", {"dataframe_records": [{"age": 1, "city": "x"}], "params": {"a": 1}}),
        ("iris.v1.request", {"instances": [[1, 2, 3]]}),
        ("iris.v1.request", {"instances": []}),
        ("iris.v2.request", {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "BYTES", "data": ["a"] * 4}]}),
        ("iris.v2.request", {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64"}]}),
        ("iris.v2.request", {"inputs": []}),
    ],
)
def test_what_the_schema_refuses_the_server_refuses(doors: Started, document: Any, name: str, body: Any) -> None:
    """A description that let wrong requests pass would be none; the server agrees with it."""
    with pytest.raises(jsonschema.ValidationError):
        _check(document, name, body)
    model, door, _ = name.split(".")
    path = {**DOORS, "mlflow": "/invocations?model={name}"}[door].format(name=model)
    status, answer = doors.ask("POST", path, body)
    assert (status, list(answer)) == (400, ["error"])


def test_names_types_and_shapes(document: Any) -> None:
    """The model's own names, types, shapes and labels are in it."""
    components = document["components"]["schemas"]

    assert components["people.row"]["required"] == ["age", "city"]
    assert components["people.row"]["properties"]["age"]["type"] == ["number", "null"]
    assert components["people.row"]["properties"]["city"]["examples"] == ["Paris", "Rome"]
    assert (components["iris.row"]["minItems"], components["iris.row"]["maxItems"]) == (4, 4)
    assert components["iris.prediction"]["examples"] == ["setosa", "versicolor", "virginica"]
    assert components["iris.v1.request"]["properties"]["signature_name"]["enum"][0] == "serving_default"


def test_nothing_is_described_before_a_model_is_there() -> None:
    """While models load, the answer is a 503 that names them."""
    response = answers.openapi(Repository(["iris"]))

    assert (response.status, json.loads(response.body)) == (503, {"error": "Still loading: iris."})


FIELDS = [Field(f"f{i}", datatype, (-1, 2), nullable=i % 2 == 0) for i, datatype in enumerate([*Datatype, None])]


def _signatures() -> Iterator[Signature]:
    for field in FIELDS:
        yield Signature((field,), ())
    yield Signature(tuple(FIELDS), ())
    yield Signature((Field("x", Datatype.FP32, None),), ())
    yield Signature((Field("x", Datatype.FP32, (1, 28, 28)),), ())
    yield Signature((Field("x", Datatype.FP32, ()),), ())
    yield Signature((Field("x", Datatype.BYTES, (-1,), binary=True),), (), text=True)
    yield Signature((Field("x", None, (-1,)),), (), records=True)
    table = tuple(Field(f"c{i}", Datatype.FP64, (-1,)) for i in range(100))
    yield Signature(table, (), columns=tuple(field.name for field in table))


@pytest.mark.parametrize("signature", list(_signatures()))
def test_every_signature_has_valid_schemas(signature: Signature) -> None:
    """Any model's schemas are valid JSON Schema."""
    for schema in (
        schemas.row(signature),
        schemas.rows(signature, schemas.row(signature)),
        schemas.columns(signature),
        schemas.tensors(signature),
        schemas.prediction(signature.inputs),
        schemas.output_tensors(signature.inputs),
    ):
        jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(schema)))


@pytest.mark.parametrize("datatype", [word for word in Datatype if word.kind == "integer"])
def test_bounds_of_integers(datatype: Datatype) -> None:
    """Whole numbers are bounded by what their type holds."""
    schema = schemas.row(Signature((Field("x", datatype, (-1,)),), ()))
    info = np.iinfo(datatype.numpy)

    assert (schema["minimum"], schema["maximum"]) == (info.min, info.max)
