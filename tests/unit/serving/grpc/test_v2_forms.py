"""Content types, the best classes and dates: over gRPC, typed and raw, the answers and refusals are those of REST."""

import asyncio
import base64
import operator
from collections.abc import Mapping
from typing import Any

import grpc.aio
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from modelmoor_server.runtimes import Model, Policy, load
from modelmoor_server.signature import Datatype, Field
from modelmoor_server.signature.raw import to_bytes
from unit.serving.grpc.client import message
from unit.serving.grpc.harness import serving
from unit.serving.rest.door import Echo, ask

TEXTS = Echo((Field("x", Datatype.BYTES, (-1,)),))
PICTURES = Echo((Field("x", Datatype.BYTES, (-1,), binary=True),))
MATRIX = Echo((Field("input", Datatype.FP64, (-1, 3), nullable=True),))
SCORES = np.array([[0.1, 0.5, 0.4], [0.25, 0.25, np.nan]])
SCORER = Echo(
    MATRIX.fields, {"score": SCORES}, (Field("score", Datatype.FP64, (-1, 3), labels=("setosa", "versicolor", "b:c")),)
)
HALVES = Echo(MATRIX.fields, {"score": SCORES.astype(np.float16)}, (Field("score", Datatype.FP16, (-1, 3)),))
PNG = b"\x89PNG\r\n\x1a\n\x00"
KINDS = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}
CONTENTS = {"BYTES": "bytes_contents", "FP64": "fp64_contents", "INT64": "int64_contents"}
ROWS = {"name": "input", "datatype": "FP64", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}
DAYS = ["2024-01-01", "2024-02-02T03:04:05", "2024-03-03T00:00:00.250001", "20240404"]
SALES = pd.DataFrame(
    {"when": pd.to_datetime(DAYS * 5, format="ISO8601"), "city": ["Paris", "Rome"] * 10, "amount": np.arange(20.0)}
)


def tensor(values: list[Any], name: str = "x", datatype: str = "BYTES", **parameters: Any) -> dict[str, Any]:
    made = {"name": name, "datatype": datatype, "shape": [len(values)], "data": values}
    return made | ({"parameters": parameters} if parameters else {})


def encoded(*values: bytes) -> list[str]:
    return [base64.b64encode(value).decode() for value in values]


def wanted(name: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "parameters": parameters}


def over_grpc(model: Model, body: Mapping[str, Any], *, raw: bool) -> Any:
    """The outputs as REST writes them, or the sentence of a refusal. body: what REST would get."""
    asked = message(
        "ModelInferRequest",
        model_name="m",
        parameters=_parameters(body),
        outputs=[{"name": output["name"], "parameters": _parameters(output)} for output in body.get("outputs", ())],
    )
    for each in body["inputs"]:
        made = asked.inputs.add(name=each["name"], datatype=each["datatype"], shape=each["shape"])
        for name, value in _parameters(each).items():
            setattr(made.parameters[name], *next(iter(value.items())))
        values = [value.encode() if isinstance(value, str) else value for value in each["data"]]
        if raw:
            dtype = Datatype(each["datatype"]).numpy
            asked.raw_input_contents.append(to_bytes(np.array(values, dtype)))
        else:
            getattr(made.contents, CONTENTS[each["datatype"]]).extend(values)
    return asyncio.run(_infer(model, asked))


async def _infer(model: Model, asked: Any) -> Any:
    async with serving(scripted=model, row=1e-5) as (_, client):  # type: ignore[arg-type]
        try:
            answer = await client.infer(asked)
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.details()
    return [_read(output, answer.raw_output_contents, place) for place, output in enumerate(answer.outputs)]


def _read(output: Any, raw: Any, place: int) -> dict[str, Any]:
    told = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
    if output.parameters:
        told["parameters"] = {name: value.string_param for name, value in output.parameters.items()}
    if output.datatype == "BYTES":
        data = _texts(raw[place]) if raw else list(output.contents.bytes_contents)
        return told | {"data": [value.decode() for value in data]}
    dtype = Datatype(output.datatype).numpy
    data = np.frombuffer(raw[place], dtype).tolist() if raw else list(getattr(output.contents, CONTENTS["FP64"]))
    return told | {"data": data}


def _texts(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "little")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def _parameters(owner: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {KINDS[type(value)]: value} for name, value in owner.get("parameters", {}).items()}


