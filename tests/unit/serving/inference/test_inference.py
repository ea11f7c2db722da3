"""Request -> response around one model: where it runs, what it may cost, and what becomes of it when nobody waits."""

import asyncio
import threading
from collections.abc import Callable

import numpy as np
import pytest

from modelmoor_server.errors import InvalidRequest, Overloaded, PredictFailed, TimedOut
from modelmoor_server.inference import INLINE_BYTES, Inference, output_tensor, rows_of
from modelmoor_server.metrics import Abandoned
from unit.serving.inference.models import Asked, Scripted, held, served

MAIN = threading.main_thread().name
Make = Callable[..., Inference]


@pytest.fixture
async def make() -> Make:
    """Builds an Inference around a scripted model; by default a row takes 10 microseconds."""
    return served


async def test_cheap_request_runs_on_the_loop(make: Make) -> None:
    """A request that costs less than a thread change is answered at once."""
    model = Scripted()
    inference = make(model)
    asked = Asked(inference)

    assert inference.submit(asked) is None
    assert asked.outcome.result() == b"[2.0]"
    assert model.threads == [MAIN]


@pytest.mark.parametrize(
    ("rows", "size", "row"),
    [(1000, 100, 1e-5), (1, INLINE_BYTES + 1, 1e-5), (1, 100, 0.01), (1, 100, None)],
    ids=["many rows", "large body", "slow model", "never measured"],
)
async def test_dear_request_runs_on_the_models_thread(make: Make, rows: int, size: int, row: float | None) -> None:
    """What may take more than two milliseconds leaves the loop; a large body is parsed there, too."""
    model = Scripted()
    asked = Asked(inference := make(model, row=row), rows=rows, size=size)

    assert inference.submit(asked) is not None
    assert await asked.outcome == str([2.0 * rows]).encode()
    assert model.threads == ["model-m"]
    assert asked.decoded == (["model-m"] if size > INLINE_BYTES else [MAIN])
    assert not inference.busy


async def test_one_predict_at_a_time(make: Make) -> None:
    """While the model's thread is at work, even a cheap request waits its turn: a model is never entered twice."""
    gate = threading.Event()
    model = Scripted(lambda x: (gate.wait(20) if len(x) > 1 else None, x)[1])
    inference = make(model)
    first, second = Asked(inference, rows=1000), Asked(inference)
    inference.submit(first)

    assert inference.submit(second) is not None
    gate.set()
    assert await first.outcome == b"[1000.0]"
    assert await second.outcome == b"[1.0]"
    assert model.threads == ["model-m", "model-m"]


async def test_what_does_not_fit_is_told_at_once(make: Make) -> None:
    """A request that does not fit the signature never reaches the model."""
    model = Scripted()
    inference = make(model)
    for asked in (Asked(inference, rows=-1), Asked(inference, rows=-1, size=INLINE_BYTES + 1)):
        inference.submit(asked)
        outcome = await asked.outcome

        assert isinstance(outcome, InvalidRequest)
        assert str(outcome) == "input 'x', row 0: expected a number, got text"
    assert model.threads == []


