"""Large bodies come back from the decoding process as they would have been decoded here, whatever happens to it."""

import asyncio
import json
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

import numpy as np
import pytest

from modelmoor_server.apart.reader import (
    WAITING,
    Decoded,
    Portable,
    Reader,
    Reading,
)
from modelmoor_server.errors import InvalidRequest, Overloaded, RequestError, TimedOut, TooLarge
from modelmoor_server.intake import Identity, Intake
from modelmoor_server.rest.calls import HttpCall
from modelmoor_server.rest.v1 import V1Call
from modelmoor_server.rest.v2 import V2Call
from modelmoor_server.signature import Datatype, Field, Signature

OUTPUTS = (Field("predict", Datatype.FP64, (-1,)), Field("twice", Datatype.FP64, (-1,)))
MATRIX = Signature((Field("x", Datatype.FP64, (-1, 4)),), OUTPUTS)
WORDS = Signature((Field("x", Datatype.BYTES, (-1,), nullable=True),), OUTPUTS, text=True)
TABLE = Signature(
    (Field("age", Datatype.FP64, (-1,), nullable=True), Field("city", Datatype.BYTES, (-1,))), OUTPUTS, ("age", "city")
)
DATES = Signature((Field("x", None, (-1,), nullable=True),), OUTPUTS)
RECORDS = Signature((Field("x", None, (-1,)),), OUTPUTS, records=True)
ROWS = [[0.1, -1e300, 3, 2**53 + 1]] * 30_000
LABELS = ["é", "", "Rome"] * 15_000


def _tensor(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "shape": [30_000, 4], "datatype": "FP64", "data": ROWS} | changes], "id": "ä-1"}


CASES: Mapping[str, tuple[Signature, type[HttpCall], Any]] = {
    "v1, rows": (MATRIX, V1Call, {"instances": ROWS}),
    "v1, columns": (MATRIX, V1Call, {"inputs": {"x": ROWS}}),
    "v1, objects": (TABLE, V1Call, {"instances": [{"age": None, "city": "Rome"}, {"age": 1, "city": ""}] * 9000}),
    "v1, texts": (WORDS, V1Call, {"instances": LABELS}),
    "v1, records": (RECORDS, V1Call, {"instances": [{"a": 1, "b": "x"}, {}] * 20_000}),
    "v1, a fraction too few": (MATRIX, V1Call, {"instances": [*ROWS, [1, 2]]}),
    "v2, nested": (MATRIX, V2Call, _tensor() | {"outputs": [{"name": "twice"}]}),
    "v2, flat, with NaN": (MATRIX, V2Call, _tensor(data=[float("nan"), 1, 2, 3] * 30_000)),
    "v2, texts": (WORDS, V2Call, _tensor(datatype="BYTES", shape=[45_000, 1], data=[*LABELS[:-1], None])),
    "v2, dates": (
        DATES,
        V2Call,
        _tensor(datatype="BYTES", shape=[20_000], data=["2024-01-01T03:04:05", None] * 10_000)
        | {"parameters": {"content_type": "datetime"}},
    ),
    "v2, data against shape": (MATRIX, V2Call, _tensor(shape=[1, 4])),
    "v2, unknown output": (MATRIX, V2Call, _tensor() | {"outputs": [{"name": "nope"}]}),
    "not JSON": (MATRIX, V2Call, b"[" * 400_000),
}


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    """A reader with a child of its own."""
    reader = Reader(asyncio.get_running_loop(), timeout=60)
    yield reader
    reader.close()


def _portable(signature: Signature, kind: type[HttpCall]) -> Portable:
    intake = Intake(Identity("m", "sha256:00", "sklearn", "scikit-learn 1.9.1", None), signature, ("predict",))
    return Portable(kind, {}, intake)


def _ask(reader: Reader, portable: Portable, body: bytes) -> "tuple[Reading | None, asyncio.Future[Any]]":
    outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    return reader.read(portable, body, outcome.set_result), outcome


async def _read(reader: Reader, portable: Portable, body: bytes) -> Decoded | RequestError:
    return cast("Decoded | RequestError", await _ask(reader, portable, body)[1])


