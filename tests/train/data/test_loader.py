from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import DataError
from train.config import Recipe
from train.data.loader import load_rows, load_splits
from train.recipe import read_recipe


def recipe(folder: Path, *overrides: str, **files: list[tuple[str, str]]) -> Recipe:
    """Write `name.csv` for every split and return a recipe for them."""
    for name, rows in files.items():
        lines = "".join(f"{text},{label}\n" for text, label in rows)
        (folder / f"{name}.csv").write_text(f"text,label\n{lines}", encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_text("[data]\n" + "".join(f'{name} = "{folder}/{name}.csv"\n' for name in files), "utf-8")
    return read_recipe(path, overrides)


TRAIN = [(f"text {i}", "ab"[i % 2]) for i in range(40)]


def test_splits_come_from_their_own_files(tmp_path: Path) -> None:
    splits = load_splits(recipe(tmp_path, train=TRAIN, dev=[("d", "a")], test=[("t", "b")]))
    assert [len(rows) for rows in (splits.train, splits.dev, splits.test)] == [40, 1, 1]
    assert splits.labels == ("a", "b")


def test_without_a_dev_file_evaluation_sees_the_rows_training_kept_back(tmp_path: Path) -> None:
    given = recipe(tmp_path, "data.dev_fraction=0.25", train=TRAIN)
    splits = load_splits(given)
    assert len(splits.dev) == 10
    assert not set(splits.dev) & set(splits.train)
    assert load_rows(given, "dev", splits.labels) == splits.dev


def test_labels_that_only_dev_rows_have_stay_known(tmp_path: Path) -> None:
    splits = load_splits(recipe(tmp_path, train=[*TRAIN, ("x", "c")]))
    assert splits.labels == ("a", "b", "c")


@pytest.mark.parametrize("split", ["dev", "test"])
def test_an_unknown_label_is_refused_before_training(tmp_path: Path, split: str) -> None:
    given = recipe(tmp_path, train=TRAIN, **{split: [("t", "a"), ("t", "x")]})
    with pytest.raises(DataError, match=rf"{split}\.csv row 3 has the unknown label 'x'"):
        load_splits(given)
    with pytest.raises(DataError, match=rf"{split}\.csv row 3"):
        load_rows(given, split, ("a", "b"))  # type: ignore[arg-type]
