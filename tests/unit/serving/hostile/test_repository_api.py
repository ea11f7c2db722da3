"""Models that callers may load, and models of records: nobody brings a model, a path or a number that ends a server."""

import json
from collections.abc import Iterator

import joblib
import numpy as np
import pytest
from hypothesis import given
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from unit.serving.hostile.doors import MARKER, Door, Sending
from unit.serving.hostile.grpc_doors import INFERENCE, Grpc
from unit.serving.hostile.rest_doors import Rest
from unit.serving.hostile.spoiling import sendings
from unit.serving.hostile.test_malformed import examples, quiet
from unit.serving.process import GRPC, Started, by_hand, started

pytestmark = pytest.mark.slow
RECORDS = [{"a": 1.0, "b": "x"}, {"a": 2}]
_TEXTS = {"name": "x", "shape": [2], "datatype": "BYTES", "data": [json.dumps(row) for row in RECORDS]}
_RAW = {"1": "x", "2": "BYTES", "3": [1], "5": {"8": ['{"a": 1, "b": "x"}']}}
DOORS: tuple[Door, ...] = (
    Rest("load", [(f"/v2/repository/models/{name}/load", {"parameters": {"a": 1}}) for name in ("dicts", "hashes")]),
    Rest("records", [(f"/v1/models/{name}:predict", {"instances": RECORDS}) for name in ("dicts", "hashes")]),
    Rest("texts", [(f"/v2/models/{name}/infer", {"inputs": [_TEXTS]}) for name in ("dicts", "hashes")]),
    Rest("frames", [("/invocations?model=dicts", {"dataframe_records": [{"a": 1, "b": "x"}]})]),
    Grpc("grpc-load", [(f"{INFERENCE}/RepositoryModelLoad", {"2": "dicts", "3": {"1": "a", "2": {"2": 1}}})]),
    Grpc("grpc-texts", [(f"{INFERENCE}/ModelInfer", {"1": name, "5": [_RAW]}) for name in ("dicts", "hashes")]),
)
ODD = (
    b"NaN", b"-Infinity", b"1e999", b"1" * 400, b"1" * 8000, b"18446744073709551616", b'"\\ud800"', b'["\\ud800"]',
    b"[]", b'["x", "y"]', b"[1]", b"null", b"{}", b"true", b'"\\u0000"', b"[" * 900 + b"]" * 900, b'{"b64": "AAAA"}',
)  # fmt: skip


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A server of two models of records, which callers may load, and one that nobody touches."""
    folder = tmp_path_factory.mktemp("records")
    for name, first in {"dicts": DictVectorizer(), "hashes": FeatureHasher(16)}.items():
        model = make_pipeline(first, LinearRegression()).fit(RECORDS * 5, [1.0, 2.0] * 5)
        joblib.dump(model, folder / f"{name}.joblib")
    joblib.dump(LinearRegression().fit(np.eye(3), [1.0, 2.0, 3.0]), folder / "sum.joblib")
    with started([*by_hand(folder, "dicts", "hashes", "sum"), *GRPC, "--repository-api"]) as server:
        server.event("Ready")
        yield server


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_good_requests_are_good(changing: Started, door: Door) -> None:
    """What the other test spoils is answered as it is."""
    for target, document in door.good:
        verdict = door.send(changing, Sending(target, *door.encode(document)))
        assert verdict.answered, (target, verdict)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_spoiled_requests(changing: Started, door: Door) -> None:
    """Each is answered or refused; a model that was unloaded on the way is loaded again."""

    @examples(250)
    @given(sendings(door))
    def one(sending: Sending) -> None:
        verdict = door.send(changing, sending)
        assert verdict.answered or verdict.refused, (sending, verdict)

    one()
    quiet(changing)
    for name in ("dicts", "hashes"):
        assert changing.ask("POST", f"/v2/repository/models/{name}/load", {})[0] == 200


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("model", ["dicts", "hashes"])
def test_odd_values_of_a_record(changing: Started, model: str, value: bytes) -> None:
    """A value that the model cannot take is the caller's to change, in either protocol, with or without NaN beside."""
    records = b'{"%b": %b}' % (MARKER.encode(), value)
    texts = json.dumps({"inputs": [_TEXTS | {"shape": [1], "data": [records.decode()]}]}).encode()
    for target, body in (
        (f"/v1/models/{model}:predict", b'{"instances": [%b]}' % records),
        (f"/v1/models/{model}:predict", b'{"x": NaN, "instances": [%b]}' % records),
        (f"/v2/models/{model}/infer", texts),
    ):
        status, answer = changing.ask("POST", target, body)

        assert status == 200 or 400 <= status < 500, (target, answer)
        assert MARKER not in json.dumps(answer)
    quiet(changing)
