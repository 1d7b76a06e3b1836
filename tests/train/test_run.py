from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import UsageError
from train.recipe import read_recipe
from train.run import RunDirectory, leftovers, named_files, staged, write_json


def fill(folder: Path, content: str) -> None:
    (folder / "file").write_text(content, encoding="utf-8")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("already_there", [False, True])
def test_a_finished_directory_takes_its_place_and_leaves_nothing_beside(
    tmp_path: Path, already_there: bool
) -> None:
    target = tmp_path / "new" / "model"
    if already_there:
        with staged(target) as staging:
            fill(staging, "old")
    with staged(target) as staging:
        fill(staging, "new")
    assert (target / "file").read_text(encoding="utf-8") == "new"
    assert names(target.parent) == ["model"]


def fail_half_way(target: Path, error: type[BaseException]) -> None:
    with staged(target) as staging:
        fill(staging, "half")
        assert (target / "file").read_text(encoding="utf-8") == "old"
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_directory_leaves_the_old_one(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "model"
    with staged(target) as staging:
        fill(staging, "old")
    with pytest.raises(error):
        fail_half_way(target, error)
    assert (target / "file").read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["model"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    killed, foreign = f".model-{'0a' * 16}", [".model-killed", ".model-notes_12", ".models"]
    for name in (killed, *foreign):
        (tmp_path / name).mkdir()
        fill(tmp_path / name, "half")
    assert leftovers(tmp_path / "model") == [tmp_path / killed]
    assert leftovers(tmp_path / "elsewhere" / "model") == []
    with staged(tmp_path / "model") as staging:
        fill(staging, "new")
        assert leftovers(tmp_path / "model") == [staging]
    assert names(tmp_path) == [*foreign, "model"]


def test_a_link_that_is_named_like_a_leftover_is_left(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    fill(tmp_path / "mine", "mine")
    (tmp_path / f".model-{'0a' * 16}").symlink_to(tmp_path / "mine")
    with staged(tmp_path / "model") as staging:
        fill(staging, "new")
    assert (tmp_path / "mine" / "file").read_text(encoding="utf-8") == "mine"


def test_keys_and_the_recipe_itself_are_named_files(recipe: Path) -> None:
    settings = ["data.key_file=a", "privacy.key_file=b", "protection.key_file=~/c"]
    assert named_files(read_recipe(recipe, settings)) == [Path("a"), Path("b"), Path.home() / "c", recipe]
    assert named_files(read_recipe(recipe)) == [recipe]


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


def test_only_the_owner_can_read_what_a_run_holds(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.locked(), staged(run.model) as staging:
        assert staging.stat().st_mode & 0o777 == 0o700
        (staging / "deep").mkdir(mode=0o755)
        fill(staging / "deep", "new")
    write_json(run.metrics, {})
    (run.root / ".lock").unlink()
    expected = {"run": 0o700, "model": 0o700, "deep": 0o700, "file": 0o600, "metrics.json": 0o600}
    assert modes(run.root) == expected


def test_a_run_directory_that_was_there_keeps_its_permissions(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.root.mkdir()
    run.root.chmod(0o750)
    with run.locked(), staged(run.model) as staging:
        fill(staging, "new")
    assert run.root.stat().st_mode & 0o777 == 0o750
    assert run.model.stat().st_mode & 0o777 == 0o700


def test_json_is_written_for_people_and_at_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_json(path, {"标签": [1]})
    assert "标签" in path.read_text(encoding="utf-8")
    with pytest.raises(TypeError):
        write_json(path, {"bad": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"标签": [1]}
    assert names(path.parent) == ["file.json"]


def test_two_processes_do_not_write_into_one_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.locked(), pytest.raises(UsageError, match="being written by another"), run.locked():
        pytest.fail("both at once")
    with run.locked():
        assert run.root.is_dir()


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path, project_root: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom train.run import RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1])).locked():\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(run.root)], cwd=project_root, check=False)
    assert killed.returncode == -signal.SIGKILL
    with run.locked():
        assert (run.root / ".lock").is_file()


def test_a_directory_moved_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "model"
    aside = tmp_path / f".model-old-{'0a' * 16}"
    (aside / "model").mkdir(parents=True)
    fill(aside / "model", "old")
    with pytest.raises(ValueError, match="stop"):
        fail_half_way(target, ValueError("stop"))
    assert (target / "file").read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["model"]
