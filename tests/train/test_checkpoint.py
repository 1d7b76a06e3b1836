from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime.errors import RecipeError, TrainingError
from train import checkpoint
from train.data.rows import DataFile
from train.recipe import read_recipe

ORIGIN = {"finetune.epochs": 3}
FILES: list[DataFile] = [{"path": "train.csv", "sha256": "abc", "rows": 3}]


def save(folder: Path, step: int, *, seal: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.pt"):
        (path / name).write_bytes(bytes([step % 256]) * 100)
    if seal:
        checkpoint.seal(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoint.start_over(tmp_path / "checkpoints", ORIGIN)
    return tmp_path / "checkpoints"


def test_the_newest_is_found_by_number(folder: Path) -> None:
    for step in (9, 100, 20):
        save(folder, step)
    found = checkpoint.newest_intact(folder, ORIGIN)
    assert found == folder / "checkpoint-100"


def damage_remove(path: Path) -> None:
    (path / "optimizer.pt").unlink()


def damage_cut(path: Path) -> None:
    (path / "optimizer.pt").write_bytes(b"\1" * 50)


def damage_change(path: Path) -> None:
    (path / "model.safetensors").write_bytes(b"\1" * 99 + b"\2")


def damage_unseal(path: Path) -> None:
    (path / checkpoint.SEAL).unlink()


@pytest.mark.parametrize("damage", [damage_remove, damage_cut, damage_change, damage_unseal])
def test_a_broken_checkpoint_is_passed_over_and_removed(folder: Path, damage: object) -> None:
    older, newer = save(folder, 1), save(folder, 2)
    assert checkpoint.newest_intact(folder, ORIGIN) == newer
    damage(newer)  # type: ignore[operator]
    assert checkpoint.newest_intact(folder, ORIGIN) == older
    assert not newer.exists()


def test_no_checkpoint_is_found_where_there_is_none(tmp_path: Path, folder: Path) -> None:
    assert checkpoint.newest_intact(folder, ORIGIN) is None
    assert checkpoint.newest_intact(tmp_path / "nowhere", ORIGIN) is None


def test_starting_over_removes_what_was_there(folder: Path) -> None:
    save(folder, 1)
    checkpoint.start_over(folder, ORIGIN)
    assert checkpoint.newest_intact(folder, ORIGIN) is None


def test_pruning_keeps_what_it_is_told(folder: Path) -> None:
    for step in (1, 2, 3):
        save(folder, step)
    checkpoint.prune(folder, keep={1, 3})
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-1", "checkpoint-3"]


def test_another_training_is_not_resumed(folder: Path) -> None:
    save(folder, 1)
    with pytest.raises(RecipeError, match=r"finetune\.epochs was 3 and is now 4; undo that"):
        checkpoint.newest_intact(folder, {"finetune.epochs": 4})
    assert (folder / "checkpoint-1").exists()


def test_what_another_version_began_is_not_resumed(folder: Path) -> None:
    save(folder, 1)
    with pytest.raises(
        RecipeError, match=r"another version made it, which did not know finetune\.new; start"
    ):
        checkpoint.newest_intact(folder, {"finetune.epochs": 3, "finetune.new": 0.0})
    assert (folder / "checkpoint-1").exists()


@pytest.mark.parametrize(
    ("override", "matters"),
    [
        ("finetune.epochs=9", True),
        ("finetune.seed=9", True),
        ("data.normalizers=[]", True),
        ("scratch.layers=9", True),
        ("finetune.resume=true", False),
        ("data.test=", False),
        ("store.name=other", False),
        ("export.precision=bf16", False),
    ],
)
def test_only_what_changes_the_result_keeps_from_resuming(
    project: Path, override: str, matters: bool
) -> None:
    before, after = read_recipe(project), read_recipe(project, [override])
    assert (checkpoint.origin_of(before, FILES) != checkpoint.origin_of(after, FILES)) == matters


def test_changed_rows_keep_from_resuming(project: Path, folder: Path) -> None:
    recipe = read_recipe(project)
    checkpoint.start_over(folder, checkpoint.origin_of(recipe, FILES))
    changed: list[DataFile] = [{**FILES[0], "sha256": "def"}]
    with pytest.raises(RecipeError, match="the contents of the data files changed"):
        checkpoint.newest_intact(folder, checkpoint.origin_of(recipe, changed))


def test_an_origin_reads_back_as_it_was_written(project: Path, folder: Path) -> None:
    origin = checkpoint.origin_of(read_recipe(project), FILES)
    checkpoint.start_over(folder, origin)
    assert json.loads((folder / checkpoint.ORIGIN).read_text(encoding="utf-8")) == origin


@pytest.mark.parametrize(
    ("stopped", "step", "finished"), [(False, 5, False), (True, 5, True), (False, 10, True)]
)
def test_progress_is_what_trainer_recorded(folder: Path, stopped: bool, step: int, finished: bool) -> None:
    path = save(folder, step, seal=False)
    state = {
        "global_step": step,
        "max_steps": 10,
        "best_global_step": 2,
        "best_metric": 0.5,
        "log_history": [{"loss": 1.0}],
        "stateful_callbacks": {"TrainerControl": {"args": {"should_training_stop": stopped}}},
    }
    (path / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
    progress = checkpoint.read_progress(path)
    assert progress.finished == finished
    assert progress.best == folder / "checkpoint-2"
    assert progress.history == [{"loss": 1.0}]


def test_a_training_that_never_had_a_metric_has_diverged(folder: Path) -> None:
    path = save(folder, 5, seal=False)
    (path / "trainer_state.json").write_text('{"global_step": 5, "best_global_step": null}', encoding="utf-8")
    with pytest.raises(TrainingError, match=r"diverged by step 5.*lower finetune\.learning_rate"):
        checkpoint.read_progress(path)
