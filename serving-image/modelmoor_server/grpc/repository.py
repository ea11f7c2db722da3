"""The repository calls of GRPCInferenceService: the index, and loading and unloading, where that is allowed."""

import asyncio
from collections.abc import Callable
from typing import Any

from modelmoor_server.control import Control
from modelmoor_server.errors import RequestError
from modelmoor_server.grpc.calls import Caller
from modelmoor_server.grpc.messages import message_class, parsed


class RepositoryCalls:
    """Answered once it is done, as over REST. A load goes on when its caller has left."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def index(self, request: bytes, caller: Caller) -> bytes:
        """The models and their states."""
        asked = parsed(_class("RepositoryIndexRequest"), request)
        models = [listed._asdict() for listed in self._control.index(ready=asked.ready)]
        answer: bytes = _class("RepositoryIndexResponse")(models=models).SerializeToString()
        return answer

    async def load(self, request: bytes, caller: Caller) -> bytes:
        """RepositoryModelLoad. Raises RequestError."""
        asked = parsed(_class("RepositoryModelLoadRequest"), request)
        await _done(lambda done: self._control.load(asked.model_name, asked.parameters, done))
        return b""

    async def unload(self, request: bytes, caller: Caller) -> bytes:
        """RepositoryModelUnload. Raises RequestError."""
        asked = parsed(_class("RepositoryModelUnloadRequest"), request)
        await _done(lambda done: self._control.unload(asked.model_name, done))
        return b""


async def _done(begin: Callable[[Callable[[RequestError | None], None]], None]) -> None:
    outcome: asyncio.Future[RequestError | None] = asyncio.get_running_loop().create_future()

    def settle(problem: RequestError | None) -> None:
        if not outcome.done():  # the caller may have left
            outcome.set_result(problem)

    begin(settle)
    if (problem := await outcome) is not None:
        raise problem


def _class(name: str) -> Any:
    return message_class(f"inference.{name}")
