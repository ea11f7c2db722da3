"""The v2 door on a real `Inference`, without a network: a model that answers what it is asked, in every datatype."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from modelmoor_server.cost import Cost
from modelmoor_server.http.message import Head, Response
from modelmoor_server.inference import Identity, Inference
from modelmoor_server.metrics import Counters, ModelCounters
from modelmoor_server.model_thread import ModelThread
from modelmoor_server.repository import Entry, State
from modelmoor_server.rest.calls import PredictRoute
from modelmoor_server.rest.v2 import V2Call
from modelmoor_server.runtimes.base import Independence
from modelmoor_server.signature import Datatype, Field, Signature

GOLDENS = Path(__file__).with_name("tritonclient")
HEADER = b"inference-header-content-length"
JSON_LIMIT = 64 * 1024
EVERY = tuple(Field(datatype.lower(), datatype, (-1,)) for datatype in Datatype)


@dataclass
class Echo:
    """A model whose outputs are its inputs, byte for byte; answers: outputs that are not."""

    fields: tuple[Field, ...] = EVERY
    answers: Mapping[str, np.ndarray] = field(default_factory=dict)
    outputs: tuple[Field, ...] = ()
    format: str = "sklearn"
    framework: str = "scikit-learn 1.9.1"
    warnings: tuple[str, ...] = ()
    independence: Independence = Independence.UNKNOWN
    alternatives: Mapping[str, Signature] = field(default_factory=dict)

    @property
    def signature(self) -> Signature:
        return Signature(self.fields, self.outputs or self.fields)

    @property
    def default_outputs(self) -> tuple[str, ...]:
        return tuple(output.name for output in self.signature.outputs)

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        return {name: self.answers[name] if name in self.answers else inputs[name] for name in outputs}

    def example(self) -> dict[str, np.ndarray]:
        raise AssertionError("nobody asks")


@dataclass
class Answer:
    """What came back. header: the JSON. data: the bytes behind it."""

    status: int
    header: Any
    data: bytes
    response: Response


def ask(model: Echo, body: Any, length: int | str | None = None) -> Answer:
    """One request, whole: bytes with what its header says of their length, or anything that JSON can say."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return asyncio.run(_ask(model, raw, {} if length is None else {HEADER: str(length).encode("latin-1")}))


def golden(name: str) -> tuple[bytes, int | None]:
    """A request of tritonclient, and its Inference-Header-Content-Length."""
    (path,) = GOLDENS.glob(f"{name}.*")
    ending = path.suffix[1:]
    return path.read_bytes(), None if ending == "json" else int(ending)


async def _ask(model: Echo, body: bytes, headers: dict[bytes, bytes]) -> Answer:
    loop = asyncio.get_running_loop()
    thread = ModelThread("echo")
    identity = Identity("echo", "sha256:0123456789abcdef", "sklearn", "scikit-learn 1.9.1", None)
    cost = Cost()
    cost.measure(1e-5, 1e-5, 1)
    counters = ModelCounters()
    inference = Inference(identity, model, cost, thread, counters, timeout=20, queue_limit=8, loop=loop)
    entry = Entry("echo", State.READY, inference)
    route = PredictRoute(entry, V2Call, Counters(models={"echo": counters}), JSON_LIMIT, 1 << 20)
    answered: asyncio.Future[Response] = loop.create_future()
    head = Head(b"POST", b"/v2/models/echo/infer", headers, len(body), True)
    route.start(head, body, answered.set_result)
    response = await answered
    inference.retire()
    await asyncio.to_thread(inference.wait)
    size = int(dict(response.headers).get(b"Inference-Header-Content-Length", len(response.body)))
    return Answer(response.status, json.loads(response.body[:size]), response.body[size:], response)