ANSWERED: dict[str, tuple[Echo, dict[str, Any]]] = {
    "base64 of a tensor": (TEXTS, {"inputs": [tensor(encoded(b"day", b"night"), content_type="base64")]}),
    "base64 of a request": (TEXTS, {"inputs": [tensor(["ZGF5"])], "parameters": {"content_type": "base64"}}),
    "base64 of a request leaves numbers": (
        MATRIX, {"inputs": [ROWS], "parameters": {"content_type": "base64"}},
    ),
    "a tensor knows better": (
        TEXTS,
        {"inputs": [tensor(["ZGF5"], content_type="str")], "parameters": {"content_type": "base64"}},
    ),
    "base64 out": (TEXTS, {"inputs": [tensor(["day", "é"])], "outputs": [wanted("x", content_type="base64")]}),
    "bytes and back": (
        PICTURES,
        {
            "inputs": [tensor(encoded(PNG, b"day"), content_type="base64")],
            "outputs": [wanted("x", content_type="base64")],
        },
    ),
    "the best classes": (SCORER, {"inputs": [ROWS], "outputs": [wanted("score", classification=2)]}),
    "the best classes as base64": (
        SCORER,
        {"inputs": [ROWS], "outputs": [wanted("score", classification=1, content_type="base64")]},
    ),
    "classes of half floats": (HALVES, {"inputs": [ROWS], "outputs": [wanted("score", classification=9)]}),
    "no classes": (MATRIX, {"inputs": [ROWS], "outputs": [wanted("input", classification=0)]}),
    "a frame for a matrix": (
        MATRIX,
        {
            "inputs": [tensor([number, number + 10.5], name, "FP64") for number, name in enumerate("abc")],
            "parameters": {"content_type": "pd"},
        },
    ),
    "what means nothing": (
        MATRIX,
        {"inputs": [ROWS | {"parameters": {"mine": 1.5}}], "parameters": {"priority": 3, "sequence_start": True}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("case", ANSWERED)
def test_both_doors_answer_alike(case: str, raw: bool) -> None:
    """One request, one answer: the same names, datatypes, shapes, values and content types."""
    model, body = ANSWERED[case]
    rest = ask(model, body)
    assert rest.status == 200, rest.header

    assert over_grpc(model, body, raw=raw) == rest.header["outputs"]


REFUSED: dict[str, tuple[Echo, dict[str, Any]]] = {
    "no base64": (TEXTS, {"inputs": [tensor(["*"], content_type="base64")]}),
    "base64 of numbers": (MATRIX, {"inputs": [ROWS | {"parameters": {"content_type": "base64"}}]}),
    "text of numbers": (MATRIX, {"inputs": [ROWS], "parameters": {"content_type": "str"}}),
    "dates of numbers": (MATRIX, {"inputs": [ROWS | {"parameters": {"content_type": "datetime"}}]}),
    "dates for text": (TEXTS, {"inputs": [tensor(DAYS, content_type="datetime")]}),
    "dates for numbers": (
        Echo((Field("x", Datatype.FP64, (-1,)),)), {"inputs": [tensor(DAYS, content_type="datetime")]},
    ),
    "unknown content type": (MATRIX, {"inputs": [ROWS], "parameters": {"content_type": "pickle"}}),
    "content type of another kind": (MATRIX, {"inputs": [ROWS], "parameters": {"content_type": 7}}),
    "unknown content type of an output": (
        MATRIX, {"inputs": [ROWS], "outputs": [wanted("input", content_type="hf")]},
    ),
    "dates out": (MATRIX, {"inputs": [ROWS], "outputs": [wanted("input", content_type="datetime")]}),
    "base64 of scores": (MATRIX, {"inputs": [ROWS], "outputs": [wanted("input", content_type="base64")]}),
    "classes below zero": (SCORER, {"inputs": [ROWS], "outputs": [wanted("score", classification=-1)]}),
    "classes that are a flag": (SCORER, {"inputs": [ROWS], "outputs": [wanted("score", classification=True)]}),
    "classes of text": (TEXTS, {"inputs": [tensor(["day"])], "outputs": [wanted("x", classification=1)]}),
    "shared memory out": (MATRIX, {"inputs": [ROWS], "outputs": [wanted("input", shared_memory_region="r")]}),
    "columns of a frame": (
        MATRIX,
        {"inputs": [tensor([1.0], "a", "FP64"), tensor([2.0, 3.0], "b", "FP64")], "parameters": {"content_type": "pd"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("case", REFUSED)
def test_both_doors_refuse_alike(case: str, raw: bool) -> None:
    """400 at the one, INVALID_ARGUMENT at the other, with the same sentence."""
    model, body = REFUSED[case]
    rest = ask(model, body)
    assert rest.status == 400

    assert over_grpc(model, body, raw=raw) == ("INVALID_ARGUMENT", rest.header["error"])


@pytest.fixture(scope="module", params=["function", "categories"])
def calendar(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Model]:
    """A pipeline over a table with a column of dates: as it was fitted, and as the server loads it."""
    dates = {
        "function": FunctionTransformer(operator.methodcaller("astype", "int64")),
        "categories": OneHotEncoder(handle_unknown="ignore"),
    }[request.param]
    steps = make_column_transformer((dates, ["when"]), (OneHotEncoder(), ["city"]), remainder="passthrough")
    fitted = make_pipeline(steps, LinearRegression()).fit(SALES, np.arange(20.0) ** 2)
    path = tmp_path_factory.mktemp("calendar") / "model.joblib"
    joblib.dump(fitted, path)
    return fitted, load(path, None, Policy())


@pytest.mark.parametrize("door", ["rest", "typed", "raw"])
def test_dates_reach_a_column_as_pandas_has_them(calendar: tuple[Any, Model], door: str) -> None:
    """Content type datetime makes the column that the model was trained on: its answer is that of the DataFrame."""
    fitted, model = calendar
    table = SALES.iloc[3:7]
    dates = tensor([*DAYS[3:], *DAYS[:3]], "when", content_type="datetime")
    columns = [tensor(table["city"].tolist(), "city"), tensor(table["amount"].tolist(), "amount", "FP64")]
    body = {"inputs": [dates, *columns], "parameters": {"content_type": "pd"}}
    outputs = ask(model, body).header["outputs"] if door == "rest" else over_grpc(model, body, raw=door == "raw")  # type: ignore[arg-type]

    np.testing.assert_array_equal(outputs[0]["data"], fitted.predict(table))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["yesterday"], "inputs[0]: the data is not dates of ISO 8601, such as 2024-08-24T15:01:19."),
        (["2024-02-30"], "inputs[0]: the data is not dates of ISO 8601, such as 2024-08-24T15:01:19."),
        ([7], "inputs[0]: the data is not dates of ISO 8601, such as 2024-08-24T15:01:19."),
        ([["2024-01-01", {}]], "inputs[0]: the data is not dates of ISO 8601, such as 2024-08-24T15:01:19."),
        (["2024-01-01Z"], "inputs[0]: the data is not dates of ISO 8601, such as 2024-08-24T15:01:19."),
        (
            ["2024-01-01T00:00:00Z"],
            "inputs[0]: dates must come without a zone, in that of the model's training data.",
        ),
        (
            ["2024-01-01", "2024-01-01T00:00:00-04:00"],
            "inputs[0]: dates must come without a zone, in that of the model's training data.",
        ),
    ],
)
def test_what_is_no_date(values: list[Any], words: str) -> None:
    """A 400 that names the tensor and no value; a zone would be a column of another kind."""
    model = Echo((Field("x", None, (-1,), nullable=True),))
    answer = ask(model, {"inputs": [tensor(values, content_type="datetime")]})

    assert (answer.status, answer.header) == (400, {"error": words})


def test_missing_dates() -> None:
    """null is a missing date, NaT, where the field may lack values."""
    seen: list[np.ndarray] = []

    class Keeping(Echo):
        def predict(self, inputs: Any, outputs: Any) -> dict[str, np.ndarray]:
            seen.append(inputs["x"])
            return {name: np.zeros(2) for name in outputs}

    body = {"inputs": [tensor(["2024-01-01", None], content_type="datetime")]}
    assert ask(Keeping((Field("x", None, (-1,), nullable=True),)), body).status == 200
    np.testing.assert_array_equal(seen[0], np.array(["2024-01-01", "NaT"], "datetime64[us]"))

    answer = ask(Keeping((Field("x", None, (-1,)),)), body)
    assert answer.header == {"error": "input 'x', row 1: expected a date, got null"}
