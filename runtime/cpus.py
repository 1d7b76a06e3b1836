"""How many CPUs this process may really use; it knows what the kernel says, not what the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def available_cpus(root: Path = Path("/")) -> int:
    """Return the CPUs of this process: its affinity, cut by the tightest cgroup quota, at least 1.

    `os.cpu_count()` counts the machine: in a container with a quota of 2 CPUs on a host of 64 it starts
    64 threads that the kernel then throttles.

    Parameters
    ----------
    root : Path
        Where `proc` and `sys` are; another one than `/` in tests.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([affinity, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the CPU quota of every control group around this process, in CPUs."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        inside = mount / group.lstrip("/")
        for directory in (inside, *inside.parents):
            yield from _quota(directory)
            if directory == mount:
                break


def _quota(directory: Path) -> Iterator[float]:
    """Yield the quota written in one control group, version 2 or 1, where there is one."""
    try:
        quota, period = (directory / "cpu.max").read_text(encoding="ascii").split()
    except OSError:
        try:
            quota = (directory / "cpu.cfs_quota_us").read_text(encoding="ascii")
            period = (directory / "cpu.cfs_period_us").read_text(encoding="ascii")
        except OSError:
            return
    if quota != "max" and int(quota) > 0:
        yield int(quota) / int(period)
