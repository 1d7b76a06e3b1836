"""The packages of the image follow from what serving needs, on the platform of the image."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy import requirements
from deploy.requirements import ENGINES, LISTS, closure, list_of, main, pins, render, serving_requirements
from runtime.backends import BACKENDS

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


def names_of(extra: str | None) -> list[str]:
    """Return the packages of a list, in its order."""
    lines = [line for line in render(extra).splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 for line in lines)
    return [line.partition("==")[0] for line in lines]


@pytest.mark.parametrize("extra", LISTS)
def test_a_pin_stands_for_every_package_in_order(extra: str | None) -> None:
    names = names_of(extra)
    assert names == sorted(names)
    assert {requirement.name for requirement in serving_requirements(extra)} <= set(names)


def test_an_engine_is_only_in_its_own_list() -> None:
    assert {"bentoml", "tokenizers", "numpy"} <= set(names_of(None))
    lists = {extra: set(names_of(extra)) for extra in LISTS}
    assert {extra for extra, names in lists.items() if "cryptography" in names} == {"encryption"}
    assert {engine for engine, names in lists.items() if "torch" in names} == {"torch"}
    assert {engine for engine, names in lists.items() if "safetensors" in names} == {"torch"}
    assert {engine for engine, names in lists.items() if "openvino" in names} == {"openvino"}


def test_every_backend_has_its_list() -> None:
    assert set(ENGINES) == set(BACKENDS)
    assert set(LISTS) == {None, *ENGINES, "encryption"}


def test_the_lists_are_written_where_images_are_built_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deploy").mkdir()
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(requirements.ROOT / name, tmp_path)
    main(tmp_path)
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert written == [list_of(extra, tmp_path) for extra in LISTS]
    assert [path.read_text() for path in written] == [render(extra) for extra in LISTS]
