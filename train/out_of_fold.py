"""Judges every training row by a model that saw neither it nor a duplicate of it; it makes no list."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runtime.errors import DataError
from train.config import Recipe
from train.data.clusters import clusters
from train.data.components import merged
from train.data.intake import PAIR_MARK
from train.data.loader import Splits, groups_of
from train.data.rows import Row
from train.data.split import grouped_split
from train.phases import phase
from train.quick_models import QUICK_MODELS, Integers, Probabilities

logger = logging.getLogger(__name__)

Bools = npt.NDArray[np.bool_]


def out_of_fold(recipe: Recipe, splits: Splits, folder: Path) -> tuple[Probabilities, Bools]:
    """Return the probability of each label for every training row, by models of other rows.

    Parameters
    ----------
    recipe : Recipe
        `noise` says how many folds, by which model.
    splits : Splits
    folder : Path
        For what trainings leave; it is gone at the end.

    Returns
    -------
    probabilities : float64 of shape (rows, num_labels)
    judged : bool of shape (rows,)
        Not where the label stands nowhere outside the fold: no model could have known it.

    Raises
    ------
    DataError
        There are fewer rows that differ than folds.
    """
    rows = splits.train
    fold = folds(recipe, rows)
    probabilities = np.zeros((len(rows), len(splits.labels)))
    judged = np.zeros(len(rows), dtype=bool)
    with phase("judging labels") as report:
        for number in range(recipe.noise.folds):
            inside = np.flatnonzero(fold == number)
            others = [rows[index] for index in np.flatnonzero(fold != number)]
            if not (len(inside) and others):
                continue  # rows of labels with fewer texts than folds may leave a fold empty
            seen = {row.label for row in others}
            model = QUICK_MODELS[recipe.noise.model](
                recipe, replace(splits, train=others), folder / f"fold-{number + 1}"
            )
            probabilities[inside] = model([rows[index] for index in inside])
            judged[inside] = [rows[index].label in seen for index in inside]
            report(number + 1, recipe.noise.folds)
    shutil.rmtree(folder, ignore_errors=True)
    return probabilities, judged


def folds(recipe: Recipe, rows: Sequence[Row]) -> Integers:
    """Return the fold of every row: stratified; duplicates, near ones too, and rows of a group in one fold.

    A duplicate would vouch for the label that it shares with the row, and its group for its habits.

    Raises
    ------
    DataError
        There are fewer rows that differ than folds.
    """
    count = recipe.noise.folds
    texts = [row.text if row.text_pair is None else f"{row.text}{PAIR_MARK}{row.text_pair}" for row in rows]
    with phase("comparing texts") as report:
        alike = clusters(texts, recipe.prepare.near_duplicates or None, report)
    groups = merged(alike, groups_of(rows)) if recipe.labelled().group else alike
    different = len(np.unique(groups))
    if different < count <= len(np.unique(alike)):
        raise DataError(
            f"the {len(rows):,} training rows have {different:,} values of data.group="
            f"{recipe.labelled().group!r} that share no text, fewer than noise.folds={count}; add rows of "
            "other groups, lower noise.folds, or leave data.group out."
        )
    if different < count:
        raise DataError(
            f"the {len(rows):,} training rows have {different:,} texts that differ, fewer than noise.folds="
            f"{count}; add rows, lower noise.folds, or tell nearly equal ones apart by "
            "prepare.near_duplicates=0."
        )
    return grouped_split(
        [frozenset({row.label}) for row in rows], groups, [1 / count] * (count - 1), recipe.noise.seed
    )
