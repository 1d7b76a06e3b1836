"""The command line reports on stdout what a program reads, on stderr what a person reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy import __main__ as command_line
from deploy.__main__ import Report, default_wheels, engine_for, main
from deploy.engine import CheckError, DeployError, Engine

REPORT = Report("podman", "bert_classifier:abc", 1234.5, 3.2, 456.7, "1034", 7, 6, 2.5, 0)


@pytest.fixture
def engine(make_engine: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the stand-in engine that the command line will find."""
    fake = make_engine({})
    monkeypatch.setattr(command_line, "find_engine", lambda: fake)
    return fake


def test_a_report_is_a_table_and_one_json_object(
    engine: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "build_run_and_check", lambda *_, **__: REPORT)
    assert main([]) == 0
    written = capsys.readouterr()
    assert json.loads(written.out)["ready_seconds"] == 3.2
    assert "image size mb           1234.5\n" in written.err
    assert "worker memory mb        456.7\n" in written.err
    assert len(written.err.splitlines()) == 10


def test_only_a_checked_image_becomes_the_latest(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Report:
        raise CheckError("runs as root")

    monkeypatch.setattr(command_line, "build_run_and_check", fail)
    main([])
    assert engine.asked == []
    monkeypatch.setattr(command_line, "build_run_and_check", lambda *_, **__: REPORT)
    main([])
    assert engine.asked == ["tag bert_classifier:abc bert_classifier:latest"]


def test_the_options_arrive(monkeypatch: pytest.MonkeyPatch, make_engine: Any, tmp_path: Path) -> None:
    seen: list[Any] = []

    def find(work: Path, wheels: Path | None) -> Any:
        seen.extend((work, wheels))
        return make_engine({})

    def build(_: Engine, *, memory: str, key_file: Path | None) -> Report:
        seen.extend((memory, key_file))
        return REPORT

    monkeypatch.setattr(command_line, "engine_for", find)
    monkeypatch.setattr(command_line, "build_run_and_check", build)
    main(["--work", str(tmp_path), "--wheels", "/wheels", "--memory", "512m", "--key-file", "a.key"])
    assert seen == [tmp_path, Path("/wheels"), "512m", Path("a.key")]


@pytest.mark.parametrize("error", [DeployError("no engine"), CheckError("runs as root")])
def test_a_failure_is_one_message_and_status_1(
    error: Exception, engine: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> Report:
        raise error

    monkeypatch.setattr(command_line, "build_run_and_check", fail)
    assert main([]) == 1
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", f"error: {error}\n")


def test_an_engine_that_works_is_preferred_to_a_private_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command_line, "make_private_engine", lambda work, wheels: Engine("private"))
    monkeypatch.setattr(command_line, "why_no_private_engine", lambda: None)
    monkeypatch.setattr(command_line, "find_engine", lambda: Engine("docker"))
    assert engine_for(tmp_path, None) == Engine("docker")
    monkeypatch.setattr(command_line, "find_engine", lambda: None)
    assert engine_for(tmp_path, None) == Engine("private")
    monkeypatch.setattr(command_line, "why_no_private_engine", lambda: "not root")
    with pytest.raises(DeployError, match=r"none can be installed \(not root\); start docker or podman"):
        engine_for(tmp_path, None)


def test_wheels_come_from_the_first_local_folder_that_pip_would_search(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    for folder in (empty, full):
        folder.mkdir()
    (full / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").touch()
    monkeypatch.setenv("PIP_FIND_LINKS", f"file://{full} {empty} {full}")
    assert default_wheels() == full
    monkeypatch.setenv("PIP_FIND_LINKS", str(empty))
    assert default_wheels() is None
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert default_wheels() is None
