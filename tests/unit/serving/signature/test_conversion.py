"""Requests become arrays that fit a signature; what does not fit is a sentence with field and row."""

import math
from typing import Any

import numpy as np
import pytest

from modelmoor_server.errors import InvalidRequest
from modelmoor_server.signature import (
    Datatype,
    Field,
    Signature,
    Source,
    from_columns,
    from_instances,
    from_tensors,
)

MATRIX = Signature((Field("input", Datatype.FP64, (-1, 2), nullable=True),), ())
IMAGE = Signature((Field("image", Datatype.FP32, (-1, 2, 2, 1)),), ())
TEXT = Signature((Field("input", Datatype.BYTES, (-1,)),), (), text=True)
PICTURE = Signature((Field("input", Datatype.BYTES, (-1,), binary=True),), ())
RECORDS = Signature((Field("input", Datatype.BYTES, (-1,)),), (), records=True)
UNKNOWN = Signature((Field("input", None, (-1, 3), Source.UNKNOWN, nullable=True),), ())
TWO = Signature((Field("a", Datatype.FP32, (-1, 2)), Field("b", Datatype.INT32, (-1, 1))), ())
TABLE = Signature(
    (
        Field("age", Datatype.FP64, (-1,), nullable=True),
        Field("city", Datatype.BYTES, (-1,), labels=("Paris", "Rome"), nullable=True),
        Field("rooms", Datatype.INT64, (-1,), nullable=True),
        Field("free", None, (-1,), Source.UNKNOWN, nullable=True),
    ),
    (),
    columns=("age", "city", "rooms", "free"),
)
ROW = {"age": 39, "city": "Paris", "rooms": 3, "free": True}


