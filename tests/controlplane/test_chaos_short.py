"""A short form of `make chaos`: each kind of fault once, and the end is the same as without any."""

from collections.abc import Iterator

import pytest

from chaos import outages, properties, scenarios
from chaos.bench import Bench, bench
from chaos.faults import Moment
from chaos.scenarios import Reference, reference
from chaos.stories import CREATE, DELETE, UPDATE
from support.account import Account
from support.control_plane import ControlPlane

pytestmark = pytest.mark.controlplane

SEED = 11


@pytest.fixture(scope="module")
def made(control_plane: ControlPlane, account: Account) -> Iterator[Bench]:
    """An operator behind the proxy."""
    with bench(control_plane, account, seed=SEED) as running:
        yield running
        for namespace in running.namespaces:
            running.api.delete_namespace(namespace)


@pytest.fixture(scope="module")
def known(made: Bench) -> dict[str, Reference]:
    """The stories without faults."""
    return {story.name: reference(made, story) for story in (CREATE, UPDATE, DELETE)}


def test_an_operator_that_dies_at_each_of_its_writes_ends_where_it_should(
    made: Bench, known: dict[str, Reference]
) -> None:
    """One write a life, whose answer it never hears: every state in between is one to go on from."""
    assert scenarios.one_write_a_life(made, CREATE, known["create"], Moment.UNANSWERED).faults >= 6


def test_an_operator_that_dies_in_the_middle_of_a_deletion_ends_where_it_should(
    made: Bench, known: dict[str, Reference]
) -> None:
    """Deleted and made again under the same name, and killed on the way."""
    told = scenarios.kill_at_every_write(made, DELETE, known["delete"], moments=(Moment.ANSWERED,), every=9)
    assert told.faults >= 2


def test_refusals_and_lost_answers_change_nothing(made: Bench, known: dict[str, Reference]) -> None:
    """409, 429, 500, 503, and writes that were committed without an answer."""
    assert scenarios.random_answers(made, UPDATE, known["update"]).faults > 10


def test_lost_watch_events_are_made_good(made: Bench, known: dict[str, Reference]) -> None:
    """Nobody is told twice by a watch: the resync mends what it lost."""
    assert scenarios.lost_events(made, UPDATE, known["update"]).hits["event dropped"] > 5


def test_late_watch_events_and_cut_watches_mislead_nobody(made: Bench, known: dict[str, Reference]) -> None:
    """A cache that lags behind our own writes makes nothing twice, and deletes nothing that is new."""
    assert scenarios.late_events(made, DELETE, known["delete"]).hits["event delayed"] > 5


def test_stale_reads_mislead_nobody(made: Bench, known: dict[str, Reference]) -> None:
    """Lists and gets from some time ago, deletions in between: every write is bound to what was judged."""
    assert scenarios.stale_reads(made, DELETE, known["delete"]).faults > 3


def test_the_way_to_a_state_does_not_show_in_it(made: Bench) -> None:
    """Specs from the CRD's own schema: A, then B, then A again, is as if it had always been A."""
    assert properties.there_and_back(made, examples=3).runs >= 2


def test_what_other_managers_do_to_children_is_healed(made: Bench) -> None:
    """Three edits at a time, in any order."""
    assert properties.misoperations(made, examples=5).runs == 5


def test_a_cut_from_the_api_server_is_made_good(made: Bench) -> None:
    """Everything fails for longer than a leader may go without its Lease; 60 s afterwards all is as it should be."""
    assert outages.cut_off(made, seconds=12).faults > 5
