"""How often pods are asked for: one by one for a few models, together for many, and spread in time for a fleet."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from modelmoor_operator.kinds import CORE_EVENT, POD, Kind
from modelmoor_operator.lookout import FEW, LOOKS_PER_SECOND, Lookout

Body = dict[str, Any]


class Pods:
    """Answers lists like an API server with one pod for each of a hundred models, and counts them."""

    def __init__(self) -> None:
        self.asked: list[tuple[Kind, str]] = []
        self.broken = False

    async def pages(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "", limit: int = 0
    ) -> AsyncIterator[list[Body]]:
        self.asked.append((kind, labels))
        await asyncio.sleep(0)
        if self.broken:
            raise ConnectionError
        names = [part.partition("=")[2] for part in labels.split(",") if "=" in part]
        models = [name for name in names if name.startswith("m")] or [f"m{number}" for number in range(100)]
        if kind is CORE_EVENT:
            yield [{"metadata": {}, "involvedObject": {"name": f"{name}-pod"}, "reason": "Failed"} for name in models]
        else:
            yield [{"metadata": {"name": f"{name}-pod", "labels": selector(name)}, "spec": {}} for name in models]


def selector(name: str) -> dict[str, str]:
    return {"modelmoor.dev/name": name, "modelmoor.dev/slot": "a"}


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
def lookout(pods: Pods) -> Lookout:
    return Lookout(pods, lambda: 0.0)


async def names(lookout: Lookout, model: str) -> list[str]:
    return [pod["metadata"]["name"] for pod in await lookout.pods("team", selector(model))]


async def test_a_few_models_are_asked_about_one_by_one(pods: Pods, lookout: Lookout) -> None:
    """A list of a whole namespace would be dear for one model that starts."""
    for _ in range(3):
        assert await names(lookout, "m1") == ["m1-pod"]
    assert [labels for _, labels in pods.asked] == ["modelmoor.dev/name=m1,modelmoor.dev/slot=a"] * 3


async def test_many_models_share_one_list(pods: Pods, lookout: Lookout) -> None:
    """A hundred models that start at once cost a dozen requests, and each hears of its own pods alone."""
    found = await asyncio.gather(*(names(lookout, f"m{number}") for number in range(100)))
    assert found == [[f"m{number}-pod"] for number in range(100)]
    assert len(pods.asked) == FEW + 1


async def test_an_error_goes_to_all_who_waited_and_stays_with_none(pods: Pods, lookout: Lookout) -> None:
    """The next pass asks again."""
    pods.broken = True
    found = await asyncio.gather(*(lookout.warnings("team", []) for _ in range(3)), return_exceptions=True)
    assert [type(item) for item in found] == [ConnectionError] * 3
    pods.broken = False
    await asyncio.sleep(0.01)
    (warning,) = await lookout.warnings("team", ["m7-pod"])
    assert warning["involvedObject"]["name"] == "m7-pod"
    assert pods.asked == [(CORE_EVENT, "")] * 2


def test_the_looks_of_a_fleet_are_spread(lookout: Lookout) -> None:
    """One model is looked at when it asked for; a thousand share so many looks a second."""
    assert lookout.pace(("team", "m"), 2.0) == 2.0
    for number in range(1000):
        last = lookout.pace(("team", f"m{number}"), 2.0)
    assert last is not None
    assert last > 0.7 * 1000 / LOOKS_PER_SECOND
    for number in range(1000):
        lookout.pace(("team", f"m{number}"), None)
    assert lookout.pace(("team", "m"), 2.0) == 2.0


async def test_what_nobody_reads_is_not_held(lookout: Lookout, pods: Pods) -> None:
    """Pods are held for seconds by the thousand: their environment and managed fields are not."""
    full = {
        "metadata": {"name": "p", "labels": selector("m1"), "managedFields": [{}]},
        "spec": {"containers": [{"name": "model", "env": [{}], "resources": {"limits": {"memory": "1Gi"}}}]},
    }

    async def only(kind: Kind, namespace: str | None, **_: object) -> AsyncIterator[list[Body]]:
        assert kind is POD
        yield [full]

    pods.pages = only  # type: ignore[method-assign]
    for number in range(FEW + 1):
        found = await lookout.pods("team", selector(f"m{number}"))
    (found,) = (await lookout.pods("team", selector("m1")),)
    assert found[0]["spec"]["containers"] == [{"name": "model", "resources": {"limits": {"memory": "1Gi"}}}]
    assert "managedFields" not in found[0]["metadata"]
