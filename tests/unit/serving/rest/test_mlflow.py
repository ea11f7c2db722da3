"""MLflow's scoring protocol at the door, compared with the models in process."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.inspection import inspect
from modelmoor_server.intake import Identity, Intake
from modelmoor_server.rest import frame, table
from modelmoor_server.runtimes import Policy, load
from modelmoor_server.signature import Datatype, Field, Signature
from unit.serving.process import PEOPLE, Started

JSON = {"Content-Type": "application/json; charset=utf-8"}
CSV = {"Content-Type": "text/csv"}
NEW = pd.DataFrame({"city": ["Rome", "Oslo", "Paris"], "age": [41.0, np.nan, 19.5]})


def _invoke(server: Started, body: object, headers: dict[str, str] = JSON, path: str = "/invocations") -> Any:
    return server.ask("POST", path, body, headers)


@pytest.fixture(scope="module")
def people(models: Path) -> Any:
    """The model of the `lone` server, in process."""
    return joblib.load(models / "people.joblib")


@pytest.mark.parametrize("orient", ["split", "records"])
def test_data_frames(lone: Started, people: Any, orient: Any) -> None:
    """A frame as pandas writes it goes by the names of its columns, whatever their order."""
    body = {f"dataframe_{orient}": json.loads(NEW.to_json(orient=orient))}

    assert _invoke(lone, body) == (200, {"predictions": people.predict(NEW[["age", "city"]]).tolist()})


def test_a_missing_text_may_come_as_nan(lone: Started, people: Any) -> None:
    """MLflow's own client writes a missing value of any column as the word NaN; it means what null means."""
    frame = pd.DataFrame({"age": [41.0, 30.0], "city": ["Rome", None]})
    columns = b'{"dataframe_split": {"columns": ["age", "city"], "data": [[41.0, "Rome"], [30.0, NaN]]}}'

    assert _invoke(lone, columns) == (200, {"predictions": people.predict(frame).tolist()})


