"""The packages of the image follow from what serving needs, on the platform of the image."""

from __future__ import annotations

from importlib import metadata

import pytest
from packaging.requirements import Requirement

from deploy import requirements
from deploy.requirements import closure, pins, render, serving_requirements

NEEDS = {
    "app": [
        "engine[fast]>=1",
        "windows-only; sys_platform == 'win32'",
        "new-python; python_version >= '3.12'",
    ],
    "engine": ["numbers", "speed; extra == 'fast'", "colour; extra == 'pretty'"],
    "speed": ["engine"],
    "torch": ["numbers", "nvidia-cublas", "cuda-toolkit", "triton; sys_platform == 'linux'"],
    "numbers": [],
}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that these packages are installed."""
    monkeypatch.setattr(metadata, "requires", NEEDS.__getitem__)


@pytest.mark.usefixtures("installed")
def test_needs_are_followed_through_extras_and_circles_on_the_images_platform() -> None:
    assert closure([Requirement("app")]) == {"app", "engine", "numbers", "speed"}


@pytest.mark.usefixtures("installed")
def test_the_cpu_build_of_torch_needs_no_cuda() -> None:
    assert closure([Requirement("torch")]) == {"torch", "numbers"}


def test_pins_are_read_under_one_spelling() -> None:
    found = pins()
    assert found["huggingface-hub"] == metadata.version("huggingface_hub")
    assert len(found) > 140


def test_a_pin_stands_for_every_package_in_order() -> None:
    lines = [line for line in render().splitlines() if not line.startswith("#")]
    assert lines == sorted(lines, key=lambda line: line.partition("==")[0])
    names = {line.partition("==")[0] for line in lines}
    assert {requirement.name for requirement in serving_requirements()} <= names
    assert f"bentoml=={requirements.pins()['bentoml']}" in lines
