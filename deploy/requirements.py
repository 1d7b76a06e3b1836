"""`python -m deploy.requirements`: pins everything that serving installs, for the image; it installs nothing.

Names come from the installed packages, followed from the dependencies in pyproject.toml; versions come from
constraints.txt.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# What the image installs: the serving dependencies of pyproject.toml and what they need, pinned as in
# constraints.txt. Made by `python -m deploy.requirements > deploy/requirements.txt`; a test compares the two.
"""
# The image is Linux and Python 3.11, whatever machine makes the list.
IMAGE_PLATFORM = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "python_version": "3.11",
    "python_full_version": "3.11.0",
}
# The image holds the CPU build of torch, which needs none of these.
CUDA_OF_TORCH = ("nvidia-", "cuda-", "triton")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;]+)")


def pins(root: Path = ROOT) -> dict[NormalizedName, str]:
    """Return the version that constraints.txt pins for each package."""
    lines = (root / "constraints.txt").read_text().splitlines()
    found = (_PIN.match(line) for line in lines)
    return {canonicalize_name(pin[1]): pin[2] for pin in found if pin}


def serving_requirements(root: Path = ROOT) -> list[Requirement]:
    """Return the dependencies that pyproject.toml names for serving."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["dependencies"]]


def closure(requirements: list[Requirement]) -> set[NormalizedName]:
    """Return the names of these packages and of everything that they need on this platform."""
    seen: set[tuple[NormalizedName, str]] = set()
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({**IMAGE_PLATFORM, "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(needed, wanted) for needed in _needed_by(name)]
    return {name for name, _ in seen}


def _needed_by(name: NormalizedName) -> list[Requirement]:
    needed = [Requirement(line) for line in metadata.requires(name) or []]
    if name == "torch":
        return [requirement for requirement in needed if not requirement.name.startswith(CUDA_OF_TORCH)]
    return needed


def render(root: Path = ROOT) -> str:
    """Return the text of deploy/requirements.txt."""
    pinned = pins(root)
    names = sorted(closure(serving_requirements(root)))
    return HEADER + "".join(f"{name}=={pinned[name]}\n" for name in names)


if __name__ == "__main__":
    sys.stdout.write(render())
