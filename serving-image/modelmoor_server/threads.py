"""How many threads the numeric libraries may use: as many as the pod has CPUs, not as many as the node has.

They read these variables once, when they are loaded: `apply` must run before numpy is imported.
"""

import os
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def apply(environment: MutableMapping[str, str], count: int) -> None:
    """Set the variables that the user has not set."""
    for name in VARIABLES:
        environment.setdefault(name, str(count))


def count(environment: Mapping[str, str]) -> int:
    """How many threads a library gets that reads no variable: as many as `apply` or the user has set for the others."""
    stated = environment.get(VARIABLES[0], "")
    return int(stated) if stated.isdecimal() and int(stated) > 0 else budget()


def budget(proc: Path = Path("/proc/self/cgroup"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Whole CPUs that this process may use, at least 1: the smaller of CPU affinity and cgroup quota."""
    allowed = len(os.sched_getaffinity(0))
    quota = cpu_quota(proc, cgroups)
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def cpu_quota(proc: Path, cgroups: Path) -> float | None:
    """CPUs by the smallest quota on the way from this process's cgroup to the root; None where there is none.

    Reads version 2 (`cpu.max`) and version 1 (`cpu.cfs_quota_us` of the `cpu` controller).
    """
    quotas: list[float] = []
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            quotas += _quotas(cgroups, path, _quota_v2)
        elif "cpu" in controllers.split(","):
            for mount in (cgroups / controllers, cgroups / "cpu"):
                quotas += _quotas(mount, path, _quota_v1)
    return min(quotas, default=None)


def _quotas(mount: Path, path: str, read: Callable[[Path], float | None]) -> list[float]:
    # In a container the path often is the host's, while the mount shows the container's own cgroup as its root.
    folders = [mount / path.lstrip("/"), *(mount / path.lstrip("/")).parents]
    found = [read(folder) for folder in folders if folder.is_relative_to(mount)]
    return [quota for quota in found if quota is not None]


def _quota_v2(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_v1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    return int(quota[0]) / int(period[0]) if quota and period and int(quota[0]) > 0 else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
