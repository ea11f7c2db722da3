"""Small models with the interface of a runtime, for what a real model cannot be made to do on demand."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modelmoor_server.cost import Cost
from modelmoor_server.errors import InvalidRequest, RequestError
from modelmoor_server.inference import Identity, Inference, InferenceRequest, InferenceResponse, Job
from modelmoor_server.metrics import ModelCounters
from modelmoor_server.model_thread import ModelThread
from modelmoor_server.runtimes.base import Independence
from modelmoor_server.signature import Datatype, Field, Signature

SIGNATURE = Signature(
    inputs=(Field("x", Datatype.FP64, (-1, 1)),),
    outputs=(Field("predict", Datatype.FP64, (-1, 1)), Field("twice", Datatype.FP64, (-1, 1))),
)


SLOW = 0.003  # seconds a row: too slow for the loop
IDENTITY = Identity("m", "sha256:0123456789abcdef", "sklearn", "scikit-learn 1.9.1", None)


@dataclass
class Scripted:
    """A model of one column that does what the test says. Its predict can be held, and raise anything."""

    act: Callable[[np.ndarray], np.ndarray] = field(default=lambda x: x * 2)
    format: str = "sklearn"
    framework: str = "scikit-learn 1.9.1"
    default_outputs: tuple[str, ...] = ("predict",)
    warnings: tuple[str, ...] = ()
    threads: list[str] = field(default_factory=list)
    calls: list[list[float]] = field(default_factory=list)
    signature: Signature = SIGNATURE
    independence: Independence = Independence.UNKNOWN
    alternatives: Mapping[str, Signature] = field(default_factory=dict)

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.threads.append(threading.current_thread().name)
        self.calls.append(inputs["x"][:, 0].tolist())
        return dict.fromkeys(outputs, self.act(inputs["x"]))

    def example(self) -> dict[str, np.ndarray]:
        return {"x": np.zeros((1, 1))}


@dataclass
class Asked:
    """A call without a protocol: rows in, the text of the answer out."""

    inference: Inference
    rows: int = 1
    size: int = 100
    value: float = 1.0
    outputs: tuple[str, ...] = ()
    dtype: str = "f8"
    outcome: "asyncio.Future[bytes | RequestError]" = field(default_factory=asyncio.Future)
    decoded: list[str] = field(default_factory=list)

    def decode(self) -> InferenceRequest:
        self.decoded.append(threading.current_thread().name)
        if self.rows < 0:
            raise InvalidRequest("input 'x', row 0: expected a number, got text")
        return self.inference.request({"x": np.full((self.rows, 1), self.value, self.dtype)}, self.outputs)

    def encode(self, response: InferenceResponse) -> bytes:
        return str([output.array.sum().item() for output in response.outputs]).encode()

    def done(self, outcome: bytes | RequestError) -> None:
        self.outcome.set_result(outcome)


def held(begun: threading.Event, gate: threading.Event) -> Callable[[np.ndarray], np.ndarray]:
    """A predict that tells when it begins, and ends when the gate opens."""

    def act(x: np.ndarray) -> np.ndarray:
        begun.set()
        gate.wait(20)
        return x

    return act


class Known(Cost):
    """What a row takes is given once and for all."""

    def observe(self, rows: int, seconds: float) -> None:
        """Learn nothing: a call that a gate or a busy machine holds up says nothing of the model."""


def served(
    model: Scripted,
    *,
    row: float | None = 1e-5,
    learns: bool = False,
    timeout: float = 20,
    queue_limit: int = 10,
    **more: Any,
) -> Inference:
    """An Inference around a model of which a row takes `row` seconds, whatever calls take here, unless it `learns`."""
    cost = Cost() if learns else Known()
    if row is not None:
        cost.measure(row, row * 2, 2)
    thread: ModelThread[Job] = ModelThread("m")
    loop = asyncio.get_running_loop()
    return Inference(
        IDENTITY, model, cost, thread, ModelCounters(), timeout=timeout, queue_limit=queue_limit, loop=loop, **more
    )


def close(act: Callable[[np.ndarray], np.ndarray] = lambda x: x, **more: Any) -> Scripted:
    """A model whose rows are independent."""
    return Scripted(act, **({"independence": Independence.CLOSE} | more))


async def busy(inference: Inference, begun: threading.Event) -> Asked:
    """The model's thread is at work with a first request."""
    first = Asked(inference, value=-1.0)
    inference.submit(first)
    await asyncio.to_thread(begun.wait, 20)
    return first


class Held:
    """A model on its thread that is held until the test lets it go; later calls are not."""

    def __init__(self, act: Callable[[np.ndarray], np.ndarray] = lambda x: x, **more: Any) -> None:
        self.begun, self.gate = threading.Event(), threading.Event()
        hold = held(self.begun, self.gate)
        self.model = close(lambda x: act(x) if self.gate.is_set() else hold(x), **more)
