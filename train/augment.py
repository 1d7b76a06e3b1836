"""`augment`: rows made from training rows, kept where a model learns more from them; it makes none itself.

For accuracy alone augmentation usually gives a fine-tuned BERT nothing; the comparison says so or not.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from runtime.errors import RecipeError
from train import audit
from train.comparison import Comparison, Trial
from train.config import Recipe
from train.data.augment import AUGMENTERS, Augmenter
from train.data.augment_folder import write_augmented
from train.data.augment_rows import Augmented, augment_rows, budgets, growing
from train.data.checks.finding import counted
from train.data.loader import Splits, load_splits
from train.data.prepared import refuse_loss
from train.phases import phase
from train.protection import key_of, key_settings, warn_of_open_copy
from train.quick_models import QUICK_MODELS, answers, positions
from train.recipe import expanded
from train.run import RunDirectory, named_files, staged, write_json
from train.section import SPLITS

logger = logging.getLogger(__name__)


def run(recipe: Recipe) -> Path:
    """Compare training with and without augmented rows, and keep them where that is better.

    Returns
    -------
    Path
        The folder with the augmented rows, in the layout of `train.data.prepared`; `augmentation.json`, which
        tells of the comparison, where they are not kept.

    Raises
    ------
    RecipeError
        A file, column or base model does not exist, there are too many rows, no class is to get any, or what
        is read, or is somebody else's, would be replaced.
    DataError
        Rows cannot be read.
    UsageError
        Another process is at work in the run directory.
    ProtectionError
        What is written, or read, is encrypted and there is no key.
    """
    directory, key = RunDirectory.of(recipe), key_of(recipe)
    _refuse_own_result(recipe, directory.augmented)
    read = audit.data_files(recipe, *SPLITS) + audit.base_model(recipe.finetune.base_model)
    refuse_loss(directory.augmented, [*read, *named_files(recipe)])
    splits = load_splits(recipe)
    _refuse_many(recipe, len(splits.train))
    wanted = _budgets(recipe, splits)
    with directory.locked():
        made = _augment(recipe, directory, splits, wanted, key)
        audit.record("augment", recipe, read, [made])
    return made


def _augment(
    recipe: Recipe, directory: RunDirectory, splits: Splits, wanted: dict[str, int], key: bytes | None
) -> Path:
    augmenters = {name: AUGMENTERS[name](recipe) for name in recipe.augment.methods}
    draws = {seed: _made(recipe, splits, wanted, augmenters, seed) for seed in seeds_of(recipe)}
    made = draws[recipe.augment.seed]
    if not made:
        raise RecipeError(
            f"augment.methods={','.join(augmenters)} made no new text of {len(splits.train):,} rows; "
            "name others."
        )
    trials = [_trial(recipe, splits, draw, seed, directory.quick) for seed, draw in draws.items()]
    shutil.rmtree(directory.quick, ignore_errors=True)
    comparison = Comparison(positions(splits.dev, splits.labels), len(splits.labels), trials)
    account = _account(recipe, wanted, made, comparison)
    if comparison.is_gain:
        with staged(directory.augmented) as staging:
            write_augmented(staging, recipe.labelled(), splits, made, account, key)
    write_json(directory.augmentation, account)
    _log(recipe, comparison)
    if not comparison.is_gain:
        logger.info("not kept: the rows gave no gain that exceeds its standard error; train without them")
        if directory.augmented.exists():
            logger.warning("%s is what an earlier augment kept, for other settings", directory.augmented)
        return directory.augmentation
    warn_of_open_copy(recipe, audit.data_files(recipe, *SPLITS), directory.augmented)
    settings = [f"data.prepared={directory.augmented}", *(key_settings(recipe) if key is not None else ())]
    logger.info("kept %s; train on them with %s", counted(len(made), "row"), " ".join(settings))
    return directory.augmented


def seeds_of(recipe: Recipe) -> range:
    """Return the seeds of the trials; rows made with the first are those that may be kept."""
    return range(recipe.augment.seed, recipe.augment.seed + recipe.augment.seeds)


def _made(
    recipe: Recipe, splits: Splits, wanted: dict[str, int], augmenters: Mapping[str, Augmenter], seed: int
) -> list[Augmented]:
    with phase("making rows") as report:
        return augment_rows(splits, wanted, augmenters, recipe.labelled().normalizers, seed, report)


def _trial(recipe: Recipe, splits: Splits, made: Sequence[Augmented], seed: int, folder: Path) -> Trial:
    """Train with one seed on the rows alone, and on them and the rows made, for as many steps."""
    fit = QUICK_MODELS[recipe.augment.judge]
    more = replace(splits, train=[*splits.train, *(one.row for one in made)])
    longer = len(more.train) / len(splits.train)
    without, augmented = (
        answers(fit(_seeded(recipe, seed, passes), rows, folder / f"{name}-{seed}"), splits.dev)
        for name, rows, passes in (("without", splits, longer), ("with", more, 1.0))
    )
    logger.info("seed %d: trained without and with %s more", seed, counted(len(made), "row"))
    return Trial(seed, len(made), without, augmented)


def _seeded(recipe: Recipe, seed: int, passes: float) -> Recipe:
    """Return the recipe with a seed and so many times the epochs.

    Else whoever learns more rows would also learn for more steps, and few rows gain from those alone.
    """
    given = recipe.finetune
    changed = {
        "seed": seed % 2**32,
        "epochs": math.ceil(passes * given.epochs),
        "early_stopping_patience": math.ceil(passes * given.early_stopping_patience),
    }
    return recipe.model_copy(update={"finetune": given.model_copy(update=changed)})


def _log(recipe: Recipe, comparison: Comparison) -> None:
    without, augmented = (
        [trial[name]["macro_f1"] for trial in comparison.figures] for name in ("without", "augmented")
    )
    for trial, before, after in zip(comparison.trials, without, augmented, strict=True):
        logger.info(
            "seed %d: dev macro-F1 %.4f without, %.4f with %s more (%+.4f)",
            *(trial.seed, before, after, counted(trial.made, "row"), after - before),
        )
    logger.info(
        "mean of %d: %.4f without, %.4f with; difference %+.4f, standard error %.4f (%s model)",
        *(len(without), fmean(without), fmean(augmented)),
        *(comparison.difference, comparison.standard_error, recipe.augment.judge),
    )


def _account(
    recipe: Recipe, wanted: dict[str, int], made: Sequence[Augmented], comparison: Comparison
) -> dict[str, Any]:
    return {
        "kept": comparison.is_gain,
        "judge": recipe.augment.judge,
        "difference": comparison.difference,
        "standard_error": comparison.standard_error,
        "trials": comparison.figures,
        "wanted": wanted,
        "made": dict(sorted(Counter(one.row.label for one in made).items())),
        "methods": dict(sorted(Counter(one.method for one in made).items())),
        "settings": recipe.model_dump(mode="json", include={"augment", "finetune"}),
    }


def _refuse_own_result(recipe: Recipe, target: Path) -> None:
    given = recipe.labelled().prepared
    if given is not None and expanded(given).resolve() == target.resolve():
        raise RecipeError(
            f"data.prepared={given!r} is what augment writes here; name the rows that it was made from."
        )


def _refuse_many(recipe: Recipe, rows: int) -> None:
    if rows > recipe.augment.most_rows:
        raise RecipeError(
            f"{rows:,} training rows are more than augment.most_rows={recipe.augment.most_rows}, from where "
            f"augmentation hardly ever helps; set augment.most_rows={rows} to compare all the same."
        )


def _budgets(recipe: Recipe, splits: Splits) -> dict[str, int]:
    labels, settings = [row.label for row in splits.train], recipe.augment
    found = budgets(labels, settings)
    if found:
        return found
    rows = max(growing(labels, settings).values(), default=0)
    if rows:
        raise RecipeError(
            f"augment.per_class={settings.per_class:g} comes to less than one row: the largest class that "
            f"augment.up_to={settings.up_to!r} adds to has {counted(rows, 'row')}; "
            "set augment.per_class=1 or more."
        )
    raise RecipeError(
        f"augment.up_to={settings.up_to!r} gives no class any row, as where all are equally frequent; set "
        "augment.up_to=any to add to all."
    )
