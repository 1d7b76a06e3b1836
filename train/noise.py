"""`noise`: labels that a model of the other rows doubts, as a list to relabel; and that list put back.

The ranking is that of the `cleanlab` library (Northcutt, Jiang and Chuang 2021, "Confident Learning:
Estimating Uncertainty in Dataset Labels"). It knows how no quick model is trained.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from itertools import count as numbers_from
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from runtime.envelope import SUFFIX
from runtime.errors import DataError, RecipeError
from runtime.keys import read_key
from train import audit
from train.config import Recipe
from train.data.checks.finding import counted
from train.data.labels import shown
from train.data.loader import Splits, load_splits
from train.data.origin import at_origin
from train.data.prepared import write_parquet
from train.data.relabel import (
    Changes,
    Correction,
    Suspect,
    changes_of,
    check_drop_word,
    filled_in,
    read_corrections,
    relabelled,
    relabelled_batches,
    write_suspects,
)
from train.data.rows import Row
from train.data.sections import DataSection
from train.data.stream import read_batches
from train.out_of_fold import out_of_fold
from train.protection import KEY_VARIABLE, is_encrypted, key_of, key_settings, warn_of_open_copy
from train.quick_models import QUICK_MODELS, Integers, Probabilities, Score, positions, score
from train.recipe import expanded
from train.run import RunDirectory
from train.section import SPLITS

logger = logging.getLogger(__name__)

RANKED_BY = "self_confidence"
"""Of cleanlab's three scores the one that finds most flipped labels (`python -m benchmarks noise`)."""

_SHOWN_CONFUSIONS = 5


def run(recipe: Recipe) -> Path:
    """Write the list of doubtful labels; or, with `noise.apply`, the training rows with the labels of a list.

    Raises
    ------
    RecipeError
        A file or column does not exist, or what is written would have another key than the rest.
    UsageError
        The list to apply does not exist, or another process is at work in the run directory.
    DataError
        Rows cannot be read or are too few, or the list does not fit them.
    ProtectionError
        What is written, or read, is encrypted and there is no key.
    """
    directory, key = RunDirectory.of(recipe), key_of(recipe)
    splits = load_splits(recipe)
    check_drop_word(recipe.noise.drop_word, splits.labels)
    read = audit.data_files(recipe, *SPLITS) + audit.base_model(recipe.finetune.base_model)
    with directory.locked():
        if recipe.noise.apply is None:
            made = _search(recipe, splits, directory)
        else:
            path = expanded(recipe.noise.apply)
            made, read = _apply(recipe, splits, directory, path, key), [path, *read]
        audit.record("noise", recipe, read, [made])
    return made


def suspects_of(recipe: Recipe, splits: Splits, folder: Path) -> list[Suspect]:
    """Return the training rows whose label could be judged, the most doubtful first.

    Parameters
    ----------
    recipe : Recipe
    splits : Splits
    folder : Path
        For what trainings leave; it is gone at the end.

    Raises
    ------
    DataError
        There are fewer rows that differ than folds.
    """
    probabilities, judged = out_of_fold(recipe, splits, folder)
    if not judged.all():
        logger.warning(
            "%s a label that no other text has, so nothing can be said of it",
            _having(int(len(judged) - judged.sum())),
        )
    rows = [row for row, is_judged in zip(splits.train, judged.tolist(), strict=True) if is_judged]
    if not rows:
        raise DataError("no label stands at two texts that differ, so none can be judged; add rows.")
    probabilities = probabilities[judged]
    given = positions(rows, splits.labels)
    order, issues = ranked(given, probabilities)
    suggested = probabilities.argmax(axis=1)
    return [
        Suspect(
            rows[at],
            splits.labels[suggested[at]],
            float(probabilities[at, given[at]]),
            float(probabilities[at, suggested[at]]),
            bool(issues[at]),
        )
        for at in order.tolist()
    ]


