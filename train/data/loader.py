"""From a recipe to its splits of rows, read and checked; it knows no tokens and no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from train.config import Recipe
from train.data.labels import check_known, label_names
from train.data.rows import Row, read_rows
from train.data.split import stratified_split
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
        train, dev = stratified_split(train, recipe.labelled().dev_fraction, recipe.finetune.seed)
    else:
        dev = load_rows(recipe, "dev", labels)
    test = load_rows(recipe, "test", labels) if recipe.labelled().test else []
    return Splits(train, dev, test, labels)


def load_rows(recipe: Recipe, split: Split, labels: Sequence[str]) -> list[Row]:
    """Read the rows of one split for a model with these labels; dev may be the part kept from train."""
    if split != "test" and recipe.labelled().dev is None:
        rows = read_rows(recipe.labelled(), "train")
        parts = stratified_split(rows, recipe.labelled().dev_fraction, recipe.finetune.seed)
        rows = parts[split == "dev"]
    else:
        rows = read_rows(recipe.labelled(), split)
    check_known(rows, labels)
    return rows
