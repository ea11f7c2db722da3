"""What the operator does when the API server asks for a pause (429 with Retry-After)."""

import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from kubernetes.aio import client

from modelmoor_operator.cluster import Cluster
from modelmoor_operator.errors import Refused
from modelmoor_operator.fence import Fence
from modelmoor_operator.kinds import DEPLOYMENT, POD
from modelmoor_operator.throttle import TokenBucket

BODY = {"metadata": {"name": "a", "namespace": "b"}}


class Server:
    """Says 429 so often, with that Retry-After, and keeps the time of each request; no real one does so on demand."""

    def __init__(self) -> None:
        self.refusals = 0
        self.after = "1"
        self.times: list[float] = []

    async def answer(self, _: web.Request) -> web.Response:
        self.times.append(time.monotonic())
        if len(self.times) > self.refusals:
            return web.json_response(BODY | {"items": []})
        return web.json_response({"message": "too many"}, status=429, headers={"Retry-After": self.after})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def cluster(server: Server, unused_tcp_port: int) -> AsyncIterator[Cluster]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    fence = Fence()
    fence.renewed(fence.clock())
    settings = client.Configuration(host=f"http://127.0.0.1:{unused_tcp_port}")
    door = Cluster(settings, fence, TokenBucket(100, 100, time.monotonic))
    yield door
    await door.close()
    await runner.cleanup()


async def test_a_write_comes_once_more_after_the_named_time(server: Server, cluster: Cluster) -> None:
    """The pass goes on as if nothing had been, a second later."""
    server.refusals = 1
    await cluster.apply(DEPLOYMENT, BODY, manager="m")
    assert len(server.times) == 2
    assert server.times[1] - server.times[0] >= 1.0


async def test_a_read_waits_as_well(server: Server, cluster: Cluster) -> None:
    """Lists weigh more than writes."""
    server.refusals = 1
    assert await cluster.list(POD, "b") == []
    assert server.times[1] - server.times[0] >= 1.0


async def test_a_second_refusal_ends_the_pass(server: Server, cluster: Cluster) -> None:
    """The key comes back with back-off, no earlier than the API server said."""
    server.refusals = 5
    with pytest.raises(Refused) as caught:
        await cluster.apply(DEPLOYMENT, BODY, manager="m")
    assert caught.value.retry_after == 1.0
    assert len(server.times) == 2


async def test_a_long_pause_is_not_waited_for(server: Server, cluster: Cluster) -> None:
    """A worker has other keys."""
    server.refusals, server.after = 5, "60"
    with pytest.raises(Refused) as caught:
        await cluster.apply(DEPLOYMENT, BODY, manager="m")
    assert caught.value.retry_after == 60.0
    assert len(server.times) == 1


async def test_one_refusal_holds_all_writers() -> None:
    """The API server asked the operator, not one of its passes."""
    bucket = TokenBucket(100, 100, time.monotonic)
    await bucket.take()
    begun = time.monotonic()
    bucket.hold(0.2)
    await bucket.take()
    assert time.monotonic() - begun >= 0.2
