"""From a recipe to its splits of rows, read and checked; it knows no tokens and no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runtime.errors import DataError
from train.config import Recipe
from train.data.labels import check_known, label_names
from train.data.rows import Row, read_rows
from train.data.split import Integers, grouped_split, stratified_split
from train.section import Split


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows of a recipe; `test` is empty where the recipe names none."""

    train: list[Row]
    dev: list[Row]
    test: list[Row]
    labels: tuple[str, ...]


def load_splits(recipe: Recipe) -> Splits:
    """Read and check every split, before any work is done with one of them.

    Raises
    ------
    RecipeError
        A file or column does not exist.
    DataError
        Rows cannot be read, or their labels cannot be trained on.
    """
    train = read_rows(recipe.labelled(), "train")
    labels = label_names(train, recipe.labelled().label)
    if recipe.labelled().dev is None:
        train, dev = _cut(recipe, train)
    else:
        dev = load_rows(recipe, "dev", labels)
    test = load_rows(recipe, "test", labels) if recipe.labelled().test else []
    return Splits(train, dev, test, labels)


def load_rows(recipe: Recipe, split: Split, labels: Sequence[str]) -> list[Row]:
    """Read the rows of one split for a model with these labels; dev may be the part kept from train."""
    if split != "test" and recipe.labelled().dev is None:
        rows = _cut(recipe, read_rows(recipe.labelled(), "train"))[split == "dev"]
    else:
        rows = read_rows(recipe.labelled(), split)
    check_known(rows, labels)
    return rows


def groups_of(rows: Sequence[Row]) -> Integers:
    """Return a number for each row, equal where rows must not be parted; a row without a group is alone."""
    numbers: dict[str | int, int] = {}
    keys = (row.group or at for at, row in enumerate(rows))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _cut(recipe: Recipe, rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Return (train, dev) of the rows that were read for both, groups whole."""
    data, seed = recipe.labelled(), recipe.finetune.seed
    if data.group is None:
        return stratified_split(rows, data.dev_fraction, seed)
    labels = [frozenset({row.label}) for row in rows]
    in_train = grouped_split(labels, groups_of(rows), [data.dev_fraction], seed).astype(bool)
    train, dev = (
        [row for row, given in zip(rows, in_train, strict=True) if given == side] for side in (1, 0)
    )
    if not dev or len({row.label for row in train}) < len(set(labels)):
        raise DataError(
            f"the {len(rows):,} training rows cannot be cut for dev so that each value of data.group="
            f"{data.group!r} is on one side and each label in train; add rows of other groups, lower "
            "data.dev_fraction, or set data.dev."
        )
    return train, dev
