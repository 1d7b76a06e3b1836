"""What a figure was measured on; it measures nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from runtime.cpus import available_cpus

# The instruction sets that decide how fast fp32, bf16 and int8 matrix products are.
_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
    "sve",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor, cores that this process may use, load at the time, and versions by package."""

    cpu: str
    flags: list[str]
    cores: int
    load_average: float
    system: str
    python: str
    versions: dict[str, str]

    def __str__(self) -> str:
        flags = " ".join(self.flags) or "no known vector flags"
        packages = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return (
            f"{self.cpu}, {self.cores} cores ({flags}), load {self.load_average:.2f} at the start\n"
            f"Python {self.python}, {packages}"
        )


def describe(packages: Iterable[str]) -> Machine:
    """Return this machine, with the versions of the named packages."""
    return Machine(
        cpu=_cpu_field("model name") or platform.processor() or platform.machine(),
        flags=[flag for flag in (_cpu_field("flags") or _cpu_field("Features")).split() if flag in _FLAGS],
        cores=available_cpus(),
        load_average=os.getloadavg()[0],
        system=platform.platform(),
        python=platform.python_version(),
        versions={package: _version(package) for package in packages},
    )


def versions_beside(program: Path, packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages in the environment whose `bin` folder holds a program."""
    folders = program.parent.parent.glob("lib/python*/site-packages")
    found = {each.name: each.version for folder in folders for each in distributions(path=[str(folder)])}
    return {package: found.get(package, "unknown") for package in packages}


def _cpu_field(name: str) -> str:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return ""
    rows = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    return next((value.strip() for key, _, value in rows if key.strip() == name), "")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