@pytest.mark.parametrize("rows", [1, 1000], ids=["on the loop", "on the thread"])
@pytest.mark.parametrize("error", [ValueError("secret-payload"), SystemExit(3), MemoryError(), RecursionError()])
async def test_a_model_may_raise_anything(
    make: Make, rows: int, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets our sentence and the type, the log the place, none the text; the next request is answered."""

    def act(x: np.ndarray) -> np.ndarray:
        if not failed:
            failed.append(True)
            raise error
        return x

    failed: list[bool] = []
    inference = make(Scripted(act))
    asked, following = Asked(inference, rows), Asked(inference, rows)
    inference.submit(asked)
    outcome = await asked.outcome
    inference.submit(following)

    assert isinstance(outcome, PredictFailed)
    assert type(error).__name__ in str(outcome)
    assert "secret" not in str(outcome)
    assert await following.outcome == str([float(rows)]).encode()
    (record,) = [record for record in caplog.records if record.message == "PredictFailed"]
    assert record.fields["exception"] == type(error).__name__  # type: ignore[attr-defined]
    assert record.fields["at"].startswith("test_inference.py:")  # type: ignore[attr-defined]
    assert "secret" not in caplog.text


async def test_timeout(make: Make) -> None:
    """Past the timeout the caller is told; what runs runs on, what waits never begins, and the next one is answered."""
    gate = threading.Event()
    model = Scripted(held(threading.Event(), gate))
    inference = make(model, row=0.01, timeout=0.1)
    running, waiting = Asked(inference), Asked(inference)
    inference.submit(running)
    inference.submit(waiting)

    outcomes = [await running.outcome, await waiting.outcome]
    inference._timeout = 20  # the next one has all the time that a busy machine wants
    gate.set()
    following = Asked(inference)
    inference.submit(following)

    assert [type(outcome) for outcome in outcomes] == [TimedOut, TimedOut]
    assert str(outcomes[0]) == "The model did not answer within 0.1 s."
    assert await following.outcome == b"[1.0]"
    assert len(model.threads) == 2
    assert inference._counters.abandoned[Abandoned.TIMEOUT] == 2


async def test_left_caller(make: Make) -> None:
    """Work whose caller has left is dropped before it begins; what has begun cannot be stopped."""
    gate, begun = threading.Event(), threading.Event()
    model = Scripted(held(begun, gate))
    inference = make(model, row=0.01)
    running, waiting = Asked(inference), Asked(inference)
    first, second = inference.submit(running), inference.submit(waiting)
    await asyncio.to_thread(begun.wait, 20)

    assert first is not None
    assert second is not None
    assert (first.cancel(), second.cancel(), second.cancel()) == (False, True, False)
    gate.set()
    await running.outcome
    assert not inference.busy
    assert not waiting.outcome.done()
    assert len(model.threads) == 1
    assert inference._counters.abandoned == {Abandoned.TIMEOUT: 0, Abandoned.DISCONNECTED: 1}


async def test_full_queue(make: Make) -> None:
    """The queue is bounded: one more is told to come back."""
    gate, begun = threading.Event(), threading.Event()
    inference = make(Scripted(held(begun, gate)), row=0.01, queue_limit=2)
    asks = [Asked(inference)]
    inference.submit(asks[0])
    await asyncio.to_thread(begun.wait, 20)
    asks += [Asked(inference), Asked(inference)]
    for asked in asks[1:]:
        inference.submit(asked)
    refused = Asked(inference)

    assert inference.submit(refused) is None
    assert isinstance(refused.outcome.result(), Overloaded)
    gate.set()
    assert [await asked.outcome for asked in asks] == [b"[1.0]"] * 3


async def test_a_slow_surprise_moves_the_next_requests_to_the_thread(make: Make) -> None:
    """A row that takes far longer than the warm-up's corrects the estimate; cheap ones win it back."""
    slow = threading.Event()
    slow.set()
    model = Scripted(lambda x: (threading.Event().wait(0.05) if slow.is_set() else None, x)[1])
    inference = make(model, row=1e-4, learns=True)
    inference.submit(Asked(inference))
    slow.clear()
    asked = Asked(inference)

    assert inference.submit(asked) is not None
    await asked.outcome
    while (job := inference.submit(asked := Asked(inference))) is not None:
        await asked.outcome
    assert job is None
    assert len(model.threads) < 500


async def test_outputs(make: Make) -> None:
    """Outputs come in the asked order, each once; an unknown one is told by its place, with the known names."""
    inference = make(Scripted())

    assert inference.request({}).outputs == ("predict",)
    assert inference.request({}, ["twice", "predict", "twice"]).outputs == ("twice", "predict")
    with pytest.raises(InvalidRequest, match=r"^outputs\[1\]: the model has no such output; it has predict, twice$"):
        inference.request({}, ["predict", "nope"])


def test_output_tensor_is_what_doors_can_write() -> None:
    """Outputs are contiguous and of native byte order; text is an object array; dates are refused."""
    array = np.arange(6.0).reshape(2, 3).T.astype(">f8")
    tensor = output_tensor("y", array)

    assert (tensor.datatype, tensor.array.flags.c_contiguous, tensor.array.dtype.isnative) == ("FP64", True, True)
    assert tensor.array.tolist() == array.tolist()
    assert output_tensor("y", np.array(["a", "b"])).array.dtype == object
    with pytest.raises(TypeError):
        output_tensor("y", np.array(["2026-01-01"], dtype="datetime64[D]"))


def test_rows() -> None:
    """Dimension 0 counts rows; a scalar is one."""
    assert rows_of({"x": np.zeros((5, 2)), "y": np.zeros(())}) == 5
    assert rows_of({"x": np.zeros(())}) == 1
