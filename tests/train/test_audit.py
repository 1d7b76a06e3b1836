"""The log of a run holds what was read and written, and every change of a line in it is seen."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pwd
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.errors import ProtectionError, UsageError
from train import audit
from train.__main__ import main
from train.audit import BEGINNING, base_model, data_files, record, verify
from train.config import Recipe
from train.run import RunDirectory

Make = Callable[..., Recipe]


def log_of(recipe: Recipe) -> Path:
    return RunDirectory.of(recipe).root / "audit.jsonl"


@pytest.fixture
def recipe(make: Make) -> Recipe:
    return make()


@pytest.fixture
def log(recipe: Recipe) -> Path:
    """Return a log of four lines."""
    for command in ("finetune", "evaluate", "export", "save"):
        record(command, recipe)
    return log_of(recipe)


def test_a_line_tells_who_did_what_with_which_bytes(recipe: Recipe, project: Path) -> None:
    train, folder = project.parent / "train.csv", project.parent / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a").write_bytes(b"a")
    gone = project.parent / "gone"
    record("finetune", recipe, read=[train, gone], wrote=[folder], exit_status=1)
    [event] = verify(log_of(recipe)).events
    assert event["command"] == "finetune"
    assert event["exit"] == 1
    assert event["read"] == {str(train): hashlib.sha256(train.read_bytes()).hexdigest(), str(gone): None}
    listing = f"{hashlib.sha256(b'a').hexdigest()}  deep/a\n"
    assert event["wrote"] == {str(folder): hashlib.sha256(listing.encode()).hexdigest()}
    assert event["host"] == os.uname().nodename
    assert event["user"]
    assert event["previous"] == BEGINNING
    assert {"python", "torch", "transformers"} <= set(event["versions"])
    assert abs((datetime.now(UTC) - datetime.fromisoformat(event["time"])).total_seconds()) < 60


def test_a_folder_is_known_by_names_and_contents(recipe: Recipe, tmp_path: Path) -> None:
    digests = set()
    for name, content in (("a", b"1"), ("a", b"2"), ("b", b"2")):
        folder = tmp_path / f"{name}{content.decode()}"
        folder.mkdir()
        (folder / name).write_bytes(content)
        record("save", recipe, wrote=[folder])
        digests.add(verify(log_of(recipe)).events[-1]["wrote"][str(folder)])
    assert len(digests) == 3


def test_other_settings_have_another_digest(make: Make) -> None:
    for overrides in ([], [], ["finetune.epochs=9"]):
        record("finetune", make(*overrides))
    first, same, other = (event["recipe"] for event in verify(log_of(make())).events)
    assert first == same != other


def test_only_the_owner_may_read_the_log(log: Path) -> None:
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700


def test_a_user_without_a_name_is_a_number(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> None:
        raise KeyError("getpwuid(): uid not found")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    record("save", recipe)
    assert verify(log_of(recipe)).events[0]["user"] == str(os.getuid())


def test_a_whole_log_is_read_back_in_order(log: Path) -> None:
    found = verify(log)
    assert [event["command"] for event in found.events] == ["finetune", "evaluate", "export", "save"]
    assert found.torn == 0
    assert found.head == hashlib.sha256(log.read_bytes().splitlines()[-1]).hexdigest()


@pytest.mark.parametrize(
    ("harm", "first"),
    [
        (lambda lines: [lines[0].replace(b"finetune", b"finetunE"), *lines[1:]], 2),
        (lambda lines: [*lines[:2], lines[2].replace(b'"exit": 0', b'"exit": 1'), *lines[3:]], 4),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [lines[0], b"{}", *lines[1:]], 2),
        (lambda lines: [lines[0], b"", *lines[1:]], 2),
        (lambda lines: [lines[0], b"gone", *lines[2:]], 2),
        (lambda lines: [*lines, b"scribbled"], 5),
        (lambda lines: [*lines[:-1], b"[1]"], 4),
        (lambda lines: [lines[0] + b" ", *lines[1:]], 2),
    ],
)
def test_the_first_line_that_was_changed_taken_out_put_in_or_moved_is_named(
    log: Path, harm: Callable[[list[bytes]], list[bytes]], first: int
) -> None:
    log.write_bytes(b"\n".join(harm(log.read_bytes().splitlines())) + b"\n")
    with pytest.raises(ProtectionError, match=f"line {first} is not what followed"):
        verify(log)


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_line_torn_by_a_crash_is_told_apart_and_the_chain_goes_on(
    log: Path, recipe: Recipe, kept: int
) -> None:
    *whole, last = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(whole) + last[:kept])
    assert (len(verify(log).events), verify(log).torn) == (3, 1)
    for command in ("evaluate", "export"):
        record(command, recipe)
    found = verify(log)
    complete = kept == -1  # only its line break was missing
    assert len(found.events) == 5 + complete
    assert found.torn == 1 - complete
    lines = log.read_bytes().splitlines()
    log.write_bytes(b"\n".join([*lines[:3], b"{x", *lines[4:]]) + b"\n")
    with pytest.raises(ProtectionError, match=r"line [45] is not"):
        verify(log)


def test_a_newest_line_that_was_made_unreadable_does_not_pass_for_a_torn_one(
    log: Path, recipe: Recipe
) -> None:
    *whole, _ = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(whole) + b"gone\n")
    record("evaluate", recipe)  # whose line follows this one
    with pytest.raises(ProtectionError, match="line 4 is not what followed"):
        verify(log)


def append_ten(recipe: Recipe) -> None:
    for _ in range(10):
        record("evaluate", recipe)


def test_processes_take_turns(recipe: Recipe) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=append_ten, args=(recipe,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(verify(log_of(recipe)).events) == 30


@pytest.mark.parametrize("forged", [None, 5, [1], {"a.csv": 5}])
def test_a_line_whose_files_are_none_is_no_line(recipe: Recipe, log: Path, forged: object) -> None:
    *_, last = log.read_bytes().splitlines()
    line = json.dumps(json.loads(last) | {"previous": hashlib.sha256(last).hexdigest(), "read": forged})
    log.write_bytes(log.read_bytes() + line.encode() + b"\n")
    with pytest.raises(ProtectionError, match="the log was changed"):
        verify(log)


def test_a_log_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtectionError, match="cannot be read"):
        verify(tmp_path)


def test_the_files_of_rows_are_named_and_a_sample_has_none(make: Make, project: Path) -> None:
    assert data_files(make(), "train", "test") == [project.parent / "train.csv", project.parent / "test.csv"]
    assert data_files(make("data.train=sample:train", "data.dev="), "train", "dev") == []


def test_a_base_model_counts_where_it_is_a_folder(tmp_path: Path) -> None:
    assert base_model(str(tmp_path)) == [tmp_path]
    assert base_model("scratch") == []


def test_the_command_prints_a_table(recipe: Recipe, log: Path) -> None:
    header, *rows, summary = audit.run(recipe).splitlines()
    assert header.split() == ["time", "user", "command", "exit"]
    assert [row.split()[2:4] for row in rows] == [
        [name, "0"] for name in ("finetune", "evaluate", "export", "save")
    ]
    assert summary == f"4 lines in order; the newest has sha256 {verify(log).head}"
    log.write_bytes(log.read_bytes()[:-9])
    assert "and 1 that a crash tore" in audit.run(recipe).splitlines()[-1]


def test_the_command_prints_each_file_with_its_digest_on_a_line_of_its_own(
    recipe: Recipe, project: Path, make: Make
) -> None:
    files = [project.parent / name for name in ("train.csv", "dev.csv")]
    gone, odd = project.parent / "gone", project.parent / "a\nb\x1b[2J"
    odd.write_bytes(b"odd")
    record("finetune", recipe, [*files, gone], [odd], 1)
    record("save", recipe)
    _, first, *lines, second, _ = audit.run(recipe).splitlines()
    assert [line.split() for line in lines] == [
        *(["read", hashlib.sha256(file.read_bytes()).hexdigest()[:12], str(file)] for file in files),
        ["read", "-", str(gone)],
        ["wrote", hashlib.sha256(b"odd").hexdigest()[:12], f"{project.parent}/a\\nb\\x1b[2J"],
    ]
    assert [line.split()[-2:] for line in (first, second)] == [["finetune", "1"], ["save", "0"]]
    paths = {line: line.split()[-1] for line in lines}
    assert all(len(line) - len(path) <= 30 for line, path in paths.items())


def test_the_command_fails_where_there_is_no_log_or_a_changed_one(
    project: Path, recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"audit\.jsonl does not exist; run `python -m train finetune`"):
        audit.run(recipe)
    record("finetune", recipe)
    record("evaluate", recipe)
    assert main(["audit", str(project)]) == 0
    log = log_of(recipe)
    log.write_bytes(log.read_bytes().replace(b"finetune", b"pretrain"))
    assert main(["audit", str(project)]) == 1
    assert "line 2 is not what followed the line before it" in capsys.readouterr().err


def test_each_command_of_a_run_leaves_a_line(run_copy: tuple[Path, RunDirectory]) -> None:
    recipe_file, directory = run_copy
    assert main(["export", str(recipe_file)]) == 0
    events = verify(directory.root / "audit.jsonl").events
    assert [event["command"] for event in events] == ["finetune", "evaluate", "export"]
    trained, measured, exported = events
    assert [Path(name).name for name in trained["read"]] == ["train.csv", "dev.csv", "test.csv"]
    assert [Path(name).name for name in measured["wrote"]] == ["metrics.json", "errors.csv", "report.html"]
    assert list(trained["wrote"].values()) == [measured["read"][next(iter(trained["wrote"]))]]
    assert exported["wrote"] == {str(directory.export): audit._digest(directory.export)}


def test_a_command_that_fails_leaves_its_exit_status(
    run_copy: tuple[Path, RunDirectory], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe_file, directory = run_copy
    assert main(["save", str(recipe_file)]) == 2  # nothing was exported
    events = verify(directory.root / "audit.jsonl").events
    assert (events[-1]["command"], events[-1]["exit"]) == ("save", 2)
    assert main(["show", str(recipe_file)]) == 0
    assert main(["audit", str(recipe_file)]) == 0
    assert len(verify(directory.root / "audit.jsonl").events) == len(events)
    capsys.readouterr()


def test_a_failure_that_was_written_with_its_files_leaves_one_line(
    project: Path, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project.parent / "train.csv").open("a", encoding="utf-8") as file:
        file.write(",正面\n")
    assert main(["doctor", str(project)]) == 1
    [event] = verify(log_of(make())).events
    assert (event["command"], event["exit"]) == ("doctor", 1)
    assert [Path(name).name for name in event["wrote"]] == ["doctor.json", "doctor.html"]
    assert "error: " in capsys.readouterr().err


def test_a_command_that_fails_makes_no_run(make: Make, project: Path) -> None:
    assert main(["evaluate", str(project)]) == 2
    assert not RunDirectory.of(make()).root.exists()


def test_a_log_that_cannot_be_written_hides_no_error(
    run_copy: tuple[Path, RunDirectory], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe_file, directory = run_copy
    (directory.root / "audit.jsonl").unlink()
    (directory.root / "audit.jsonl").mkdir()
    assert main(["save", str(recipe_file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "the audit log cannot be written" in lines[0]
    assert lines[-1].startswith("error: ")
    assert json.dumps("export")[1:-1] in lines[-1]