def test_csv(lone: Started, people: Any) -> None:
    """CSV as pandas writes it; an empty cell is a missing value."""
    expected = people.predict(NEW[["age", "city"]]).tolist()

    assert _invoke(lone, NEW.to_csv(index=False).encode(), CSV) == (200, {"predictions": expected})
    assert _invoke(lone, NEW.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig"), CSV)[0] == 200


def test_instances_and_inputs(lone: Started, people: Any) -> None:
    """Tensors go as they do at v1; the answer is MLflow's in both cases."""
    rows = NEW.dropna().to_dict("records")
    expected = (200, {"predictions": people.predict(NEW.dropna()[["age", "city"]]).tolist()})

    assert _invoke(lone, {"instances": rows}) == expected
    assert _invoke(lone, {"inputs": {name: [row[name] for row in rows] for name in NEW}}) == expected
    assert _invoke(lone, {"instances": rows, "params": {}}) == expected
    assert _invoke(lone, {"instances": rows, "params": None}) == expected


def test_matrix_by_position(doors: Started, models: Path) -> None:
    """A model without names takes a frame's columns by position, as it does in process."""
    frame = pd.DataFrame([[0.1, 0.2, 0.3, 0.4], [5.0, 3.0, 1.0, 2.0]], columns=["d", "c", "b", "a"])
    expected = joblib.load(models / "iris.joblib").predict(frame.to_numpy()).tolist()
    path = "/invocations?model=iris"

    for frame_or_numbers in (frame, frame.set_axis(range(4), axis=1)):
        split = {"dataframe_split": json.loads(frame_or_numbers.to_json(orient="split"))}
        assert _invoke(doors, split, path=path) == (200, {"predictions": expected})
    assert _invoke(doors, frame.to_csv(index=False).encode(), CSV, path) == (200, {"predictions": expected})
    text = pd.DataFrame({"anything": ["good day", "bad night"]})
    assert _invoke(doors, text.to_csv(index=False).encode(), CSV, "/invocations?model=text") == (
        200,
        {"predictions": [1, 0]},
    )


FORMS = "The body must have exactly one of dataframe_split, dataframe_records, instances, inputs, and beside it "


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, FORMS),
        ([], "The body must be a JSON object."),
        ({"instances": [], "inputs": []}, FORMS),
        ({"instances": [{"age": 1, "city": "Rome"}], "signature_name": "x"}, FORMS),
        ({"messages": [{"role": "user", "content": "hello"}]}, FORMS),
        ({"instances": [{"age": 1, "city": "Rome"}], "params": {"temperature": 0}}, "params: this model takes none."),
        ({"dataframe_split": []}, "dataframe_split must be an object"),
        ({"dataframe_split": {"columns": ["age"], "data": [1]}}, "dataframe_split: data must be a list of rows"),
        ({"dataframe_split": {"columns": [["age", "b"]], "data": [[1]]}}, "dataframe_split: columns must be a list"),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, "dataframe_split: columns must be at"),
        ({"dataframe_split": {"columns": ["age", "city"], "data": [[1, "Rome"], [1]]}}, "dataframe_split, row 1: exp"),
        ({"dataframe_split": {"columns": ["age", "city"], "data": []}}, "The data frame has no rows."),
        ({"dataframe_split": {"columns": ["age", "town"], "data": [[1, "x"]]}}, "missing column 'city'; unknown col"),
        ({"dataframe_records": []}, "dataframe_records must be a list of at least one object"),
        ({"dataframe_records": [{"age": 1, "city": "x"}, {"age": 1}]}, "dataframe_records, row 1: its columns"),
        ({"dataframe_records": [{"age": "old", "city": "x"}]}, "input 'age', row 0: expected a number, got text"),
    ],
)
def test_invalid_json(lone: Started, body: Any, words: str) -> None:
    """What is not of the protocol, or would be ignored, is a 400 that says what is."""
    status, answer = _invoke(lone, body)

    assert status == 400
    assert answer["error"].startswith(words)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The first line of the CSV must name each column once; pandas writes it so by to_csv(index=False)."),
        (b"age,city\n", "The data frame has no rows."),
        (
            b",age,city\n0,1,Rome\n",
            "The first line of the CSV must name each column once; pandas writes it so by to_csv(index=False).",
        ),
        (b"age,city\n1\n", "The CSV's line 2 has 1 cells instead of 2."),
        (b'age,city\n1,"Ro', "The body is not valid CSV (line 2)."),
        (b"age,city\n1,\xff\n", "The body is not UTF-8."),
        (b"age,city\n1_0,Rome\n", "column 'age', row 0: expected a number"),
        (b"age,city\n1,Rome\nsecret,Rome\n", "column 'age', row 1: expected a number"),
        (b"age,town\n1,Rome\n", "missing column 'city'; unknown column 'town'"),
        (b"a\n" * 1_000_001, "The CSV has more than 1000000 lines: send fewer rows a request."),
    ],
)
def test_invalid_csv(lone: Started, body: bytes, sentence: str) -> None:
    """What is no CSV of the model's columns is a 400 that names line, column and row, and no value."""
    assert _invoke(lone, body, CSV) == (400, {"error": sentence})


@pytest.mark.parametrize(
    "kind", ["text/csv; charset=latin-1", "application/parquet", "application/json; format=pandas"]
)
def test_content_types(lone: Started, kind: str) -> None:
    """Other content types are a 415, those of curl and of clients that say nothing are JSON."""
    body = {"instances": [{"age": 1, "city": "Rome"}]}

    assert _invoke(lone, body, {"Content-Type": kind})[0] == 415
    assert _invoke(lone, body, {"Content-Type": "application/x-www-form-urlencoded"})[0] == 200
    assert _invoke(lone, body, {})[0] == 200


def test_which_model(doors: Started, lone: Started) -> None:
    """One model needs no name; of several one must be named; another name is a 404, never some other model's answer."""
    people = {"instances": [{"age": 1, "city": "Rome"}]}
    status, answer = _invoke(doors, people)

    assert status == 400
    assert "/invocations?model=people" in answer["error"]
    assert _invoke(doors, people, path="/invocations?model=people")[0] == 200
    assert _invoke(doors, people, path="/invocations?model=peop%6ce")[0] == 200
    assert _invoke(doors, people, path="/invocations?model=nope")[0] == 404
    assert _invoke(doors, people, path="/invocations?model=people&model=iris")[0] == 404
    assert _invoke(lone, people, path="/invocations?model=people")[0] == 200
    assert _invoke(lone, people, path="/invocations?model=iris")[0] == 404
    assert lone.ask("GET", "/invocations")[0] == 405


def test_health_and_version(lone: Started) -> None:
    """`/ping` and `/health` say by their status that requests may come, `/version` is this server's."""
    assert lone.ask("GET", "/ping") == (200, b"\n")
    assert lone.ask("GET", "/health") == (200, b"\n")
    assert lone.ask("GET", "/version") == (200, lone.ask("GET", "/v2")[1]["version"].encode())


