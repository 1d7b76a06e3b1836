"""An engine counts only where it answers and has its base image; failures say what was run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy import engine as engine_module
from deploy.engine import BASE_IMAGE, DeployError, Engine, command, find_engine, why_no_container


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, name: str, script: str) -> None:
    """Put a shell script on PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_failed_command_tells_what_ran_and_its_last_words(programs: Path) -> None:
    install(programs, "tool", "echo begun; echo 'no such thing' >&2; exit 3")
    with pytest.raises(DeployError, match=r"`tool a b` ended with status 3:\nbegun\nno such thing"):
        command("tool", "a", "b")


def test_a_command_returns_its_errors_only_when_asked(programs: Path) -> None:
    install(programs, "tool", "echo out; echo err >&2")
    assert command("tool") == "out\n"
    assert command("tool", errors_too=True) == "out\nerr\n"


def test_a_command_gets_its_environment_and_folder(programs: Path, tmp_path: Path) -> None:
    install(programs, "tool", 'echo "$SETTING $PWD"')
    folder = tmp_path / "inner"
    folder.mkdir()
    assert command("tool", environment={"SETTING": "on"}, cwd=folder) == f"on {folder}\n"


def test_an_engine_runs_with_its_own_configuration(programs: Path) -> None:
    install(programs, "podman", 'echo "$CONTAINERS_CONF $*"')
    engine = Engine("podman", run_environment={"CONTAINERS_CONF": "/own.conf"})
    assert engine("info", "--debug") == "/own.conf info --debug\n"


def test_a_client_without_an_engine_is_passed_over(programs: Path) -> None:
    install(programs, "docker", "exit 1")
    assert find_engine() is None
    install(programs, "podman", "exit 0")
    assert find_engine() == Engine("podman")


def test_an_engine_that_has_the_base_image_need_not_pull(programs: Path) -> None:
    install(programs, "docker", f'[ "$*" = info ] || [ "$*" = "image inspect {BASE_IMAGE}" ]')
    assert find_engine() == Engine("docker")


def test_an_engine_that_can_pull_the_base_image_is_taken(programs: Path) -> None:
    install(programs, "docker", f'[ "$*" = info ] || [ "$*" = "pull {BASE_IMAGE}" ]')
    assert find_engine() == Engine("docker")


def test_an_engine_that_cannot_get_the_base_image_is_passed_over(
    programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(programs, "docker", '[ "$*" = info ]')
    assert find_engine() is None
    assert f"docker runs, but cannot pull {BASE_IMAGE}" in capsys.readouterr().err


def test_no_engine_and_no_way_to_install_one_is_a_reason_to_skip(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert (
        why_no_container() == "neither docker nor podman works here, and none can be installed (no apt-get)"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert why_no_container() == "neither docker nor podman works here, and none can be installed (not root)"
    install(programs, "podman", "exit 0")
    assert why_no_container() is None


def test_root_with_apt_can_make_an_engine(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    install(programs, "apt-get", "exit 0")
    assert engine_module.why_no_private_engine() is None
    assert why_no_container() is None
