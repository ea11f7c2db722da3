"""The real way of a request without a socket: routes, door, signature, batching, runtime, and the answer's bytes."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from modelmoor_server.control import Control
from modelmoor_server.cost import Cost
from modelmoor_server.http.message import Head, Response, Route
from modelmoor_server.inference import Identity, Inference, Job
from modelmoor_server.metrics import Counters, ModelCounters
from modelmoor_server.model_thread import ModelThread
from modelmoor_server.repository import Repository
from modelmoor_server.rest.routes import Routes
from modelmoor_server.runtimes import Model
from modelmoor_server.settings import Batching
from unit.serving.inference.models import Known
from unit.serving.nobody import Nobody

NAME = "m"
THREAD: "ModelThread[Job]" = ModelThread("equality")  # one for all models, one after another


class Free(Known):
    """A model whose rows cost nothing, however long they took."""

    def __init__(self) -> None:
        super().__init__()
        self.measure(1e-9, 1e-9, 2)


async def _no_metrics() -> bytes:
    raise AssertionError("nobody asks for them")


class Core:
    """One model in service, inside of this process. `ask` sends requests in one turn of the loop.

    cheap: whether the model is taken for one whose rows cost nothing, so that one turn makes one call on the loop;
    otherwise everything goes to the model's thread.
    """

    def __init__(self, model: Model, *, cheap: bool = True, **batching: Any) -> None:
        self.counters = Counters(models={NAME: ModelCounters()})
        repository = Repository([NAME])
        self.inference = Inference(
            Identity(NAME, "sha256:0123456789abcdef", model.format, model.framework, None),
            model,
            Free() if cheap else Cost(),
            THREAD,
            self.counters.models[NAME],
            timeout=60,
            queue_limit=1000,
            loop=asyncio.get_running_loop(),
            batching=Batching(**batching),
        )
        repository.serve(self.inference)
        control = Control(repository, Nobody(), allowed=False)
        self._routes = Routes(repository, control, self.counters, _no_metrics, 1 << 26, 1 << 26)

    async def ask(self, bodies: Sequence[Any], path: str = f"/v2/models/{NAME}/infer") -> list[tuple[int, Any]]:
        """Status and JSON of the answer to each body, all sent at once."""
        return await asyncio.gather(*(self._one(path, body) for body in bodies))

    @property
    def calls(self) -> int:
        """How often the model was called."""
        return sum(self.counters.models[NAME].batch.counts)

    async def _one(self, path: str, body: Any) -> tuple[int, Any]:
        answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        data = body if isinstance(body, bytes) else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        head = Head(b"POST", path.encode(), {b"content-type": b"application/json"}, len(data), True)
        route: Route = self._routes(head)
        route.start(head, data, answered.set_result)
        response = await asyncio.wait_for(answered, 60)
        return response.status, orjson.loads(response.body)
