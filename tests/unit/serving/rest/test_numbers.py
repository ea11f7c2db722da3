"""Bodies whose numbers are cut out in C are answered, and refused, as those that are parsed whole."""

import json
import random
from typing import Any

import numpy as np
import pytest

from modelmoor_server import native
from modelmoor_server.errors import RequestError
from modelmoor_server.intake import Identity, Intake
from modelmoor_server.rest import numbers
from modelmoor_server.rest.calls import HttpCall
from modelmoor_server.rest.v1 import V1Call
from modelmoor_server.rest.v2 import V2Call
from modelmoor_server.signature import Datatype, Field, Signature

OUTPUTS = (Field("predict", Datatype.INT64, (-1,)), Field("predict_proba", Datatype.FP64, (-1, 2)))
INPUTS = {
    "matrix": Signature((Field("x", Datatype.FP64, (-1, 2)),), OUTPUTS),
    "single": Signature((Field("x", Datatype.FP32, (-1, 2)),), OUTPUTS),
    "images": Signature((Field("x", Datatype.FP32, (-1, 2, 2, 1)),), OUTPUTS),
    "vector": Signature((Field("x", Datatype.FP64, (-1,)),), OUTPUTS),
    "one column": Signature((Field("x", Datatype.FP64, (-1, 1)),), OUTPUTS),
    "any shape": Signature((Field("x", Datatype.FP64, None),), OUTPUTS),
    "holes": Signature((Field("x", Datatype.FP64, (-1, 2), nullable=True),), OUTPUTS),
    "integers": Signature((Field("x", Datatype.INT64, (-1, 2)),), OUTPUTS),
    "any type": Signature((Field("x", None, (-1, 2)),), OUTPUTS),
    "table": Signature(tuple(Field(each, Datatype.FP64, (-1,)) for each in "ab"), OUTPUTS, columns=("a", "b")),
    "a column": Signature((Field("a", Datatype.FP64, (-1,)),), OUTPUTS, columns=("a",)),
    "records": Signature((Field("x", Datatype.BYTES, (-1,)),), OUTPUTS, records=True),
}  # fmt: skip
LISTS = [
    "[[1,2]]", "[[1,2],[3.5,-4e-2]]", "[1,2]", "[1,2,3,4]", "[[1],[2]]", "[[1,2,3]]", "[[1,2],[3]]", "[]", "[[]]",
    "[null]",    "[[1,null]]", "[[1,true]]", '[["1","2"]]', "[[[[1],[2]],[[3],[4]]]]", "[[[1,2],[3,4]]]", "[[1e39,2]]",
    "[[1e400,2]]",    "[[16777217,0.1]]", "[[9007199254740993,-0]]", "[[123456789012345678901,1]]",
    "[[NaN,1]]", "[[1,-Infinity]]", "5",
    '"x"',    "null", "{}", '[{"x":[1,2]}]', "[[01,2]]", "[[1,2],]", "[[1 2]]", "[[1e-300,2]]", "[[-0.0,0.0]]",
]  # fmt: skip
V1 = [
    '{"instances": %s}', ' {\n"instances" :%s } \n', '{"instances": %s, "signature_name": "serving_default"}',
    '{"instances": %s, "instances": [[7,8]]}', '{"instances": [[7,8]], "instances": %s}', '{"x": {"instances": %s}}',
    '{"x": {"instances": [[1,2]]}, "instances": %s}', '{"inputs": %s}', '{"instances": %s', '{"instances": %s}}',
    '{"instances": %s} x',    '[{"instances": %s}]', '{"a": "\\"instances\\": [1]", "instances": %s}',
    '{"instances": %s, "inputs": [[1,2]]}',
    '{"\\"instances": %s}', '{"instances": %s, "b": "\\ud800"}', '{"signature_name": 3, "instances": %s}', "%s",
]  # fmt: skip
TENSOR = '"name": "x", "datatype": "%(type)s", "shape": %(shape)s'
V2 = [
    '{"inputs": [{TENSOR, "data": %(data)s}]}',
    '{"id": "7", "inputs": [{"data": %(data)s, "shape": %(shape)s, "datatype": "%(type)s", "name": "x"}]}',
    '{"inputs": [{TENSOR, "data": %(data)s}], "outputs": [{"name": "predict_proba"}]}',
    '{"inputs": [{TENSOR, "data": %(data)s}], "outputs": [{"name": "no"}]}',
    '{"inputs": [{TENSOR, "data": %(data)s}], "outputs": 3}',
    '{"inputs": [{TENSOR, "data": %(data)s}], "id": 3}',
    '{"inputs": [{"name": "", "datatype": "%(type)s", "shape": %(shape)s, "data": %(data)s}]}',
    '{"inputs": [{TENSOR, "data": %(data)s, "data": [1,2]}]}',
    '{"inputs": [{TENSOR, "parameters": {"data": %(data)s}}]}',
    '{"inputs": [{TENSOR, "parameters": {"content_type": "pd"}, "data": %(data)s}]}',
    '{"parameters": {"binary_data_output": true}, "inputs": [{TENSOR, "data": %(data)s}]}',
    '{"inputs": [{"name": "a", "datatype": "FP64", "shape": [1], "data": [1]}, {TENSOR, "data": %(data)s}]}',
    '{"data": %(data)s, "inputs": [{TENSOR}]}',
    '{"inputs": {"data": %(data)s}}',
    '{"inputs": [{TENSOR, "data": %(data)s}]',
]
SHAPES = [
    "[1,2]",
    "[2,2]",
    "[2]",
    "[4]",
    "[1,2,2,1]",
    "[]",
    "[-1,2]",
    "[0,2]",
    "[1.0,2]",
    "[true,2]",
    "[1000000,1000000]",
    '"x"',
]
TYPES = ["FP64", "FP32", "INT64", "BYTES", "FP16", "BF16", "BOOL", "no"]