def refusal(convert: Any, *arguments: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        convert(*arguments)
    assert "canary" not in str(caught.value)
    return str(caught.value)


def same(found: dict[str, np.ndarray], name: str, wanted: Any, dtype: Any) -> None:
    np.testing.assert_array_equal(found[name], np.array(wanted, dtype=dtype))
    assert found[name].dtype == np.dtype(dtype)


class TestTensors:
    """v2."""

    def test_any_name_for_one_input(self) -> None:
        """A model of one input takes any name, data flat or nested."""
        for data in ([1, 2.5, 3, 4], [[1, 2.5], [3, 4]]):
            found = from_tensors(MATRIX, [("input-0", "FP64", [2, 2], data)])
            same(found, "input", [[1, 2.5], [3, 4]], np.float64)

    def test_nothing_is_rounded(self) -> None:
        """A JSON number for an FP64 model is FP64, though the caller wrote FP32; an FP32 array is widened."""
        found = from_tensors(MATRIX, [("x", "FP32", [1, 2], [0.1, 0.2])])
        assert found["input"].tolist() == [[0.1, 0.2]]

        array = np.array([[0.1, 0.2]], dtype=np.float32)
        same(from_tensors(MATRIX, [("x", "FP32", [1, 2], array)]), "input", array.astype(np.float64), np.float64)

    def test_integers_keep_their_value(self) -> None:
        """2^53 + 1 and 2^64 - 1 survive; integers are not read through floats."""
        signature = Signature((Field("x", Datatype.INT64, (-1,)),), ())
        found = from_tensors(signature, [("x", "INT64", [2], [2**53 + 1, 5.0])])
        assert found["x"].tolist() == [2**53 + 1, 5]

        big = Signature((Field("x", Datatype.UINT64, (-1,)),), ())
        assert from_tensors(big, [("x", "UINT64", [1], [2**64 - 1])])["x"].tolist() == [2**64 - 1]

    @pytest.mark.parametrize(
        ("datatype", "wire", "data"),
        [
            (Datatype.INT64, "INT64", [1, 2.5]),
            (Datatype.INT64, "FP64", [1, 2.5]),
            (Datatype.INT64, "FP64", [1, math.nan]),
            (Datatype.INT64, "FP64", [1, 1e300]),
            (Datatype.INT64, "FP64", [1, 2.0**63]),
            (Datatype.INT64, "UINT64", [1, 2**63]),
            (Datatype.INT64, "INT64", [1, -(2.0**63)]),  # what the parser makes of -2^63 - 1
            (Datatype.INT8, "INT8", [1, 300]),
            (Datatype.INT8, "INT64", [1, 300]),
            (Datatype.UINT8, "INT64", [1, -1]),
            (Datatype.FP32, "FP64", [1, 1e300]),
            (Datatype.FP64, "INT8", [1, 300]),
            (Datatype.FP64, "FP64", [1, True]),
            (Datatype.FP64, "FP64", [1, "canary"]),
            (Datatype.FP64, "FP64", [1, None]),
            (Datatype.FP64, "FP64", [1, {"canary": 1}]),
            (Datatype.BYTES, "BYTES", ["a", 1]),
            (Datatype.BYTES, "BYTES", ["a", None]),
            (Datatype.BOOL, "BOOL", [True, 1]),
            (Datatype.BOOL, "BOOL", [True, "canary"]),
        ],
    )
    def test_values_that_do_not_survive(self, datatype: Datatype, wire: str, data: list[Any]) -> None:
        """A value that its field cannot hold is refused with the row, in JSON as in binary."""
        signature = Signature((Field("x", datatype, (-1,)),), ())
        assert "'x', row 1" in refusal(from_tensors, signature, [("x", wire, [2], data)])

        if all(type(value) in (int, float) for value in data) and wire == "FP64":
            array = np.array(data, dtype=np.float64)
            if not (datatype.kind == "float" and datatype is Datatype.FP64):
                assert "'x', row 1" in refusal(from_tensors, signature, [("x", wire, [2], array)])

    @pytest.mark.parametrize(
        ("datatype", "wire"),
        [
            ("FP64", "BYTES"),
            ("FP64", "BOOL"),
            ("BYTES", "FP32"),
            ("BYTES", "BOOL"),
            ("BOOL", "INT8"),
            ("INT64", "BYTES"),
        ],
    )
    def test_worlds_do_not_mix(self, datatype: str, wire: str) -> None:
        """Text, booleans and numbers are three worlds, told by the stated datatype alone."""
        signature = Signature((Field("x", Datatype(datatype), (-1,)),), ())

        assert refusal(from_tensors, signature, [("x", wire, [0], [])]) == f"input 'x': expected {datatype}, got {wire}"

    @pytest.mark.parametrize(
        ("shape", "data", "sentence"),
        [
            ([2, 2], [1, 2, 3], "needs 4 values, data has 3"),
            ([2, 2], [[1, 2], [3]], "row 1: expected 2 values, got 1"),
            ([2, 2], [[1, 2], 3], "row 1: a list stands beside a single value"),
            ([4], [1, 2, 3, 4], "expected shape [-1, 2], got [4]"),
            ([2, 3], [1] * 6, "expected shape [-1, 2], got [2, 3]"),
            ([4, 1], [[1, 2], [3, 4]], "data is nested as [2, 2], shape says [4, 1]"),
            ([0, 2], [], "there are no rows"),
            ([-1, 2], [1, 2], "shape must be a list"),
            ([2.0, 2], [1, 2, 3, 4], "shape must be a list"),
            ([True, 2], [1, 2], "shape must be a list"),
            ([2, 2], 7, "data must be a list"),
        ],
    )
    def test_shapes(self, shape: list[int], data: Any, sentence: str) -> None:
        """A shape that does not fit names both shapes; ragged data names the row."""
        assert sentence in refusal(from_tensors, MATRIX, [("x", "FP64", shape, data)])

    def test_deep_nesting(self) -> None:
        """Lists in lists without end are refused."""
        data: Any = 1
        for _ in range(900):
            data = [data]

        assert "nested deeper" in refusal(from_tensors, MATRIX, [("x", "FP64", [1, 1], data)])

    def test_text(self) -> None:
        """Text comes as [n] or [n, 1], as str or as UTF-8 bytes; other bytes are refused unless they are wanted."""
        for shape in ([2], [2, 1]):
            found = from_tensors(TEXT, [("x", "BYTES", shape, ["a", "ü"])])
            assert found["input"].tolist() == ["a", "ü"]
        raw = np.array(["ü".encode(), b"b"], dtype=object)
        assert from_tensors(TEXT, [("x", "BYTES", [2], raw)])["input"].tolist() == ["ü", "b"]

        picture = np.array([b"\xff\xd8"], dtype=object)
        assert "not UTF-8" in refusal(from_tensors, TEXT, [("x", "BYTES", [1], picture)])
        assert from_tensors(PICTURE, [("x", "BYTES", [1], picture)])["input"].tolist() == [b"\xff\xd8"]

    def test_names(self) -> None:
        """Several inputs go by name; missing, unknown and doubled ones are told."""
        a, b = ("a", "FP32", [1, 2], [1, 2]), ("b", "INT32", [1], [3])
        found = from_tensors(TWO, [b, a])
        same(found, "a", [[1, 2]], np.float32)
        same(found, "b", [[3]], np.int32)

        assert refusal(from_tensors, TWO, [a]) == "missing input 'b'"
        assert refusal(from_tensors, TWO, [a, b, ("c", "FP32", [1], [1])]) == "unknown input 'c'"
        assert refusal(from_tensors, TWO, [a, a, b]) == "input 'a' is given twice"
        assert refusal(from_tensors, TWO, []) == "missing inputs 'a', 'b'"
        assert "unknown datatype" in refusal(from_tensors, TWO, [a, ("b", "canary", [1], [3])])
        assert "differ in rows" in refusal(from_tensors, TWO, [a, ("b", "INT32", [2], [3, 4])])

    def test_table(self) -> None:
        """A table takes one tensor a column, in any order."""
        tensors = [
            ("free", "UINT8", [2], [1, 2]),
            ("city", "BYTES", [2, 1], ["Paris", None]),
            ("rooms", "INT64", [2], [3, None]),
            ("age", "FP32", [2], [39, None]),
        ]
        found = from_tensors(TABLE, tensors)

        np.testing.assert_array_equal(found["age"], [39.0, np.nan])
        assert found["city"][0] == "Paris"
        assert math.isnan(found["city"][1])
        np.testing.assert_array_equal(found["rooms"], [3.0, np.nan])
        same(found, "free", [1, 2], np.uint8)

    def test_matrix_of_all_columns(self) -> None:
        """One matrix stands for all columns in training order; its width must fit."""
        numbers = Signature(
            (Field("u", Datatype.FP64, (-1,)), Field("v", Datatype.INT64, (-1,))), (), columns=("u", "v")
        )
        for data in ([[0.5, 1], [1.5, 2]], np.array([[0.5, 1], [1.5, 2]])):
            found = from_tensors(numbers, [("input-0", "FP64", [2, 2], data)])
            same(found, "u", [0.5, 1.5], np.float64)
            same(found, "v", [1, 2], np.int64)

        assert "expected 2 columns, got 3" in refusal(from_tensors, numbers, [("x", "FP64", [1, 3], [1, 2, 3])])
        assert "'v', row 1" in refusal(from_tensors, numbers, [("x", "FP64", [2, 2], [1, 2, 3, 4.5])])
        assert "unknown column 'x'" in refusal(from_tensors, numbers, [("x", "FP64", [2], [1, 2])])

    def test_records(self) -> None:
        """A record comes as the JSON text of an object."""
        found = from_tensors(RECORDS, [("x", "BYTES", [2], ['{"a": 1}', '{"b": "c"}'])])
        assert found["input"].tolist() == [{"a": 1}, {"b": "c"}]

        assert "row 0" in refusal(from_tensors, RECORDS, [("x", "BYTES", [1], ["canary"])])
        assert "row 0" in refusal(from_tensors, RECORDS, [("x", "BYTES", [1], ['{"a": {"b": 1}}'])])


class TestInstances:
    """v1, rows."""

    def test_lists(self) -> None:
        """Rows as lists; null is a missing number where the model may take it."""
        same(from_instances(MATRIX, [[1, 2], [3, 4.5]]), "input", [[1, 2], [3, 4.5]], np.float64)
        assert np.isnan(from_instances(MATRIX, [[1, None]])["input"][0, 1])
        same(from_instances(IMAGE, [[[[1], [2]], [[3], [4]]]]), "image", [[[[1], [2]], [[3], [4]]]], np.float32)
        assert "expected a number, got null" in refusal(from_instances, IMAGE, [[[[1], [None]], [[3], [4]]]])

    def test_objects(self) -> None:
        """Rows as objects go by column name, in any order."""
        found = from_instances(TABLE, [ROW, {"free": False, "rooms": 4, "city": "Rome", "age": 40.5}])

        same(found, "age", [39, 40.5], np.float64)
        same(found, "city", ["Paris", "Rome"], object)
        same(found, "rooms", [3, 4], np.int64)
        same(found, "free", [True, False], np.bool_)

    def test_null_in_a_text_column_is_nan(self) -> None:
        """null in a text column is NaN, as in a frame of pandas; None would be an unknown category."""
        for rows in ([ROW, ROW | {"city": None}], [ROW | {"city": None}]):
            value = from_instances(TABLE, rows)["city"][-1]
            assert isinstance(value, float)
            assert math.isnan(value)

    def test_missing_and_extra_columns(self) -> None:
        """A missing or unknown column is told with its row."""
        short = {key: value for key, value in ROW.items() if key != "age"}

        assert refusal(from_instances, TABLE, [ROW, short]) == "row 1: missing column 'age'"
        assert refusal(from_instances, TABLE, [ROW | {"x": "canary"}]) == "row 0: unknown column 'x'"
        assert refusal(from_instances, TABLE, [short | {"x": 1}]) == "row 0: missing column 'age'; unknown column 'x'"

    def test_wrong_kinds_in_columns(self) -> None:
        """A wrong kind is told with column and row, never with its value."""
        sentence = refusal(from_instances, TABLE, [ROW, ROW, ROW | {"age": "canary"}])
        assert sentence == "input 'age', row 2: expected a number, got text"
        assert refusal(from_instances, TABLE, [ROW | {"city": 7}]) == "input 'city', row 0: expected text, got a number"
        assert "mix" in refusal(from_instances, TABLE, [ROW, ROW | {"free": "canary"}])
        assert "expected shape [-1], got [1, 2]" in refusal(from_instances, TABLE, [ROW | {"age": [1, 2]}])

    def test_lists_by_position(self) -> None:
        """Rows as lists go by position, for columns as for several inputs."""
        same(from_instances(TABLE, [[39, "Paris", 3, 1]]), "city", ["Paris"], object)
        found = from_instances(TWO, [[[1, 2], 3], [[4, 5], 6]])
        same(found, "a", [[1, 2], [4, 5]], np.float32)
        same(found, "b", [[3], [6]], np.int32)

        assert "row 1: expected a list of 4 values" in refusal(from_instances, TABLE, [[39, "Paris", 3, 1], [1]])

    def test_several_inputs_by_name(self) -> None:
        """Several inputs go by name in every row."""
        same(from_instances(TWO, [{"b": 3, "a": [1, 2]}]), "b", [[3]], np.int32)

    def test_one_input_by_any_name(self) -> None:
        """An object with one key feeds the one input."""
        same(from_instances(MATRIX, [{"x": [1, 2]}, {"x": [3, 4]}]), "input", [[1, 2], [3, 4]], np.float64)
        assert "row 1" in refusal(from_instances, MATRIX, [{"x": [1, 2]}, {"y": [3, 4]}])

    def test_texts(self) -> None:
        """Texts come bare or in lists of one; base64 where bytes are wanted."""
        for rows in (["a", "b"], [["a"], ["b"]]):
            assert from_instances(TEXT, rows)["input"].tolist() == ["a", "b"]
        assert from_instances(PICTURE, [{"b64": "/9g="}])["input"].tolist() == [b"\xff\xd8"]
        assert refusal(from_instances, PICTURE, [{"b64": "canary!"}]) == "row 0: b64 is not base64"

    def test_records(self) -> None:
        """Objects of free keys pass as they are."""
        assert from_instances(RECORDS, [{"a": 1, "b": ["x", "y"]}])["input"].tolist() == [{"a": 1, "b": ["x", "y"]}]
        assert "row 1: values must be" in refusal(from_instances, RECORDS, [{"a": 1}, {"b": {}}])
        assert "row 0: expected an object" in refusal(from_instances, RECORDS, ["canary"])

    def test_mixed_matrix(self) -> None:
        """A model of untyped columns takes numbers beside text in a row, and null as NaN."""
        found = from_instances(UNKNOWN, [[39, "Paris", None], [40, "Rome", True]])["input"]

        assert found.dtype == object
        assert found[0, 1] == "Paris"
        assert math.isnan(found[0, 2])
        same(from_instances(UNKNOWN, [[1, 2, 3]]), "input", [[1, 2, 3]], np.int64)

    @pytest.mark.parametrize("instances", [None, [], {}, "canary", 5, [{"a": 1}, [1, 2]]])
    def test_no_rows(self, instances: Any) -> None:
        """Anything but a list of rows of one kind is refused."""
        refusal(from_instances, MATRIX, instances)


class TestColumns:
    """v1, by columns."""

    def test_by_name(self) -> None:
        """A mapping from name to column, or the one input's values."""
        columns = {"age": [39], "city": ["Paris"], "rooms": [3], "free": [1.5]}
        same(from_columns(TABLE, columns), "free", [1.5], np.float64)
        same(from_columns(MATRIX, [[1, 2]]), "input", [[1, 2]], np.float64)
        same(from_columns(MATRIX, {"any": [[1, 2]]}), "input", [[1, 2]], np.float64)

        assert "differ in rows" in refusal(from_columns, TABLE, columns | {"age": [1, 2]})
        assert refusal(from_columns, TABLE, {"age": [1]}) == "missing columns 'city', 'free', 'rooms'"
        assert "expected shape" in refusal(from_columns, TABLE, columns | {"age": 7})


def test_datatype_of() -> None:
    """Every numeric dtype has its datatype, text of any kind is BYTES, and dates have none."""
    for datatype in Datatype:
        assert Datatype.of(np.empty(0, dtype=datatype.numpy)) is datatype
    assert Datatype.of(np.array(["a"])) is Datatype.BYTES
    assert Datatype.of(np.empty(0, dtype=">f4")) is Datatype.FP32
    with pytest.raises(TypeError):
        Datatype.of(np.empty(0, dtype="M8[s]"))
