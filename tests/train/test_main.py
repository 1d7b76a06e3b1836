from __future__ import annotations

import errno
import importlib
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from train.__main__ import COMMANDS, main
from train.recipe import read_recipe

HEAVY = ("torch", "transformers", "datasets", "bentoml", "pydantic")


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command that must fail; return its status and its only line of standard error."""
    status = main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return status, lines[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_run_that_takes_a_recipe(name: str) -> None:
    run = importlib.import_module(COMMANDS[name].module).run
    assert list(inspect.signature(run).parameters) == ["recipe"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert f"{name} " in capsys.readouterr().out


def test_help_imports_nothing_heavy(project_root: Path) -> None:
    code = (
        "import sys\nfrom train.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def test_show_imports_nothing_heavier_than_pydantic(project: Path, project_root: Path) -> None:
    code = (
        f"import sys\nfrom train.__main__ import main\nassert main(['show', {str(project)!r}]) == 0\n"
        f"print([name for name in {HEAVY[:4]!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "[finetune]" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_a_misspelt_setting(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, message = failure(capsys, name, str(project), "finetune.epocks=3")
    assert status == 2
    assert "finetune.epocks" in message
    assert "did you mean 'epochs'?" in message


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_a_missing_recipe(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, message = failure(capsys, name, str(project.with_name("tinny.toml")))
    assert status == 2
    assert str(project) in message


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "show"])
def test_every_command_that_needs_an_earlier_one_names_it_or_the_missing_file(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with project.open("a", encoding="utf-8") as file:
        file.write(f'[corpus]\nfiles = ["{project.parent}/train.txt"]\n')
    (project.parent / "train.csv").rename(project.parent / "trains.csv")
    status, message = failure(capsys, name, str(project))
    assert status == 2
    assert "python -m train" in message or "trains.csv" in message


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    status, message = failure(capsys, "finetun", "recipe.toml")
    assert status == 2
    assert "did you mean 'finetune'?" in message


@pytest.mark.parametrize(
    "arguments", [(), ("finetune",), ("finetune", "r.toml", "--resum"), ("finetune", "--x")]
)
def test_an_incomplete_or_wrong_command_line_is_wrong_usage(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failure(capsys, *arguments)[0] == 2


def test_resume_is_the_setting_of_the_same_name(project: Path) -> None:
    assert read_recipe(project, resume=True) == read_recipe(
        project, ["finetune.resume=true", "pretrain.resume=true"]
    )
    assert not read_recipe(project).finetune.resume


def test_apply_is_the_setting_of_noise(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("train.noise.run", lambda recipe: recipe.noise.apply)
    assert main(["noise", str(project), "--apply", "a list=1.csv", "noise.apply=other.csv"]) == 0
    assert capsys.readouterr().out == "a list=1.csv\n"
    assert main(["noise", str(project), "noise.apply=other.csv"]) == 0
    assert capsys.readouterr().out == "other.csv\n"


def test_apply_belongs_to_noise_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, message = failure(capsys, "finetune", str(project), "--apply", "list.csv")
    assert status == 2
    assert "--apply; it belongs to the command noise" in message


def test_ctrl_c_leaves_a_hint_and_the_status_of_the_shell(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(recipe: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("train.show.run", interrupted)
    assert main(["show", str(project)]) == 130
    assert "--resume" in capsys.readouterr().err


def test_a_command_that_is_terminated_leaves_its_status_in_the_log(project: Path, project_root: Path) -> None:
    (project.parent / "run").mkdir()
    code = (
        "import os, signal, sys\nimport train.finetune\nfrom train.__main__ import main\n"
        "def run(recipe):\n    os.kill(os.getpid(), signal.SIGTERM)\n    raise AssertionError\n"
        f"train.finetune.run = run\nsys.exit(main(['finetune', {str(project)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 143, done.stderr
    assert done.stderr.startswith("terminated; run the same command again; finetune, pretrain and all ")
    assert len(done.stderr.splitlines()) == 1
    [line] = (project.parent / "run" / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert (json.loads(line)["command"], json.loads(line)["exit"]) == ("finetune", 143)


def test_what_a_signal_did_before_is_put_back(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["show", str(project)]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    capsys.readouterr()


FORKS = """
import os, signal, time
from train.__main__ import terminated_as_interrupted
with terminated_as_interrupted():
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(reader, 1)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""For a process of its own: one with the threads of many libraries must not be forked."""


def test_a_child_that_is_terminated_ends_as_it_would_without_us(project_root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS],
        cwd=project_root,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == f"{-signal.SIGTERM}\n"


def test_overrides_may_stand_before_and_after_options(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(project), "finetune.epochs=7", "--resume", "finetune.seed=8"]) == 0
    shown = capsys.readouterr().out
    assert {"epochs = 7", "seed = 8", "resume = true"} <= set(shown.splitlines())


def test_a_folder_without_rights_is_explained_and_a_bug_is_not_hidden(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(recipe: object) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied", "/models")

    monkeypatch.setattr("train.show.run", fail)
    status, message = failure(capsys, "show", str(project))
    assert status == 1
    assert "Permission denied: '/models'" in message

    def bug(recipe: object) -> Path:
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")

    monkeypatch.setattr("train.show.run", bug)
    with pytest.raises(FileNotFoundError):
        main(["show", str(project)])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        shutil.Error([("a", "b", "[Errno 28] No space left on device")]),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 940480 vs 940368"),
        OSError(errno.EFBIG, "File too large", "/models"),
    ],
)
def test_a_full_disk_is_explained_whichever_library_met_it(
    error: Exception, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(recipe: object) -> Path:
        raise error

    monkeypatch.setattr("train.show.run", fail)
    status, message = failure(capsys, "show", str(project))
    assert status == 1
    assert message.endswith("; make room, give the rights, or name another place.")


def test_a_reader_that_has_gone_is_no_reason_for_a_traceback(project: Path, project_root: Path) -> None:
    command = [sys.executable, "-m", "train", "show", str(project)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command, cwd=project_root, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("folder", ["tiny.toml/run", "x" * 300])
def test_a_run_directory_that_cannot_be_made_is_wrong_usage(
    folder: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, message = failure(capsys, "finetune", str(project), f"run.directory={project.parent / folder}")
    assert status == 2
    assert "run.directory=" in message
    assert "cannot be made" in message
