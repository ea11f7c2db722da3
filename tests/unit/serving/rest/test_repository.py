"""The repository API at the door: the index, the switch, and what a caller is told."""

import asyncio
from typing import Any

import pytest

from modelmoor_server.control import Control
from modelmoor_server.errors import ModelError, ModelNotReady, NotLoaded, Phase, Reason, RequestError
from modelmoor_server.repository import Repository
from unit.serving.process import Started

LOAD = "/v2/repository/models/iris/load"


def test_index(doors: Started) -> None:
    """Every model with version and state, as Triton lists them, also of those that are ready alone."""
    versions = {name: doors.ask("GET", f"/v2/models/{name}")[1]["versions"][0] for name in ("iris", "people")}
    for body in (None, {}, {"ready": False}, {"ready": True}):
        status, listed = doors.ask("POST", "/v2/repository/index", body)

        assert status == 200
        assert [model["name"] for model in listed] == ["iris", "people", "text", "sum"]
        assert listed[1] == {"name": "people", "version": versions["people"], "state": "READY", "reason": ""}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"ready": 1}, "ready must be true or false."),
        (b"[]", "The body must be a JSON object."),
        (b"{", "The body is not valid JSON (line 1, column 2)."),
    ],
)
def test_index_of_something_else(doors: Started, body: Any, sentence: str) -> None:
    """A body that is no filter is a 400."""
    assert doors.ask("POST", "/v2/repository/index", body) == (400, {"error": sentence})


@pytest.mark.parametrize("path", [LOAD, "/v2/repository/models/iris/unload"])
def test_loading_is_off_unless_asked_for(doors: Started, path: str) -> None:
    """Without the switch a caller changes nothing, and is told its name."""
    status, answer = doors.ask("POST", path, {})

    assert status == 403
    assert "--repository-api" in answer["error"]
    assert "MODELMOOR_REPOSITORY_API=Allow" in answer["error"]
    assert doors.ask("GET", "/v2/models/iris/ready")[0] == 200
    assert "model_repository" not in doors.ask("GET", "/v2")[1]["extensions"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/repository/index", 405),
        ("GET", LOAD, 405),
        ("POST", "/v2/repository/models/nope/load", 404),
        ("POST", "/v2/repository/models/iris/eject", 404),
        ("POST", "/v2/repository/models/%69ris/load", 403),
    ],
)
def test_paths(doors: Started, method: str, path: str, status: int) -> None:
    """Paths of the repository answer as all others do."""
    assert doors.ask(method, path)[0] == status


class Loads:
    """Loading, with what the test wants to come of it."""

    def __init__(self, failure: ModelError | None = None) -> None:
        self.failure = failure
        self.asked: list[str] = []

    async def load(self, name: str) -> None:
        self.asked.append(f"load {name}")
        if self.failure is not None:
            raise self.failure

    async def unload(self, name: str) -> None:
        self.asked.append(f"unload {name}")


@pytest.mark.parametrize(
    ("reason", "kind"), [(Reason.CORRUPT_ARTIFACT, NotLoaded), (Reason.STORE_UNAVAILABLE, ModelNotReady)]
)
async def test_a_failure_is_told(reason: Reason, kind: type[RequestError]) -> None:
    """A caller learns reason, cause and next step; a store that is away is worth another try."""
    loads = Loads(ModelError(Phase.LOAD, reason, "The file is cut off.", "Save it anew."))
    told: list[RequestError | None] = []
    control = Control(Repository(["m"]), loads, allowed=True)
    control.load("m", {}, told.append)
    await _turns()

    (problem,) = told
    assert type(problem) is kind
    assert str(problem) == f"Model m was not loaded ({reason}): The file is cut off. Save it anew."


async def test_a_load_that_outlives_the_server() -> None:
    """Who waits for a load when the process is told to end is answered; nobody begins another."""

    class Endless(Loads):
        async def load(self, name: str) -> None:
            await _forever()

    repository = Repository(["m"])
    control = Control(repository, Endless(), allowed=True)
    told: list[RequestError | None] = []
    control.load("m", {}, told.append)
    await _turns()
    repository.drain()
    control.stop()
    await _turns()

    assert [str(problem) for problem in told] == ["The server is shutting down."]
    with pytest.raises(ModelNotReady, match="shutting down"):
        control.unload("m", told.append)


async def test_nobody_brings_a_model_of_his_own() -> None:
    """Triton's `config` and `file:` parameters would change what is served: they are refused; others pass."""
    loads = Loads()
    control = Control(Repository(["m"]), loads, allowed=True)
    told: list[RequestError | None] = []
    for parameters in ({"config": "{}"}, {"file:1/model.joblib": "x"}):
        with pytest.raises(RequestError, match="from the source that the server was started with"):
            control.load("m", parameters, told.append)
    control.load("m", {"anything": 1}, told.append)
    await _turns()

    assert (loads.asked, told) == (["load m"], [None])


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _forever() -> None:
    await asyncio.Event().wait()
