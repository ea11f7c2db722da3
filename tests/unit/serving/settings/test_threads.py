"""The thread budget follows the cgroup of the pod, not the node."""

from pathlib import Path

import pytest

from modelmoor_server import threads


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({"a/b/cpu.max": "150000 100000", "a/cpu.max": "max 100000"}, 1.5),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        ({"cpu.max": "200000 100000"}, 2.0),
        ({"a/b/cpu.max": "max 100000"}, None),
        ({}, None),
    ],
)
def test_version_2(tmp_path: Path, quotas: dict[str, str], expected: float | None) -> None:
    """The smallest quota from the own group to the root holds; in a container the root is the container's group."""
    _write(tmp_path / "cgroup", "0::/a/b\n")
    for path, text in quotas.items():
        _write(tmp_path / "fs" / path, text + "\n")

    assert threads.cpu_quota(tmp_path / "cgroup", tmp_path / "fs") == expected


@pytest.mark.parametrize(("quota", "expected"), [("250000", 2.5), ("-1", None)])
def test_version_1(tmp_path: Path, quota: str, expected: float | None) -> None:
    """The `cpu` controller's quota holds, wherever it is mounted."""
    _write(tmp_path / "cgroup", "5:memory:/x\n4:cpu,cpuacct:/kubepods/pod1\n0::/x\n")
    _write(tmp_path / "fs/cpu,cpuacct/cpu.cfs_quota_us", quota + "\n")
    _write(tmp_path / "fs/cpu,cpuacct/cpu.cfs_period_us", "100000\n")

    assert threads.cpu_quota(tmp_path / "cgroup", tmp_path / "fs") == expected


def test_no_cgroup(tmp_path: Path) -> None:
    """Where there is no cgroup, CPU affinity alone counts."""
    assert threads.cpu_quota(tmp_path / "absent", tmp_path) is None
    assert threads.budget(tmp_path / "absent", tmp_path) >= 1


def test_budget_is_whole_and_at_least_one(tmp_path: Path) -> None:
    """Half a CPU is one thread."""
    _write(tmp_path / "cgroup", "0::/\n")
    _write(tmp_path / "fs/cpu.max", "50000 100000\n")

    assert threads.budget(tmp_path / "cgroup", tmp_path / "fs") == 1


def test_the_user_goes_first() -> None:
    """What the user has set stays."""
    environment = {"OMP_NUM_THREADS": "7"}
    threads.apply(environment, 3)

    assert environment == dict.fromkeys(threads.VARIABLES, "3") | {"OMP_NUM_THREADS": "7"}


def test_count() -> None:
    """A library without a variable of its own gets what the others get; the budget where nothing whole is said."""
    assert threads.count({"OMP_NUM_THREADS": "3"}) == 3
    for text in ("", "0", "4,2", "-1"):
        assert threads.count({"OMP_NUM_THREADS": text}) == threads.budget()
