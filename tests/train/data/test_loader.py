from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import DataError
from train.config import Recipe
from train.data.loader import groups_of, load_rows, load_splits
from train.data.rows import Row
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


def grouped(folder: Path, groups: list[str], *overrides: str) -> Recipe:
    """Return a recipe for rows of two labels with these groups."""
    lines = "".join(f"text {at},{'ab'[at % 2]},{group}\n" for at, group in enumerate(groups))
    (folder / "train.csv").write_text(f"text,label,user\n{lines}", encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_text(f'[data]\ntrain = "{folder}/train.csv"\ngroup = "user"\n', encoding="utf-8")
    return read_recipe(path, overrides)


@pytest.mark.parametrize("seed", range(5))
def test_a_group_is_on_one_side_of_the_cut_for_dev(tmp_path: Path, seed: int) -> None:
    given = grouped(tmp_path, [f"u{at // 10}" for at in range(200)], f"finetune.seed={seed}")
    splits = load_splits(given)
    assert not {row.group for row in splits.dev} & {row.group for row in splits.train}
    assert (len(splits.train), len(splits.dev)) == (180, 20)
    assert {row.label for row in splits.dev} == {"a", "b"}
    assert load_rows(given, "dev", splits.labels) == splits.dev
    assert load_rows(given, "train", splits.labels) == splits.train


def test_rows_without_a_group_are_parted_as_any(tmp_path: Path) -> None:
    splits = load_splits(grouped(tmp_path, [""] * 40, "data.dev_fraction=0.25"))
    assert (len(splits.train), len(splits.dev)) == (30, 10)


@pytest.mark.parametrize("groups", [["u"] * 40, ["u", "v"] * 20])
def test_groups_that_leave_no_row_for_dev_are_refused(tmp_path: Path, groups: list[str]) -> None:
    with pytest.raises(DataError, match=r"each value of data\.group='user' is on one side .*set data\.dev"):
        load_splits(grouped(tmp_path, groups))


@given(st.lists(st.sampled_from([None, "", "x", "y"]), max_size=12))
def test_rows_have_one_number_where_they_have_one_group(groups: list[str | None]) -> None:
    found = groups_of([Row("t", None, "a", "f", at, at, group) for at, group in enumerate(groups)]).tolist()
    for left, one in zip(groups, found, strict=True):
        equal = [right for right, other in zip(groups, found, strict=True) if other == one]
        assert equal == [group for group in groups if group == left] if left else len(equal) == 1
