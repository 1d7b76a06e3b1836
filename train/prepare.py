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
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from runtime.errors import RecipeError
from runtime.pii import DEFAULT_KINDS, find, mask, replaced
from train import audit
from train.config import Origin, Recipe
from train.data.allocation import STEPS, Allocation, allocate, cuts, encoded
from train.data.checks.commands import command
from train.data.clusters import partition
from train.data.datasheet import Preparation, print_counts, write_datasheet
from train.data.intake import DROPPED_ROWS, KEY, Intake, dropped_rows, take_in
from train.data.judgement import judge, refuse_empty_labels
from train.data.leakage import Reason
from train.data.ledger import Ledger, count_labels
from train.data.origin import Origins
from train.data.prepared import DROPPED, columns_of, refuse_loss, write_parquet, write_split
from train.data.privacy import Anonymizer, normalizers_of, placeholder
from train.data.row_steps import RowSteps
from train.data.spool import Texts
from train.phases import phase
from train.protection import key_of, key_settings, warn_of_open_copy
from train.recipe import expanded
from train.run import RunDirectory, named_files, staged
from train.section import SPLITS, Split

logger = logging.getLogger(__name__)

_WORK = "work"
_OF_THIS_COMMAND = ("prepare.", "privacy.", "doctor.")
"""Settings that no later command needs."""


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
    logger.info("train on them with %s", _next_command(recipe, directory.prepared))
    return directory.prepared


def _refuse_own_result(recipe: Recipe, target: Path) -> None:
    given = recipe.labelled().prepared
    if given is not None and expanded(given).resolve() == target.resolve():
        raise RecipeError(
            f"data.prepared={given!r} is what prepare writes here; add data.prepared= to the command "
            "to prepare the rows of data.train anew."
        )


def _next_command(recipe: Recipe, made: Path) -> str:
    """Return what trains on the rows, quoted for a shell; the settings alone where the recipe is no file."""
    settings = [f"data.prepared={made}", *key_settings(recipe)]
    if recipe.origin.path is None:
        return shlex.join(settings)
    kept = tuple(one for one in recipe.origin.overrides if not one.startswith(_OF_THIS_COMMAND))
    paths = dict(setting.split("=", 1) for setting in settings)
    return command("all", Origin(recipe.origin.path, kept), {}, paths)


def _prepare(
    recipe: Recipe, shares: dict[Split, float], staging: Path, key: bytes | None
) -> dict[str, object]:
    work = staging / _WORK
    work.mkdir()
    steps = row_steps(recipe)
    ledger = Ledger([*steps.names, *(step for step, _ in STEPS.values())])
    taken = take_in(recipe.labelled(), steps, recipe.prepare.engine, ledger, work)
    refuse_empty_labels(ledger, recipe.prepare.label_separator)
    with phase("comparing texts") as report:
        found = partition(Texts(taken.rows.table.column(KEY)), recipe.prepare.near_duplicates or None, report)
    placed = allocate(taken.rows.table, taken.counts, found, shares, recipe.prepare)
    _write(recipe, taken, placed, ledger, staging, key)
    prepared = Preparation(
        recipe, (*steps.normalizers, *steps.masks), ledger, taken.sources, shares, found.capped
    )
    del taken
    shutil.rmtree(work)
    judge(recipe, ledger, shares, placed.cut)
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
    rest = partial(mask, kinds=tuple(kind for kind in DEFAULT_KINDS if kind not in privacy.kinds))
    return RowSteps(
        normalizers,
        recipe.prepare.cleaners,
        _masker(recipe),
        Anonymizer(privacy),
        masks,
        rest,
        recipe.prepare.label_separator,
    )


def _masker(recipe: Recipe) -> Callable[[str], str]:
    """Return what hides personal data in texts that are shown: all kinds, and those that the recipe names."""
    kinds = tuple({*DEFAULT_KINDS, *recipe.privacy.kinds})
    return partial(_masked, kinds=kinds, presidio=recipe.privacy.presidio)


def _masked(text: str, *, kinds: Sequence[str], presidio: bool) -> str:
    if presidio:
        from train.data.presidio import find_more

        spans = find_more(text, kinds)
    else:
        spans = find(text, kinds)
    return replaced(text, spans, lambda kind, _: placeholder(kind)) if spans else text


def _write(
    recipe: Recipe, taken: Intake, placed: Allocation, ledger: Ledger, staging: Path, key: bytes | None
) -> None:
    """Write every split that has rows, and the rows that were dropped."""
    names, origins = columns_of(recipe.labelled()), Origins(recipe.labelled())
    with phase("writing") as report:
        hide = None if recipe.privacy.mode == "detect" else _masker(recipe)
        columns = [name for name in DROPPED_ROWS.names if name != "text_pair" or name in names]
        schema = pa.schema([DROPPED_ROWS.field(name) for name in columns])
        dropped = (_shown(batch, hide, origins).select(columns) for batch in _dropped(taken, placed, ledger))
        write_parquet(staging / DROPPED, schema, dropped, key)
        for number, split in enumerate(SPLITS):
            chosen = (placed.splits == number) & (placed.reasons == Reason.KEPT)
            if chosen.any():
                labels = ledger.labels_out[split] = Counter()
                kept = (_placed(batch, origins) for batch in _kept(taken, chosen, names, labels))
                ledger.rows_out[split] = write_split(staging, split, kept, key)
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
    names, files = encoded(taken.rows.table.column("file"))
    numbers = taken.rows.table.column("number").to_numpy()
    for start, batch in taken.rows.batches():
        inside = slice(start, start + len(batch))
        for number, split in enumerate(SPLITS):
            chosen = (placed.splits[inside] == number) & (placed.reasons[inside] != Reason.KEPT)
            at = start + np.flatnonzero(chosen)
            if not len(at):
                continue
            steps, other = placed.steps(at), placed.other[at]
            table = pa.Table.from_batches([batch.filter(pa.array(chosen))])
            for name, column in (
                ("step", pa.array([step for step, _ in steps], pa.string())),
                ("reason", pa.array([reason for _, reason in steps], pa.string())),
                ("of_file", pa.array([names[file] for file in files[other].tolist()], pa.string())),
                ("of_number", pa.array(numbers[other])),
            ):
                table = table.append_column(name, column)
            ledger.drop(split, table)
            yield from dropped_rows(table, split).to_batches()


def _shown(batch: pa.RecordBatch, hide: Callable[[str], str] | None, origins: Origins) -> pa.RecordBatch:
    """Return dropped rows as a person may see them: some went before their personal data were replaced."""
    if hide is not None:
        for name in ("text", "text_pair", "label"):
            values = batch.column(name).to_pylist()
            hidden = [None if value is None else hide(value) for value in values]
            batch = _with(batch, name, pa.array(hidden, pa.string()))
    return _placed(_placed(batch, origins), origins, "of_")


def _placed(batch: pa.RecordBatch, origins: Origins, prefix: str = "") -> pa.RecordBatch:
    """Return rows with the file and number that they had before they were first prepared."""
    names = (f"{prefix}file", f"{prefix}number")
    for name, column in zip(names, origins.of(*(batch.column(name) for name in names)), strict=True):
        batch = _with(batch, name, column)
    return batch


def _with(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    at = batch.schema.get_field_index(name)
    return batch.set_column(at, batch.schema.field(at), column)
