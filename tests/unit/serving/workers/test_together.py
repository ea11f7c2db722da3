"""All workers change, or none does: Together with workers that write down what they are told."""

from pathlib import Path
from typing import Any

import pytest

from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.workers.channel import Gone
from modelmoor_server.workers.together import Together


class Scribe:
    """A worker. answers: what a call gives by its name; an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self.told: list[str] = []
        self.answers = {"prepare": "sha256:1", **answers}

    async def call(self, name: str, *arguments: Any) -> Any:
        self.told.append(" ".join([name, *(word for word in arguments if word in ("a", "b"))]))
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer


REFUSED = ModelError(Phase.LOAD, Reason.CORRUPT_ARTIFACT, "It is broken.", "Mend it.")


async def running(tmp_path: Path, *workers: Scribe, names: tuple[str, ...] = ("a",)) -> Together:
    together = Together(names, tmp_path)
    await together.start(workers)
    for worker in workers:
        worker.told.clear()
    return together


async def test_health_comes_first_and_requests_last(tmp_path: Path) -> None:
    """The first worker listens while models load; the others only with all of them; readiness is everybody's."""
    first, second = Scribe(), Scribe()
    await Together(["a", "b"], tmp_path).start([first, second])
    assert first.told == ["listen", "prepare a", "commit a", "prepare b", "commit b", "open"]
    assert second.told == ["prepare a", "commit a", "prepare b", "commit b", "listen", "open"]


async def test_one_refusal_keeps_all_from_changing(tmp_path: Path) -> None:
    """The worker that had the new model in memory already gives it up."""
    first, second = Scribe(), Scribe()
    together = await running(tmp_path, first, second)
    second.answers["prepare"] = REFUSED
    with pytest.raises(ModelError, match="broken"):
        await together.load("a")
    assert first.told == second.told == ["prepare a", "discard a"]


async def test_an_artifact_that_changes_in_between_is_refused(tmp_path: Path) -> None:
    """Workers that would answer differently are worse than a load that fails."""
    first, second = Scribe(), Scribe()
    together = await running(tmp_path, first, second)
    second.answers["prepare"] = "sha256:2"
    with pytest.raises(ModelError) as failure:
        await together.load("a")
    assert failure.value.reason is Reason.DIGEST_MISMATCH
    assert first.told[-1] == second.told[-1] == "discard a"


async def test_a_worker_that_dies_of_a_load_is_told_as_such(tmp_path: Path) -> None:
    """The caller learns that memory may be the cause; the others keep their model."""
    first, second = Scribe(), Scribe()
    together = await running(tmp_path, first, second)
    second.answers |= {"prepare": Gone(), "discard": Gone()}
    with pytest.raises(ModelError, match="worker process ended"):
        await together.load("a")
    assert first.told == ["prepare a", "discard a"]


async def test_a_newcomer_gets_what_the_others_have(tmp_path: Path) -> None:
    """Models in service are loaded, those that were unloaded are not, and then it listens."""
    together = await running(tmp_path, Scribe(), names=("a", "b"))
    await together.unload("a")
    newcomer = Scribe()
    await together.join(newcomer)
    assert newcomer.told == ["unload a", "prepare b", "commit b", "listen", "open"]
    assert newcomer in together.workers


async def test_a_newcomer_with_another_artifact_stays_outside(tmp_path: Path) -> None:
    """Unless nobody is left that it could contradict."""
    first = Scribe()
    together = await running(tmp_path, first)
    newcomer = Scribe(prepare="sha256:2")
    with pytest.raises(ModelError, match="changed"):
        await together.join(newcomer)
    assert together.workers == [first]
    together.leave(first)
    await together.join(newcomer)
    assert together.workers == [newcomer]


async def test_what_was_fetched_goes_with_the_model(tmp_path: Path) -> None:
    """A folder lives as long as its model is in service: a worker that is replaced needs it."""
    first = Scribe()
    together = await running(tmp_path, first)
    (tmp_path / "a-1").mkdir()
    await together.load("a")
    assert not (tmp_path / "a-1").exists()
    (tmp_path / "a-2").mkdir()
    first.answers["prepare"] = REFUSED
    with pytest.raises(ModelError):
        await together.load("a")
    assert (tmp_path / "a-2").exists()
    await together.unload("a")
    assert not (tmp_path / "a-2").exists()
