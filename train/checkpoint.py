"""Which states of an unfinished training can be continued, and by whom; it knows no model.

A checkpoint is intact once it is sealed: its last file lists the digests of all others. The origin file of
the folder says which recipe and which rows the checkpoints belong to.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import RecipeError, TrainingError
from runtime.manifest import digest_files
from train.config import Recipe
from train.data.rows import DataFile
from train.run import write_json

SEAL = "sealed.json"
ORIGIN = "origin.json"
_STATE = "trainer_state.json"

_CONTENTS = "the contents of the data files"
_IRRELEVANT = {
    *("finetune.resume", "data.train", "data.dev", "data.test", "data.prepared", "data.key_file"),
    *("pretrain.resume", "pretrain.max_minutes", "pretrain.checkpoint_minutes", "pretrain.weights"),
    *("corpus.files", "corpus.exclude", "corpus.licences"),
}

Origin = Mapping[str, object]
"""Setting → value of everything that decides what training computes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far training had come: whether it was through, its best checkpoint so far, and its log."""

    finished: bool
    best: Path
    best_metric: float
    history: list[dict[str, float]]


def origin_of(recipe: Recipe, files: Sequence[DataFile]) -> Origin:
    """Return what decides the result of fine-tuning: its settings, and the digests of its rows."""
    return decisive_settings(recipe, {"data", "finetune", "scratch"}, [file["sha256"] for file in files])


def decisive_settings(recipe: Recipe, sections: set[str], contents: Sequence[str]) -> Origin:
    """Return the settings of these sections that decide a result, and the digests of what was read."""
    dumped = recipe.model_dump(mode="json", include=sections)
    settings = {f"{name}.{key}": value for name in dumped for key, value in (dumped[name] or {}).items()}
    decisive = {name: value for name, value in settings.items() if name not in _IRRELEVANT}
    return {**decisive, _CONTENTS: list(contents)}


def start_over(folder: Path, origin: Origin) -> None:
    """Remove the checkpoints of an earlier training and record what the next ones belong to."""
    shutil.rmtree(folder, ignore_errors=True)
    write_json(folder / ORIGIN, origin)


def newest_intact(folder: Path, origin: Origin) -> Path | None:
    """Return the newest checkpoint of this training that was written to its end; remove broken ones.

    Raises
    ------
    RecipeError
        The checkpoints belong to a training with other settings or rows.
    """
    if not (folder / ORIGIN).is_file():
        return None
    check_origin(json.loads((folder / ORIGIN).read_text(encoding="utf-8")), origin, folder)
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        if is_intact(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def check_origin(recorded: Origin, origin: Origin, where: Path) -> None:
    """Refuse to continue a training under other settings.

    Raises
    ------
    RecipeError
        Names the settings that differ, or that the version did not know which began the training.
    """
    if unknown := [name for name in origin if name not in recorded]:
        raise RecipeError(
            f"{where} cannot be resumed: another version made it, which did not know {', '.join(unknown)}; "
            "start over without --resume."
        )
    differing = [name for name in origin if recorded[name] != origin[name]]
    if differing:
        changes = ", ".join(_change(name, recorded[name], origin[name]) for name in differing)
        raise RecipeError(f"{where} cannot be resumed: {changes}; undo that, or start over without --resume.")


def is_done(report: Path, origin: Origin) -> bool:
    """Tell by its report whether a training is finished; where it is that of another training, refuse.

    Raises
    ------
    RecipeError
        The model was trained with other settings or data: resuming would replace it by something else.
    """
    if not report.is_file():
        return False
    check_origin(json.loads(report.read_text(encoding="utf-8"))["origin"], origin, report.parent)
    return True


def seal(checkpoint: Path) -> None:
    """Record that a checkpoint was written to its end."""
    write_json(checkpoint / SEAL, digest_files(checkpoint))


def is_intact(checkpoint: Path) -> bool:
    """Tell whether a checkpoint holds exactly what was sealed."""
    path = checkpoint / SEAL
    if not path.is_file():
        return False
    found = digest_files(checkpoint)
    del found[SEAL]
    return bool(found == json.loads(path.read_text(encoding="utf-8")))


def prune(folder: Path, keep: set[int]) -> None:
    """Remove all checkpoints but those of the steps to keep."""
    for checkpoint in folder.glob("checkpoint-*"):
        if step_of(checkpoint) not in keep:
            shutil.rmtree(checkpoint)


def read_progress(checkpoint: Path) -> Progress:
    """Return how far a checkpoint's training had come.

    Raises
    ------
    TrainingError
        No epoch so far gave a metric, which is a number only while the weights are.
    """
    state = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    if state["best_global_step"] is None:
        raise TrainingError(
            f"training has diverged by step {state['global_step']}, its loss is not a finite number; lower "
            "finetune.learning_rate and start over without --resume."
        )
    stopped = state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"]
    best = checkpoint.with_name(f"checkpoint-{state['best_global_step']}")
    return Progress(
        finished=stopped or state["global_step"] >= state["max_steps"],
        best=best,
        best_metric=state["best_metric"],
        history=state["log_history"],
    )


def step_of(checkpoint: Path) -> int:
    """Return the optimizer step a checkpoint was saved at."""
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _change(name: str, before: object, now: object) -> str:
    if name == _CONTENTS:
        return f"{name} changed"
    before_text, now_text = (json.dumps(value, ensure_ascii=False) for value in (before, now))
    return f"{name} was {before_text} and is now {now_text}"
