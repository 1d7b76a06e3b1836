"""The CPU count is what the kernel grants, whichever version of control groups says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.cpus import available_cpus

MANY = set(range(64))


@pytest.fixture(autouse=True)
def machine_of_64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: MANY, raising=False)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="ascii")


def test_without_control_groups_affinity_counts(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == 64


@pytest.mark.parametrize(
    ("quota", "cpus"), [("200000", 2), ("150000", 1), ("100000", 1), ("50000", 1), ("max", 64)]
)
def test_quota_of_version_2_cuts_and_rounds_down(tmp_path: Path, quota: str, cpus: int) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", f"{quota} 100000\n")
    assert available_cpus(tmp_path) == cpus


def test_tightest_of_nested_groups_counts(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/slice/unit\n")
    write(tmp_path, "sys/fs/cgroup/slice/cpu.max", "300000 100000\n")
    write(tmp_path, "sys/fs/cgroup/slice/unit/cpu.max", "800000 100000\n")
    assert available_cpus(tmp_path) == 3


@pytest.mark.parametrize(("quota", "cpus"), [("400000", 4), ("-1", 64)])
def test_quota_of_version_1_is_found_above_a_hidden_group(tmp_path: Path, quota: str, cpus: int) -> None:
    write(tmp_path, "proc/self/cgroup", "9:cpuset:/x\n4:cpu,cpuacct:/docker/0123\n")
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota)
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    assert available_cpus(tmp_path) == cpus


def test_affinity_below_the_quota_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3, 5}, raising=False)
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "800000 100000\n")
    assert available_cpus(tmp_path) == 2