def ranked(given: Integers, probabilities: Probabilities) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """Return the rows by how little their label is to be trusted, and which cleanlab takes for wrong.

    Parameters
    ----------
    given : int64 of shape (rows,)
    probabilities : float64 of shape (rows, num_labels)

    Returns
    -------
    order : int64 of shape (rows,)
    issues : bool of shape (rows,)
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    quality = get_label_quality_scores(given, probabilities, method=RANKED_BY)
    with warnings.catch_warnings():
        # It warns that it takes no label away from a class of one row, which is right.
        warnings.filterwarnings("ignore", "May not flag all label issues")
        issues = find_label_issues(given, probabilities, n_jobs=1)
    return np.argsort(quality, kind="stable"), np.asarray(issues, dtype=np.bool_)


def _search(recipe: Recipe, splits: Splits, directory: RunDirectory) -> Path:
    target = _first(directory.label_issues, lambda path: not filled_in(path))
    started = time.monotonic()
    suspects = suspects_of(recipe, splits, directory.quick)
    listed = suspects[: max(1, round(recipe.noise.share * len(splits.train)))]
    places = at_origin([suspect.row for suspect in listed], recipe.labelled())
    at_origins = (replace(suspect, row=row) for suspect, row in zip(listed, places, strict=True))
    write_suspects(target, at_origins)
    _log_findings(suspects, len(listed), time.monotonic() - started)
    if recipe.protection.encrypt or is_encrypted(audit.data_files(recipe, *SPLITS)):
        logger.warning(
            "%s has texts and is not encrypted, for people to read; delete it when it is applied",
            target,
        )
    logger.info(
        "fill in new_label, a label or %r where the row is to go, then run the command again with --apply %s",
        recipe.noise.drop_word,
        target,
    )
    return target


def _log_findings(suspects: Sequence[Suspect], listed: int, seconds: float) -> None:
    issues = [suspect for suspect in suspects if suspect.is_issue]
    logger.info(
        "%d of %s look wrong (%.1f %%); the list shows %s, the most doubtful first; %.0f s",
        *(len(issues), counted(len(suspects), "label"), 100 * len(issues) / len(suspects)),
        *(counted(listed, "row"), seconds),
    )
    logger.info(
        "ranked by confidence in the given label; the column issue is the answer of a second method, "
        "which looks at each pair of labels by itself, so it need not follow the rank"
    )
    pairs = Counter((suspect.row.label, suspect.suggested) for suspect in issues)
    for (label, suggested), count in pairs.most_common(_SHOWN_CONFUSIONS):
        logger.info("  %s looks like %s: %s", shown(label), shown(suggested), counted(count, "row"))


def _apply(recipe: Recipe, splits: Splits, directory: RunDirectory, path: Path, key: bytes | None) -> Path:
    _refuse_two_keys(recipe, key)
    corrections = read_corrections(path, splits.labels, recipe.noise.drop_word)
    changes = changes_of(path, corrections, splits.train, at_origin(splits.train, recipe.labelled()))
    rows = relabelled(splits.train, changes)
    if len({row.label for row in rows}) < len(splits.labels):
        gone = sorted(set(splits.labels) - {row.label for row in rows})
        raise DataError(f"no row would have the label {gone[0]!r} any more; leave at least one in {path}.")
    target = _write(recipe.labelled(), _free_name(directory.relabelled, recipe), changes, key)
    warn_of_open_copy(recipe, audit.data_files(recipe, "train"), target)
    _log_changes(corrections, changes)
    _compare(recipe, splits, rows, directory)
    settings = _overrides(recipe.labelled(), target, key_settings(recipe))
    logger.info("train on it with %s", " ".join(settings))
    return target


def _refuse_two_keys(recipe: Recipe, key: bytes | None) -> None:
    """Refuse to write training rows with another key than that of dev and test: a recipe names only one."""
    others = audit.data_files(recipe, *(split for split in SPLITS if split != "train"))
    encrypted = [path for path in others if is_encrypted([path])]
    given, wanted = recipe.labelled().key_file, recipe.protection.key_file
    if key is not None and encrypted and read_key(given, KEY_VARIABLE) != key:
        raise RecipeError(
            f"protection.key_file={wanted!r} is another key than that of {encrypted[0]}, and a recipe reads "
            f"all rows with one; write with the key of data.key_file={given!r}, and exchange it afterwards "
            "with `python -m runtime.keys rewrap`."
        )


def _log_changes(corrections: Sequence[Correction], changes: Changes) -> None:
    gone = sum(label is None for label in changes.values())
    kept = len({(one.place, one.digest) for one in corrections}) - len(changes)
    logger.info(
        "%s a new label, %d %s gone, %d %s",
        *(_having(len(changes) - gone), gone, "is" if gone == 1 else "are"),
        *(kept, "keeps its own" if kept == 1 else "keep theirs"),
    )


def _having(count: int) -> str:
    return f"{counted(count, 'row')} {'has' if count == 1 else 'have'}"


def _compare(recipe: Recipe, splits: Splits, rows: list[Row], directory: RunDirectory) -> None:
    """Log what the quick model makes of the dev rows when it learns the rows before and after."""
    before = _score(recipe, splits, directory.quick / "before")
    after = _score(recipe, replace(splits, train=rows), directory.quick / "after")
    for name, found in (("before", before), ("after", after)):
        logger.info(
            "%s: dev accuracy %.4f, macro-F1 %.4f (%s model)",
            *(name, found["accuracy"], found["macro_f1"], recipe.noise.model),
        )


def _score(recipe: Recipe, splits: Splits, folder: Path) -> Score:
    return score(QUICK_MODELS[recipe.noise.model](recipe, splits, folder), splits.dev, splits.labels)


def _write(data: DataSection, target: Path, changes: Changes, key: bytes | None) -> Path:
    """Write all training rows of the recipe, those kept for dev too, with its columns; return the path.

    What an earlier list gave, encrypted or not, goes when that is done.
    """
    names = {"text": data.text, "label": data.label, "text_pair": data.text_pair, "group": data.group}
    columns = {column: name for column, name in names.items() if name is not None}
    schema = pa.schema([pa.field(name, pa.string()) for name in columns.values()])
    batches = relabelled_batches(read_batches(data, "train"), changes)
    chosen = (batch.select(list(columns)).rename_columns(list(columns.values())) for batch in batches)
    write_parquet(target, schema, chosen, key)
    encrypted = target.with_name(target.name + SUFFIX)
    written, stale = (target, encrypted) if key is None else (encrypted, target)
    stale.unlink(missing_ok=True)
    return written


def _free_name(target: Path, recipe: Recipe) -> Path:
    """Return a path that no split of the recipe is read from, where an earlier list was applied to it."""
    used = {path.resolve() for path in audit.data_files(recipe, *SPLITS)}

    def is_free(path: Path) -> bool:
        return used.isdisjoint((path.resolve(), path.with_name(path.name + SUFFIX).resolve()))

    return _first(target, is_free)


def _first(target: Path, is_free: Callable[[Path], bool]) -> Path:
    """Return the first free one of a path and the same with -2, -3 and so on."""
    others = (target.with_stem(f"{target.stem}-{number}") for number in numbers_from(2))
    return next(path for path in chain([target], others) if is_free(path))


def _overrides(data: DataSection, target: Path, key: Sequence[str]) -> list[str]:
    """Return the settings that read the new file in place of the old one, and all else as before.

    What `data.prepared` brought, the normalizers that serving repeats among it, must be said once more.
    """
    if data.prepared is None:
        return [f"data.train={target}", *key]
    kept = ("dev", "test", "text", "label", "text_pair", "group")
    named = {"train": str(target), **{name: getattr(data, name) for name in kept}}
    settings = ["data.prepared=", *(f"data.{name}={value}" for name, value in named.items() if value)]
    return [*settings, *key, f"data.normalizers={','.join(data.normalizers) or '[]'}"]