def test_counted_as_a_door(lone: Started) -> None:
    """Invocations are counted under the door's name."""
    _invoke(lone, {"instances": [{"age": 1, "city": "Rome"}]})

    assert b'modelmoor_requests_total{code="200",door="mlflow",model="people"}' in lone.ask("GET", "/metrics")[1]


@pytest.mark.slow
def test_nan_out(tmp_path: Path, models: Path) -> None:
    """NaN in an answer is written as MLflow's own server writes it; in a row it is read, as an empty cell is."""
    from unit.serving.process import by_hand, started

    x = np.arange(100.0).reshape(50, 2)
    model = HistGradientBoostingRegressor().fit(x, x[:, 0])
    joblib.dump(model, tmp_path / "trees.joblib")
    with started(by_hand(tmp_path, "trees")) as server:
        server.event("Ready")
        expected = model.predict(np.array([[np.nan, 4.0], [3.0, np.inf]])).tolist()

        assert _invoke(server, b'{"inputs": [[NaN, 4], [3, Infinity]]}')[1] == {"predictions": expected}
        assert _invoke(server, b"a,b\n,4\n3,inf\n", CSV)[1] == {"predictions": expected}


def test_free_keys(tmp_path: Path) -> None:
    """A model of free keys gets each row of a frame as one object."""
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], [0, 1])
    joblib.dump(model, tmp_path / "m.joblib")
    loaded = load(tmp_path / "m.joblib", None, Policy())
    identity = Identity("m", "sha256:0", loaded.format, loaded.framework, None)
    intake = Intake(identity, loaded.signature, loaded.default_outputs)
    columns, rows = table.read(b"a,b\n1,y\n3,x\n", loaded.signature)
    inputs = frame.arrays(intake, columns, rows)

    answered = loaded.predict(inputs, ("predict",))["predict"]
    np.testing.assert_allclose(answered, model.predict([{"a": 1, "b": "y"}, {"a": 3, "b": "x"}]), rtol=1e-12)
    assert inspect(tmp_path / "m.joblib").format == "sklearn"


FIELDS = {
    "text": Datatype.BYTES,
    "whole": Datatype.INT64,
    "real": Datatype.FP64,
    "truth": Datatype.BOOL,
    "free": None,
}


def _column(name: str, *cells: str) -> list[Any]:
    fields = tuple(Field(name, datatype, (-1,), nullable=True) for name, datatype in FIELDS.items())
    body = f"{name},x\n" + "".join(f"{cell},1\n" for cell in cells)
    _, rows = table.read(body.encode(), Signature((*fields, Field("x", None, (-1,))), ()))
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("text", ["007", "NA", "", "true"], ["007", "NA", None, "true"]),
        ("whole", ["9007199254740993", "-1", "2.0", ""], [9007199254740993, -1, 2.0, None]),
        ("real", ["0.1", "1e-3", "5", "-inf"], [0.1, 0.001, 5.0, -np.inf]),
        ("truth", ["True", "false"], [True, False]),
        ("free", ["1", "2"], [1, 2]),
        ("free", ["1", "2.5"], [1.0, 2.5]),
        ("free", ["True", "False"], [True, False]),
        ("free", ["1", "x"], ["1", "x"]),
    ],
)
def test_cells(name: str, cells: list[str], expected: list[Any]) -> None:
    """A cell is what the model's column says; a column of an unknown type is guessed as pandas would."""
    found = _column(name, *cells)

    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


def test_same_guess_as_pandas() -> None:
    """Whole numbers with a hole are floats, and NaN where the hole is."""
    assert np.array_equal(_column("free", "1", "", "3"), [1.0, np.nan, 3.0], equal_nan=True)
    assert np.isnan(_column("real", "")[0])


def test_digits() -> None:
    """Every digit of a number survives, which pandas' own fast reader does not promise."""
    values = np.random.default_rng(0).normal(size=500) * 10.0 ** np.arange(-250, 250)

    assert _column("real", *map(repr, values.tolist())) == values.tolist()


@pytest.mark.parametrize("cells", [["1.5x"], ["1", "nil"]])
def test_wrong_cells(cells: list[str]) -> None:
    """A cell that is no number names its row alone."""
    with pytest.raises(InvalidRequest, match=f"^column 'real', row {len(cells) - 1}: expected a number$"):
        _column("real", *cells)


def test_frames_are_pandas_own(people: Any) -> None:
    """The example data of these tests is what the model was trained on."""
    assert list(people.feature_names_in_) == list(PEOPLE)
