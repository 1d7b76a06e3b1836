"""`python -m deploy.requirements`: pins what the image installs, for each extra; it installs nothing.

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
ENGINES = ("torch", "openvino")
"""The extras of pyproject.toml of which an image gets one."""
LISTS: dict[str | None, str] = {
    None: "every image installs",
    **{engine: f"the image of a model for {engine} installs besides requirements.txt" for engine in ENGINES},
    "encryption": "the image of an encrypted model installs besides requirements.txt",
}
"""By extra, None for what every model needs: what its list is, as the list says."""

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


def serving_requirements(extra: str | None = None, root: Path = ROOT) -> list[Requirement]:
    """Return the dependencies that pyproject.toml names for serving any model, or in one of its extras."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


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


def list_of(extra: str | None, root: Path = ROOT) -> Path:
    """Return the file with the pins of every image, or with those that an extra adds."""
    return root / "deploy" / ("requirements.txt" if extra is None else f"requirements-{extra}.txt")


def render(extra: str | None = None, root: Path = ROOT) -> str:
    """Return the text of the list of every image, or of the list that an extra adds to it."""
    names = closure(serving_requirements(root=root))
    if extra is not None:
        names = closure(serving_requirements(extra, root)) - names
    pinned = pins(root)
    header = (
        f"# What {LISTS[extra]}, pinned as in constraints.txt.\n"
        "# Made by `python -m deploy.requirements`; a test compares the two.\n"
    )
    return header + "".join(f"{name}=={pinned[name]}\n" for name in sorted(names))


def main(root: Path = ROOT) -> None:
    """Write every list and name it on stdout."""
    for extra in LISTS:
        path = list_of(extra, root)
        path.write_text(render(extra, root))
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
