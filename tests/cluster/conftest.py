"""One kind cluster for all tests of this folder, a namespace for each, and an explanation of each failure."""

import sys
from collections.abc import Iterator

import pytest

from support.machine import ROOT

sys.path.insert(0, str(ROOT))  # the demo is a plain script at the root: its steps are these tests' steps

from support.cluster import OPEN, Cluster, ready_cluster
from support.explain import explain
from support.load import Caller, caller
from support.namespace import Namespace
from support.store import Store, store

_ORDER = {"first": "runs before all the others", "last": "runs after all the others"}


def pytest_configure(config: pytest.Config) -> None:
    for mark, meaning in _ORDER.items():
        config.addinivalue_line("markers", f"{mark}: {meaning}")


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster with the operator of this tree in it."""
    return ready_cluster()


@pytest.fixture(scope="session")
def shared_store(cluster: Cluster) -> Iterator[Store]:
    """The examples' S3 store, in a namespace of its own."""
    with cluster.namespace("store") as namespace:
        yield store(namespace)


@pytest.fixture
def namespace(cluster: Cluster, shared_store: Store) -> Iterator[Namespace]:
    """A namespace that nobody else uses, with the Secret of the store."""
    with cluster.namespace("test") as opened:
        opened.apply(shared_store.secret())
        yield opened


@pytest.fixture(scope="session")
def outsider(shared_store: Store) -> Iterator[Caller]:
    """A pod in another namespace than the models', to ask them from."""
    with caller(shared_store.namespace) as pod:
        yield pod


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What has to wait for minutes is begun first and looked at in the end: the others run meanwhile."""
    items.sort(key=lambda item: (not item.get_closest_marker("first"), bool(item.get_closest_marker("last"))))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add status, events, pods and logs to the report of a failure, while they are still there."""
    report = yield
    if report.failed and call.when in ("setup", "call"):
        own = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Namespace)]
        for namespace in own or OPEN[-1:]:
            try:
                report.sections.append((f"namespace {namespace.name}", explain(namespace)))
            except AssertionError as error:
                report.sections.append((f"namespace {namespace.name}", f"cannot be explained: {error}"))
    return report
