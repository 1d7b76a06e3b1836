"""`prepare`: rows become a folder of cleaned, deduplicated splits with a datasheet; it knows no model.

Every row that goes is counted and written down with its reason. What changes texts is recorded as a
normalizer, which serving repeats; what drops rows is not. Memory holds a few numbers per row and the texts in
the form they are compared in; the rows themselves are on disk.
"""

from __future__ import annotations

import logging
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from runtime.errors import DataError, RecipeError
from runtime.pii import DEFAULT_KINDS, mask
from train import audit
from train.config import Recipe
from train.data.allocation import STEPS, Allocation, allocate, cuts
from train.data.clusters import partition
from train.data.datasheet import Preparation, print_counts, write_datasheet
from train.data.intake import DROPPED_ROWS, KEY, Intake, dropped_rows, take_in
from train.data.leakage import Reason
from train.data.ledger import Ledger, count_labels
from train.data.prepared import DROPPED, columns_of, refuse_loss, write_parquet, write_split
from train.data.privacy import Anonymizer, normalizers_of
from train.data.row_steps import UNUSABLE, RowSteps
from train.data.spool import Texts
from train.data.stream import ROWS_AT_ONCE
from train.phases import phase
from train.protection import key_of, key_settings, warn_of_open_copy
from train.recipe import expanded
from train.run import RunDirectory, named_files, staged
from train.section import SPLITS, Split

logger = logging.getLogger(__name__)

_WORK = "work"
_MANY = 0.5
_SHOWN_LABELS = 5


def run(recipe: Recipe) -> Path:
    """Clean, deduplicate and split the rows of a recipe, and return the folder with them.

    The folder appears at once when everything is done; until then the one that was there stays.

    Raises
    ------
    RecipeError
        A file or column does not exist, or what is read, or is somebody else's, would be replaced.
    DataError
        Rows cannot be read, or none are left.
    UsageError
        Another process is at work in the run directory.
    ProtectionError
        What is written, or read, is to be encrypted and there is no key.
    """
    directory, key = RunDirectory.of(recipe), key_of(recipe)
    _refuse_own_result(recipe, directory.prepared)
    shares = cuts(recipe.labelled(), recipe.prepare)
    read = audit.data_files(recipe, *SPLITS)  # what is missing is told before anything is made
    refuse_loss(directory.prepared, [*read, *named_files(recipe)])
    with directory.locked(), staged(directory.prepared) as staging:
        content = _prepare(recipe, shares, staging, key)
    audit.record("prepare", recipe, read, [directory.prepared])
    print_counts(content)
    warn_of_open_copy(recipe, read, directory.prepared)
    settings = [f"data.prepared={directory.prepared}", *key_settings(recipe)]
    logger.info("train on them with %s", shlex.join(settings))
    return directory.prepared


def _refuse_own_result(recipe: Recipe, target: Path) -> None:
    given = recipe.labelled().prepared
    if given is not None and expanded(given).resolve() == target.resolve():
        raise RecipeError(
            f"data.prepared={given!r} is what prepare writes here; add data.prepared= to the command "
            "to prepare the rows of data.train anew."
        )


def _prepare(
    recipe: Recipe, shares: dict[Split, float], staging: Path, key: bytes | None
) -> dict[str, object]:
    work = staging / _WORK
    work.mkdir()
    steps = row_steps(recipe)
    ledger = Ledger([*steps.names, *(step for step, _ in STEPS.values())])
    taken = take_in(recipe.labelled(), steps, recipe.prepare.engine, ledger, work)
    with phase("comparing texts") as report:
        found = partition(Texts(taken.rows.table.column(KEY)), recipe.prepare.near_duplicates or None, report)
    placed = allocate(taken.rows.table, taken.counts, found, shares, recipe.prepare)
    _write(recipe, taken, placed, ledger, staging, key)
    prepared = Preparation(
        recipe, (*steps.normalizers, *steps.masks), ledger, taken.sources, shares, found.capped
    )
    del taken
    shutil.rmtree(work)
    _judge(recipe, ledger, shares)
    return write_datasheet(staging, prepared)


