"""Augmented rows are kept where a model gains from them, and refused where that is not worth trying."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.errors import RecipeError
from train import augment, quick_models
from train.config import Recipe
from train.data.loader import Splits
from train.data.rows import Row, read_rows
from train.quick_models import Predict
from train.recipe import read_recipe
from train.run import RunDirectory

Make = Callable[..., Recipe]
SETTINGS = ("augment.judge=linear", "augment.up_to=any", "augment.seeds=2")


def judged_by(monkeypatch: pytest.MonkeyPatch, *, likes_more_rows: bool) -> list[Splits]:
    """Have a stand-in learn: it is right where it saw more than the 64 genuine rows, or where it did not."""
    seen: list[Splits] = []

    def fit(recipe: Recipe, splits: Splits, folder: Path) -> Predict:
        seen.append(splits)
        is_right = (len(splits.train) > 64) == likes_more_rows

        def predict(rows: Sequence[Row]) -> quick_models.Probabilities:
            truth = np.array([splits.labels.index(row.label) for row in rows])
            return np.eye(2)[truth if is_right else np.zeros_like(truth)]

        return predict

    monkeypatch.setitem(quick_models.QUICK_MODELS, "linear", fit)
    return seen


def account(directory: RunDirectory) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(directory.augmentation.read_text(encoding="utf-8"))
    return found


def test_rows_that_help_become_a_prepared_folder_that_finetune_reads(
    make: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, likes_more_rows=True)
    recipe = make(*SETTINGS)
    directory = RunDirectory.of(recipe)
    assert augment.run(recipe) == directory.augmented
    found = account(directory)
    assert found["kept"]
    assert [trial["seed"] for trial in found["trials"]] == [42, 43]
    prepared = read_recipe(project, [f"data.prepared={directory.augmented}"])
    rows = read_rows(prepared.labelled(), "train")
    assert len(rows) == 64 + sum(found["made"].values()) > 100
    held_out = {row.text for split in ("dev", "test") for row in read_rows(recipe.labelled(), split)}
    assert held_out.isdisjoint(row.text for row in rows)


def test_with_a_key_the_rows_are_encrypted(
    make: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOBERT_KEY", base64.b64encode(bytes(32)).decode())
    judged_by(monkeypatch, likes_more_rows=True)
    folder = augment.run(make(*SETTINGS, "protection.encrypt=true"))
    assert {path.name for path in folder.iterdir()} == {
        *("train.parquet.enc", "dev.parquet.enc", "test.parquet.enc", "datasheet.json", "datasheet.md")
    }
    rows = read_rows(read_recipe(project, [f"data.prepared={folder}"]).labelled(), "train")
    assert len(rows) > 100


def test_rows_that_do_not_help_are_told_of_and_not_kept(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    judged_by(monkeypatch, likes_more_rows=False)
    recipe = make(*SETTINGS)
    directory = RunDirectory.of(recipe)
    assert augment.run(recipe) == directory.augmentation
    assert not directory.augmented.exists()
    found = account(directory)
    assert (found["kept"], found["difference"] < 0) == (False, True)
    assert any(message.startswith("not kept") for message in caplog.messages)
    assert "seed 42: dev macro-F1 1.0000 without, 0.3333 with 64 rows more (-0.6667)" in caplog.messages
    assert not any(row.text in caplog.text for row in read_rows(recipe.labelled(), "train"))


def test_what_an_earlier_run_kept_stays_and_is_told_of(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    judged_by(monkeypatch, likes_more_rows=True)
    folder = augment.run(make(*SETTINGS))
    assert not any("an earlier augment" in message for message in caplog.messages)
    judged_by(monkeypatch, likes_more_rows=False)
    assert augment.run(make(*SETTINGS)) != folder
    assert (folder / "train.parquet").is_file()
    assert f"{folder} is what an earlier augment kept, for other settings" in caplog.messages


def test_both_models_of_a_trial_see_the_same_dev_rows_and_only_train_differs(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = judged_by(monkeypatch, likes_more_rows=True)
    augment.run(make(*SETTINGS))
    assert [len(splits.train) > 64 for splits in seen] == [False, True, False, True]
    assert all(splits.dev == seen[0].dev for splits in seen)
    assert seen[1].train[:64] == seen[0].train
    assert seen[1].train[64:] != seen[3].train[64:]


def test_both_models_of_a_trial_learn_for_as_many_steps(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[tuple[int, int, int]] = []

    def fit(recipe: Recipe, splits: Splits, folder: Path) -> Predict:
        learned.append((recipe.finetune.seed, recipe.finetune.epochs, len(splits.train)))
        return lambda rows: np.tile([1.0, 0.0], (len(rows), 1))

    monkeypatch.setitem(quick_models.QUICK_MODELS, "linear", fit)
    augment.run(make(*SETTINGS, "augment.per_class=0.5", "finetune.epochs=4"))
    assert learned == [(42, 6, 64), (42, 4, 96), (43, 6, 64), (43, 4, 96)]


def test_the_linear_model_gives_the_same_account_twice(make: Make) -> None:
    recipe = make(*SETTINGS)
    augment.run(recipe)
    first = account(RunDirectory.of(recipe))
    augment.run(recipe)
    assert account(RunDirectory.of(recipe)) == first
    assert first["trials"][0]["without"] == first["trials"][1]["without"]


def test_the_encoder_is_fine_tuned_with_each_seed_and_leaves_nothing(make: Make) -> None:
    recipe = make("augment.up_to=any", "augment.seeds=1", "augment.per_class=0.1", "finetune.epochs=1")
    augment.run(recipe)
    directory = RunDirectory.of(recipe)
    trial = account(directory)["trials"][0]
    assert 0 < trial["without"]["macro_f1"] <= 1
    assert not directory.quick.exists()
    assert not directory.model.exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("augment.most_rows=63", r"64 training rows are more than .* set augment\.most_rows=64"),
        ("augment.up_to=median", r"set augment\.up_to=any"),
        ("augment.methods=synonym", r"made no new text"),
    ],
)
def test_what_is_not_worth_trying_is_refused_by_the_setting_that_would_allow_it(
    make: Make, override: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        augment.run(make(*SETTINGS, override))


def test_rows_it_made_are_not_augmented_again(
    make: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, likes_more_rows=True)
    folder = augment.run(make(*SETTINGS))
    with pytest.raises(RecipeError, match="is what augment writes here"):
        augment.run(read_recipe(project, [f"data.prepared={folder}", *SETTINGS]))
