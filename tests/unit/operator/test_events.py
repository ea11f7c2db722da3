"""Which events are told, counted or kept back: decided by a clock, so without a cluster."""

from datetime import UTC, datetime, timedelta
from typing import Any

from modelmoor_operator.api.reasons import Reason
from modelmoor_operator.api.v1alpha1 import Metadata
from modelmoor_operator.errors import Refused
from modelmoor_operator.events import BURST, REFILL, Recorder
from modelmoor_operator.kinds import Kind
from modelmoor_operator.observed import Finding

Object = dict[str, Any]


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Told:
    """Keeps what is written; Events vanish when the test clears `names`."""

    def __init__(self) -> None:
        self.created: list[Object] = []
        self.patches: list[tuple[str, Object]] = []
        self.names: set[str] = set()

    async def create(self, kind: Kind, body: Object, *, manager: str) -> Object:
        self.created.append(body)
        self.names.add(body["metadata"]["name"])
        return body

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Object, *, manager: str) -> Object:
        if name not in self.names:
            raise Refused(404, "NotFound", "gone")
        self.patches.append((name, patch["series"]))
        return {}


def metadata(uid: str = "u") -> Metadata:
    return Metadata.parse({"metadata": {"name": "iris", "namespace": "default", "uid": uid}})


READY = Finding(Reason.ModelReady, "It is served.")
LOST = Finding(Reason.LoadFailed, "It does not load.")


async def test_what_comes_again_is_counted_on_the_same_event() -> None:
    """Two states that take turns are two Events; each series tells how often, and when last."""
    told, clock = Told(), Clock()
    recorder = Recorder(told, "replica", clock)
    for _ in range(3):
        await recorder.record(metadata(), READY)
        await recorder.record(metadata(), LOST)
        clock.now += timedelta(seconds=10)

    assert [event["reason"] for event in told.created] == ["ModelReady", "LoadFailed"]
    assert [event["type"] for event in told.created] == ["Normal", "Warning"]
    assert [series["count"] for _, series in told.patches] == [2, 2, 3, 3]
    assert told.patches[-1][1]["lastObservedTime"] == "2026-11-21T00:00:20.000000Z"


async def test_an_event_that_kubernetes_dropped_is_told_anew() -> None:
    """After an hour of silence the object is gone; the next time makes another one, which begins at one."""
    told, clock = Told(), Clock()
    recorder = Recorder(told, "replica", clock)
    await recorder.record(metadata(), LOST)
    told.names.clear()

    await recorder.record(metadata(), LOST)
    await recorder.record(metadata(), LOST)

    assert len(told.created) == 2
    assert told.patches == [(told.created[1]["metadata"]["name"], told.patches[0][1])]
    assert told.patches[0][1]["count"] == 2


async def test_a_new_object_of_the_same_name_has_events_of_its_own() -> None:
    """Deleted and made again: `kubectl describe` shows the new one's story alone."""
    told = Told()
    recorder = Recorder(told, "replica", Clock())
    await recorder.record(metadata("first"), READY)
    await recorder.record(metadata("second"), READY)

    assert [event["regarding"]["uid"] for event in told.created] == ["first", "second"]


async def test_a_model_that_flaps_for_ever_is_kept_back() -> None:
    """After the burst one write each five minutes is left; what was kept back is in the next count."""
    told, clock = Told(), Clock()
    recorder = Recorder(told, "replica", clock)
    for _ in range(BURST + 10):
        await recorder.record(metadata(), LOST)
    assert len(told.created) + len(told.patches) == BURST

    clock.now += REFILL
    await recorder.record(metadata(), LOST)

    assert told.patches[-1][1]["count"] == BURST + 11
