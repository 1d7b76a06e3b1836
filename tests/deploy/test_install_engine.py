"""An engine is installed from its own list, and loses what no classifier needs of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.requirements import LISTS, ROOT, list_of

SCRIPT = ROOT / "deploy" / "install-engine.sh"
KEPT = {
    "__init__.py",
    "_pyopenvino.so",
    "libs/libopenvino.so.2641",
    "libs/libopenvino_auto_plugin.so",
    "libs/libopenvino_intel_cpu_plugin.so",
    "libs/libopenvino_ir_frontend.so.2641",
    "libs/libtbb.so.12",
}
REMOVED = {
    "cmake/OpenVINOConfig.cmake",
    "include/openvino/openvino.hpp",
    "libs/cache.json",
    "libs/libopenvino_intel_gpu_plugin.so",
    "libs/libopenvino_intel_npu_plugin.so",
    "libs/libopenvino_onnx_frontend.so.2641",
    "libs/libopenvino_tensorflow_frontend.so.2641",
    "libs/libopenvino_tensorflow_lite_frontend.so.2641",
}


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a folder of packages with the files of OpenVINO that matter, as an installation leaves them."""
    for name in KEPT | REMOVED:
        path = tmp_path / "site-packages/openvino" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "site-packages"


def install(engine: str, packages: Path, *, uv: str = 'echo "$*"') -> subprocess.CompletedProcess[str]:
    """Run the script as the image's build does, with stand-ins for uv and for the image's Python."""
    programs, docker = packages.parent / "bin", packages.parent / "env/docker"
    for folder in (programs, docker):
        folder.mkdir(parents=True)
    for name, script in (("uv", uv), ("python", f"echo {packages}")):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    for path in (SCRIPT, list_of(engine)):
        shutil.copy(path, docker)
    command = ["sh", f"./env/docker/{SCRIPT.name}", engine]
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=packages.parent, env=environment, capture_output=True, text=True, check=False
    )


def left_in(packages: Path) -> set[str]:
    """Return the files of OpenVINO that are still there."""
    folder = packages / "openvino"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("engine", [extra for extra in LISTS if extra])
def test_an_engine_is_installed_from_its_own_list_without_a_cache(engine: str, packages: Path) -> None:
    done = install(engine, packages)
    assert done.returncode == 0, done.stderr
    listed = f"./env/docker/requirements-{engine}.txt"
    assert done.stdout == f"pip install --no-cache --requirement {listed}\n"


def test_openvino_keeps_what_runs_its_own_models_on_a_cpu(packages: Path) -> None:
    assert install("openvino", packages).returncode == 0
    assert left_in(packages) == KEPT


def test_nothing_is_removed_for_another_engine(packages: Path) -> None:
    assert install("torch", packages).returncode == 0
    assert left_in(packages) == KEPT | REMOVED


def test_a_failed_installation_ends_the_build(packages: Path) -> None:
    assert install("openvino", packages, uv="exit 2").returncode == 2
    assert left_in(packages) == KEPT | REMOVED
