"""Augmented rows are kept where a model gains from them, and refused where that is not worth trying."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from runtime.errors import RecipeError
from runtime.keys import new_key
from tests.train.conftest import write_csv
from train import augment, prepare, quick_models
from train.config import Recipe
from train.data.augment_rows import Augmented
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


def test_the_settings_told_read_what_was_encrypted(
    make: Make, project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    judged_by(monkeypatch, likes_more_rows=True)
    for name in ("old.key", "new.key"):
        new_key(project.parent / name)
    old, new = (f"protection.key_file={project.parent / name}" for name in ("old.key", "new.key"))
    encrypt = "protection.encrypt=true"
    prepared = f"data.prepared={prepare.run(make(encrypt, old, 'prepare.near_duplicates=0'))}"
    key = f"data.key_file={project.parent / 'old.key'}"
    augment.run(make(prepared, key, *SETTINGS, encrypt, new))
    told = next(message for message in caplog.messages if message.startswith("kept "))
    settings = told.partition("train on them with ")[2].split()
    assert len(read_rows(make(prepared, key, *settings).labelled(), "train")) > 64
    assert not any("is not encrypted" in message for message in caplog.messages)
    folder = augment.run(make(prepared, key, *SETTINGS))
    assert (
        f"{folder} is not encrypted, though the files its rows are from are; set protection.encrypt=true"
    ) in caplog.messages
    places = {(row["file"], row["number"]) for row in pq.read_table(folder / "train.parquet").to_pylist()}
    assert {file for file, _ in places} == {str(project.parent / "train.csv")}
    assert max(number for _, number in places) == 65


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


def test_a_share_of_few_rows_that_is_less_than_one_is_named_as_the_cause(make: Make, project: Path) -> None:
    rows = [("独一无二", "其他"), *((f"很好{number}", "正面") for number in range(5))]
    rows += [(f"太差{number}", "负面") for number in range(5)]
    write_csv(project.parent / "train.csv", rows)
    with pytest.raises(RecipeError) as refused:
        augment.run(make("augment.judge=linear", "augment.per_class=0.5"))
    assert str(refused.value) == (
        "augment.per_class=0.5 comes to less than one row: the largest class that augment.up_to='median' "
        "adds to has 1 row; set augment.per_class=1 or more."
    )


def test_one_row_is_told_of_as_one(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    judged_by(monkeypatch, likes_more_rows=True)
    monkeypatch.setattr(augment, "augment_rows", lambda splits, *_: [Augmented(splits.train[0], "swap")])
    augment.run(make(*SETTINGS, "augment.seeds=1"))
    assert "seed 42: trained without and with 1 row more" in caplog.messages
    assert any(message.startswith("kept 1 row; ") for message in caplog.messages)
    assert not any("1 rows" in message for message in caplog.messages)


def test_rows_it_made_are_not_augmented_again(
    make: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, likes_more_rows=True)
    folder = augment.run(make(*SETTINGS))
    with pytest.raises(RecipeError, match="is what augment writes here"):
        augment.run(read_recipe(project, [f"data.prepared={folder}", *SETTINGS]))


def test_a_folder_of_another_and_what_is_read_are_not_replaced(
    make: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, likes_more_rows=True)
    folder = augment.run(make(*SETTINGS))
    assert augment.run(make(*SETTINGS)) == folder
    with pytest.raises(RecipeError, match=r"train\.parquet is to be read and lies in"):
        augment.run(make(*SETTINGS, f"data.train={folder}/train.parquet"))
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"holds 'notes\.txt', which no datasheet"):
        augment.run(make(*SETTINGS))
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
