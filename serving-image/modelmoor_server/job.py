"""One request on its way through a model."""

import asyncio
from collections.abc import Hashable
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from modelmoor_server.errors import RequestError
from modelmoor_server.exchange import Call, InferenceRequest

if TYPE_CHECKING:
    from modelmoor_server.inference import Inference


class Job:
    """A call, and how far it has come.

    key: what a request must have in common with this one to share a call; None where none may.
    timeout: seconds it may take; `deadline`, of perf_counter, is when they are over. timer: there while the job is
        queued or runs on the model's thread, which looks at the deadline, too: the loop may be late.
    taken: seconds in the queue, once it left it.
    abandoned: the caller was told that time ran out. left: the caller hung up while it ran.
    at, parts: rows that earlier slices have answered, and those answers.
    """

    __slots__ = (
        "abandoned", "at", "call", "created", "deadline", "inference", "key", "left", "outcome", "parts", "request",
        "rows", "taken", "timeout", "timer",
    )  # fmt: skip

    def __init__(self, inference: "Inference", call: Call, timeout: float) -> None:
        self.inference = inference
        self.call = call
        self.created = perf_counter()
        self.timeout = timeout
        self.deadline = self.created + timeout
        self.request: InferenceRequest | None = None
        self.rows = 0
        self.key: Hashable | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.taken: float | None = None
        self.outcome: bytes | RequestError | None = None
        self.abandoned = False
        self.left = False
        self.at = 0
        self.parts: list[dict[str, np.ndarray]] = []

    @property
    def open(self) -> bool:
        """Whether there is still something to do for it."""
        return self.outcome is None and not self.abandoned

    def run(self) -> None:
        """Called on the model's thread."""
        self.inference.run(self)

    def cancel(self) -> bool:
        """The caller has left; tells whether the job was not running."""
        return self.inference.cancel(self)
