"""The same rows by every protocol, and the peers' locks."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.cases import cases
from bench.models import NAMES, Model
from bench.processes import busy
from bench.protocols import answer, request
from bench.servers import SERVERS
from bench.triton import config
from modelmoor_server.grpc.messages import message_class

ROOT = Path(__file__).parents[3]
MATRIX = Model("iris", Path("iris.joblib"), {"input": np.arange(8.0).reshape(2, 4)}, np.array([1, 2]))
TABLE = Model(
    "mixed",
    Path("mixed.joblib"),
    {"age": np.array([20.0, 30.0]), "city": np.array(["Rome", "Oslo"], dtype=object)},
    np.array([0, 1]),
    table=True,
)


def test_json_bodies_hold_the_rows() -> None:
    """v1 has lists or objects, v2 flat data with a shape; a column of a table is a tensor of one column."""
    assert json.loads(request("v1", MATRIX, 1).body) == {"instances": [[0.0, 1.0, 2.0, 3.0]]}
    assert json.loads(request("own", TABLE, 1).body) == {"instances": [{"age": 20.0, "city": "Rome"}]}
    (tensor,) = json.loads(request("v2", MATRIX, 2).body)["inputs"]
    assert tensor == {"name": "input", "datatype": "FP64", "shape": [2, 4], "data": list(range(8))}
    columns = json.loads(request("v2", TABLE, 2).body)["inputs"]
    assert [(one["name"], one["shape"], one["data"]) for one in columns] == [
        ("age", [2, 1], [20.0, 30.0]),
        ("city", [2, 1], ["Rome", "Oslo"]),
    ]


def test_binary_bodies_hold_the_bytes_behind_the_json() -> None:
    """The header's length is told, and the sizes add up; texts have their length before them."""
    asked = request("binary", TABLE, 2)
    length = int(asked.headers["Inference-Header-Content-Length"])
    sizes = [one["parameters"]["binary_data_size"] for one in json.loads(asked.body[:length])["inputs"]]
    assert sizes == [16, 16]
    assert asked.body[length + 16 :] == b"\4\0\0\0Rome\4\0\0\0Oslo"


def test_answers_are_read_by_every_protocol() -> None:
    """JSON, binary tensors, raw and typed contents give the same numbers; anything else is a ValueError."""
    output = {"name": "a", "datatype": "INT64", "shape": [2]}
    assert answer("v1", {}, b'{"predictions": [1, 2]}') == [1, 2]
    assert answer("v2", {}, json.dumps({"outputs": [output | {"data": [1, 2]}]}).encode()) == [1, 2]
    head = json.dumps({"outputs": [output | {"parameters": {"binary_data_size": 16}}]}).encode()
    packed = np.array([1, 2]).tobytes()
    length = {"inference-header-content-length": str(len(head))}
    assert answer("binary", length, head + packed).tolist() == [1, 2]
    answered = message_class("inference.ModelInferResponse")
    raw = answered(outputs=[output], raw_output_contents=[packed])
    typed = answered(outputs=[output | {"contents": {"int64_contents": [1, 2]}}])
    assert answer("grpc", {}, raw.SerializeToString()).tolist() == [1, 2]
    assert answer("grpc", {}, typed.SerializeToString()) == [1, 2]
    for protocol in ("v1", "v2", "grpc"):
        with pytest.raises(ValueError, match="answer"):
            answer(protocol, {}, b"{}" if protocol != "grpc" else b"\xff")


def test_wrong_answers_are_found() -> None:
    """Other labels, fewer rows and another kind are wrong; the shape that a server gives them is its own affair."""
    assert MATRIX.differs([[1], [2]], 2) is None
    assert MATRIX.differs([1, 3], 2) == "other labels"
    assert MATRIX.differs([1], 2) == "an answer of another shape or kind"
    assert MATRIX.differs(["setosa"], 1) == "an answer of another shape or kind"


def test_every_peer_has_a_lock_with_the_library_that_saved_the_models() -> None:
    """Another scikit-learn would measure another model."""
    pins = (ROOT / "requirements" / "dev.txt").read_text().splitlines()
    wanted = [pin for pin in pins if pin.startswith(("scikit-learn==", "joblib=="))]
    for name in {server.environment for server in SERVERS} - {""}:
        locked = (ROOT / "requirements" / "bench" / f"{name}.txt").read_text().splitlines()
        assert set(wanted) <= set(locked), name


def test_triton_gets_the_shapes_and_types_of_the_model() -> None:
    """Dimensions are those of a row; the answer's type is that of the in-process answer."""
    told = config(TABLE)
    assert '{ name: "age" data_type: TYPE_FP64 dims: [1] }' in told
    assert '{ name: "city" data_type: TYPE_STRING dims: [1] }' in told
    assert '{ name: "answers" data_type: TYPE_INT64 dims: [1] }' in told


def test_every_model_is_asked_of_ours_and_of_a_peer() -> None:
    """Each case compares: ours, the floor and at least one peer have a part in it."""
    for quick in (False, True):
        for case in cases(NAMES, quick):
            kinds = {server.kind for server, _ in case.series(list(SERVERS))}
            assert {"ours", "floor", "python"} <= kinds


def test_busy_time_leaves_out_waiting() -> None:
    """User, nice, system, interrupts and stolen time of all cores; not idle, not waiting for a disk."""
    assert busy("cpu  100 200 300 9999 9999 10 20 30 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n") == pytest.approx(6.6)