def row_steps(recipe: Recipe) -> RowSteps:
    """Return the steps that a recipe applies to each row by itself.

    Raises
    ------
    ProtectionError
        A pseudonym needs a key and there is none.
    """
    normalizers, privacy = recipe.labelled().normalizers, recipe.privacy
    masks = tuple(name for name in normalizers_of(privacy) if name not in normalizers)
    if privacy.mode == "placeholder":
        privacy = privacy.model_copy(update={"mode": "detect"})  # the masks do the rest, in serving too
    shown = partial(mask, kinds=tuple({*DEFAULT_KINDS, *privacy.kinds}))
    return RowSteps(normalizers, recipe.prepare.cleaners, shown, Anonymizer(privacy), masks)


def _write(
    recipe: Recipe, taken: Intake, placed: Allocation, ledger: Ledger, staging: Path, key: bytes | None
) -> None:
    """Write every split that has rows, and the rows that were dropped."""
    names = columns_of(recipe.labelled())
    with phase("writing") as report:
        dropped = _dropped(taken, placed, ledger)
        if recipe.privacy.mode != "detect":
            dropped = map(_hidden, dropped)
        write_parquet(staging / DROPPED, DROPPED_ROWS, dropped, key)
        for number, split in enumerate(SPLITS):
            chosen = (placed.splits == number) & (placed.reasons == Reason.KEPT)
            if chosen.any():
                labels = ledger.labels_out[split] = Counter()
                ledger.rows_out[split] = write_split(staging, split, _kept(taken, chosen, names, labels), key)
                report(ledger.rows_out.total(), len(taken.rows))


def _kept(
    taken: Intake, chosen: npt.NDArray[np.bool_], names: Sequence[str], labels: Counter[str]
) -> Iterator[pa.RecordBatch]:
    for start, batch in taken.rows.batches():
        found = batch.filter(pa.array(chosen[start : start + len(batch)])).select(names)
        count_labels(labels, found.column("label"))
        yield found


def _dropped(taken: Intake, placed: Allocation, ledger: Ledger) -> Iterator[pa.RecordBatch]:
    """Yield all dropped rows: first those that the row steps dropped, then the others."""
    for _, batch in taken.dropped.batches():
        yield batch
    rows = taken.rows.table
    for number, split in enumerate(SPLITS):
        at = np.flatnonzero((placed.splits == number) & (placed.reasons != Reason.KEPT))
        for part in np.array_split(at, -(-len(at) // ROWS_AT_ONCE) or 1):
            steps = [STEPS[Reason(reason)] for reason in placed.reasons[part].tolist()]
            other = rows.select(["file", "number"]).take(placed.other[part])
            table = rows.select(["file", "number", "text", "label"]).take(part)
            for name, column in (
                ("step", pa.array([step for step, _ in steps], pa.string())),
                ("reason", pa.array([reason for _, reason in steps], pa.string())),
                ("of_file", other.column("file")),
                ("of_number", other.column("number")),
            ):
                table = table.append_column(name, column)
            ledger.drop(split, table)
            yield from dropped_rows(table, split).to_batches()


def _hidden(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return dropped rows with placeholders for personal data: some went before they were replaced."""
    texts = [None if text is None else mask(text) for text in batch.column("text").to_pylist()]
    place = batch.schema.get_field_index("text")
    return batch.set_column(place, batch.schema.field(place), pa.array(texts, pa.string()))


def _judge(recipe: Recipe, ledger: Ledger, shares: Mapping[Split, float]) -> None:
    """Refuse a result without the rows that training needs, and warn of one that has lost many.

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
        if split in shares:
            setting = "data.dev_fraction" if split == "dev" else "prepare.test_fraction"
            joined = "near-duplicates" if recipe.labelled().group is None else "of one data.group"
            raise DataError(
                f"{ledger.rows_out['train']:,} rows are left, too few to cut a share of {shares[split]} for "
                f"{split} from, or too many of them {joined}; add rows, raise {setting}, or set data.{split}."
            )
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
    if len(ledger.labels_out["train"]) == 1:
        logger.warning(
            "all training rows have one label, from which nothing can be learned; add rows of others"
        )
    _warn_of_lost_labels(ledger)


def _warn_of_lost_labels(ledger: Ledger) -> None:
    for split, before in ledger.labels_in.items():
        gone = sorted(before.keys() - ledger.labels_out[split].keys())
        if gone:
            logger.warning(
                "%d of the %d labels of %s have no row left there: %s",
                len(gone),
                len(before),
                split,
                ", ".join(repr(mask(name[:40])) for name in gone[:_SHOWN_LABELS]),
            )
