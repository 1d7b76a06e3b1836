"""Refuses prepared rows that cannot be trained on, and warns of others; it counts nothing itself."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from runtime.errors import DataError
from train.config import Recipe
from train.data.allocation import Cut, parts_of
from train.data.labels import shown
from train.data.ledger import Ledger
from train.data.prepared import DROPPED
from train.data.row_steps import UNUSABLE
from train.section import SPLITS, Split

logger = logging.getLogger(__name__)

_MANY = 0.5
_SHOWN_LABELS = 5


def refuse_empty_labels(ledger: Ledger, separator: str | None) -> None:
    """Refuse a separator that is a label, or labels that are nothing but separators.

    Raises
    ------
    DataError
        Nothing is left of a label.
    """
    for split, counts in ledger.labels_in.items() if separator else ():
        for name, rows in counts.items():
            if not parts_of(name, separator):
                raise DataError(
                    f"prepare.label_separator={separator!r} leaves nothing of the label {shown(name)} of "
                    f"{rows:,} {split} rows; set it to what stands between labels, or correct those."
                )


def judge(recipe: Recipe, ledger: Ledger, shares: Mapping[Split, float], cut: Cut | None) -> None:
    """Refuse a result without the rows that training needs, and warn of one that has lost many.

    Parameters
    ----------
    recipe : Recipe
    ledger : Ledger
        Of rows that have been written.
    shares : mapping of str to float
        Of the splits that were to be cut from train.
    cut : Cut, optional
        What they were cut from.

    Raises
    ------
    DataError
        A split that was given, or was to be cut, has no row.
    """
    steps = {count["step"]: count["dropped"] for count in ledger.by_step() if count["dropped"]}
    lost = ", ".join(f"{step} {count:,}" for step, count in steps.items()) or "none"
    for split in SPLITS:
        if ledger.rows_out[split]:
            continue
        if split == "train" or split in ledger.rows_in:
            reason = ledger.commonest_reason(split)
            most = "" if reason is None else f"; the commonest reason: {reason}"
            raise DataError(
                f"no {split} row is left of {ledger.rows_in[split]:,} in {getattr(recipe.labelled(), split)} "
                f"(rows dropped: {lost}{most}); correct the data, or choose other settings of [prepare]."
            )
        if split in shares and cut is not None:
            raise _no_share(recipe, split, shares[split], cut)
    if unusable := steps.get(UNUSABLE):
        logger.warning(
            "%s rows have no text or no label that can be used and were dropped: see %s",
            f"{unusable:,}",
            DROPPED,
        )
    if ledger.dropped.total() > _MANY * ledger.rows_in.total():
        logger.warning(
            "%s of %s rows were dropped (%s): see %s",
            *(f"{count:,}" for count in (ledger.dropped.total(), ledger.rows_in.total())),
            lost,
            DROPPED,
        )
    separator = recipe.prepare.label_separator
    _warn_of_lost_labels(ledger, separator)
    _warn_of_classes(ledger.labels_out["train"], separator)


def _no_share(recipe: Recipe, split: Split, share: float, cut: Cut) -> DataError:
    """Return what to say where nothing could be cut for a split: too few rows, or too few groups of them."""
    by_group = cut.groups < cut.clusters
    rows = f"{cut.rows:,} rows"
    is_joined = cut.groups * share < 1 or cut.largest > cut.rows * (1 - share)
    if cut.rows * share < 1 or not is_joined:
        setting = "data.dev_fraction" if split == "dev" else "prepare.test_fraction"
        return DataError(
            f"{rows} are left, too few to cut a share of {share} for {split} from; add rows, raise "
            f"{setting}, or set data.{split}."
        )
    cause = (
        f"data.group={recipe.labelled().group!r}"
        if by_group
        else "a likeness of texts, with each other or a third,"
    )
    groups = "one group" if cut.groups == 1 else f"{cut.groups:,} groups, the largest of {cut.largest:,}"
    remedy = "another data.group" if by_group else "prepare.near_duplicates=0"
    return DataError(
        f"{cause} puts all {rows} that are left into {groups}, and as groups stay whole no share of {share} "
        f"can be cut for {split}; set data.{split}, or {remedy}."
    )


def _warn_of_lost_labels(ledger: Ledger, separator: str | None) -> None:
    for split, before in ledger.labels_in.items():
        names = _labels(before, separator)
        gone = sorted(names - _labels(ledger.labels_out[split], separator))
        if gone:
            logger.warning(
                "%d of the %d labels of %s have no row left there: %s",
                len(gone),
                len(names),
                split,
                ", ".join(map(shown, gone[:_SHOWN_LABELS])),
            )


def _labels(names: Collection[str], separator: str | None) -> set[str]:
    return {part for name in names for part in parts_of(name, separator)}


def _warn_of_classes(classes: Collection[str], separator: str | None) -> None:
    """Warn where training would refuse the labels, or take them for other than they are."""
    if len(classes) == 1:
        logger.warning(
            "all training rows have one label, from which nothing can be learned; add rows of others"
        )
    several = sorted(name for name in classes if len(parts_of(name, separator)) > 1)
    if several:
        logger.warning(
            "finetune gives a text one label: of the %d classes %d are combinations of labels, like %s",
            len(classes),
            len(several),
            shown(several[0]),
        )