def v2_body(form: str, data: str, shape: str, datatype: str = "FP64") -> str:
    """A body of one of these forms."""
    return form.replace("TENSOR", TENSOR) % {"data": data, "shape": shape, "type": datatype}


def call_of(kind: type[HttpCall], signature: Signature, body: str) -> Any:
    """A call at the door of a model with that signature."""
    intake = Intake(Identity("m", "sha256:0", "sklearn", "scikit-learn", None), signature, ("predict",))
    return kind(intake, body.encode("utf-8", "surrogatepass"))


def outcome(call: Any) -> Any:
    """What became of a body: every bit of the arrays, and all that the door noted; or the refusal's sentence."""
    try:
        request = call.decode()
    except RequestError as error:
        return type(error).__name__, str(error)
    arrays = {
        name: (a.dtype.str, a.shape, a.tolist() if a.dtype == object else a.tobytes())
        for name, a in request.inputs.items()
    }
    return arrays, request.outputs, request.id, call.state()


def same(kind: type[HttpCall], signature: Signature, body: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The outcome, which must be the one without the native part."""
    found = outcome(call_of(kind, signature, body))
    again = outcome(call_of(kind, signature, body))  # by what is remembered
    with monkeypatch.context() as patch:
        patch.setattr(native, "available", False)
        whole = outcome(call_of(kind, signature, body))
    assert repr(found) == repr(again) == repr(whole), (body, signature)
    return found


@pytest.mark.parametrize("model", INPUTS)
def test_v1_bodies(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right and wrong bodies of v1, to each kind of model."""
    for form in V1:
        for lists in LISTS:
            same(V1Call, INPUTS[model], form.replace("%s", lists), monkeypatch)


@pytest.mark.parametrize("model", INPUTS)
def test_v2_bodies(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right and wrong bodies of v2, to each kind of model."""
    source = random.Random(model)
    for form in V2:
        for lists in LISTS:
            for shape in source.sample(SHAPES, 5):
                body = v2_body(form, lists, shape, source.choice(TYPES[:2] * 3 + TYPES))
                same(V2Call, INPUTS[model], body, monkeypatch)


def test_the_frequent_bodies_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain rows are not parsed by anybody else: else the comparisons above would compare nothing."""
    if not native.available:
        pytest.skip("no native part")
    rows = np.arange(8.0).reshape(4, 2)
    tensor = {"name": "x", "shape": [4, 2], "datatype": "FP32", "data": rows.tolist()}
    bodies = [
        (V1Call, {"instances": rows.tolist()}),
        (V2Call, {"inputs": [tensor]}),
        (V2Call, {"inputs": [tensor | {"data": rows.ravel().tolist()}], "id": "a", "outputs": [{"name": "predict"}]}),
    ]
    for kind, body in bodies:  # the first time, what is beside the numbers is read and remembered
        outcome(call_of(kind, INPUTS["single"], json.dumps(body)))
    monkeypatch.setattr(numbers.payload, "parse", None)
    for kind, body in bodies:
        arrays = outcome(call_of(kind, INPUTS["single"], json.dumps(body)))[0]
        assert arrays == {"x": ("<f4", (4, 2), rows.astype("<f4").tobytes())}


def test_a_row_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has the row, by both doors."""
    lists = "[[1,2],[1,1e39]]"
    assert "row 1" in same(V1Call, INPUTS["single"], f'{{"instances": {lists}}}', monkeypatch)[1]
    body = v2_body(V2[0], lists, "[2,2]", "FP32")
    assert "row 1" in same(V2Call, INPUTS["single"], body, monkeypatch)[1]


def test_what_is_remembered_is_bounded() -> None:
    """A caller with an id for each request, or with a long one, does not fill the memory."""
    if not native.available:
        pytest.skip("no native part")
    body = v2_body(V2[1], "[1,2]", "[1,2]")
    for each in range(numbers.REMEMBERED + 50):
        outcome(call_of(V2Call, INPUTS["matrix"], body.replace('"7"', f'"{each}"')))
    before = numbers._asked.cache_info()
    assert before.currsize == numbers.REMEMBERED
    long = "x" * numbers.LONGEST
    assert outcome(call_of(V2Call, INPUTS["matrix"], body.replace('"7"', f'"{long}"')))[2] == long
    assert numbers._asked.cache_info() == before