def _here(portable: Portable, body: bytes) -> Decoded | RequestError:
    call = HttpCall.rebuilt(portable, body)
    try:
        return Decoded(call.decode(), call.state())
    except RequestError as error:
        return error


@pytest.mark.parametrize("name", CASES)
async def test_decoded_as_in_process(reader: Reader, name: str) -> None:
    """Arrays, asked outputs, id and what the door noted are the same as without the child; so are the refusals."""
    signature, kind, document = CASES[name]
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    portable = _portable(signature, kind)
    here, apart = _here(portable, body), await _read(reader, portable, body)

    if isinstance(here, RequestError):
        assert (type(apart), str(apart)) == (InvalidRequest, str(here))
        return
    assert isinstance(apart, Decoded)
    assert (apart.request.outputs, apart.request.id, apart.state) == (here.request.outputs, here.request.id, here.state)
    assert apart.request.inputs.keys() == here.request.inputs.keys()
    for column, array in here.request.inputs.items():
        found = apart.request.inputs[column]
        assert (found.dtype, found.shape, found.flags.writeable) == (array.dtype, array.shape, True)
        if array.dtype == object:
            assert found.tolist() == array.tolist()  # identity counts for NaN, which is one object in both
        else:
            np.testing.assert_array_equal(found, array)


def _shrunk(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_AS, (1, 1))


def _killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("harm", [_shrunk, _killed])
async def test_a_child_that_is_harmed_is_replaced(reader: Reader, harm: Callable[[int], None]) -> None:
    """Without memory, or killed, the child costs one caller a refusal that names the way out; the next one is read."""
    portable, body = _portable(MATRIX, V1Call), json.dumps({"instances": ROWS}).encode()
    await _read(reader, portable, body)
    assert reader._child is not None
    pid = reader._child._process.pid
    harm(pid)
    refused = await _read(reader, portable, body)

    assert isinstance(refused, (TooLarge, Overloaded))
    assert "rows" in str(refused)
    if harm is _shrunk and isinstance(refused, TooLarge):
        return  # it is alive, and stays as small as it was made
    assert isinstance(await _read(reader, portable, body), Decoded)
    assert reader._child._process.pid != pid


async def test_the_queue_is_bounded_and_can_be_left(reader: Reader) -> None:
    """So many bodies wait and no more; a caller who leaves gives his place back; each is told once."""
    portable, body = _portable(MATRIX, V1Call), json.dumps({"instances": ROWS}).encode()
    await _read(reader, portable, body)
    assert reader._child is not None
    os.kill(reader._child._process.pid, signal.SIGSTOP)
    begun, first = _ask(reader, portable, body)
    while reader._waiting:
        await asyncio.sleep(0.001)
    waiting = [_ask(reader, portable, body) for _ in range(WAITING)]
    surplus, refused = _ask(reader, portable, body)
    assert (surplus, type(refused.result())) == (None, Overloaded)
    left, never = waiting.pop()
    assert left is not None
    assert begun is not None
    assert (left.cancel(), left.cancel(), begun.cancel()) == (True, False, False)
    waiting.append(_ask(reader, portable, body))
    os.kill(reader._child._process.pid, signal.SIGCONT)

    for _, outcome in waiting:
        assert isinstance(await outcome, Decoded)
    assert isinstance(await first, Decoded)
    assert not never.done()


async def test_timeout() -> None:
    """A body that is not read in time is given up, in hand or waiting; the next one is read by a new child."""
    reader = Reader(asyncio.get_running_loop(), timeout=60)
    portable, body = _portable(MATRIX, V1Call), json.dumps({"instances": ROWS}).encode()
    await _read(reader, portable, body)
    assert reader._child is not None
    stopped = reader._child._process
    reader.timeout = 0.1
    os.kill(stopped.pid, signal.SIGSTOP)
    asked = [_ask(reader, portable, body) for _ in range(2)]
    outcomes = [await outcome for _, outcome in asked]
    reader.timeout = 60

    assert [type(outcome) for outcome in outcomes] == [TimedOut, TimedOut]
    assert isinstance(await _read(reader, portable, body), Decoded)
    assert stopped.poll() == -signal.SIGKILL
    reader.close()
