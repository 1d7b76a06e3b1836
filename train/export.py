"""`export`: the trained model for a backend and precision, refused where it answers differently."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from runtime.classifier import Classifier
from runtime.manifest import MANIFEST_NAME
from runtime.probes import PROBES_NAME
from runtime.tokenizer import Encoding
from train import audit
from train.artifact import EXPORT_NAME, WEIGHTS_NAME, finish
from train.config import Recipe
from train.data.loader import load_rows
from train.data.rows import Row
from train.evaluate import load_model
from train.exporters import CALIBRATION_TEXTS, EXPORTERS
from train.parity import check, compare
from train.run import RunDirectory, staged, write_json

logger = logging.getLogger(__name__)

_MOST_ROWS = 2_000
_MADE_ANEW = {MANIFEST_NAME, PROBES_NAME}


def run(recipe: Recipe) -> Path:
    """Write the model for the recipe's backend and precision, and return its directory.

    Raises
    ------
    UsageError
        The run has no model yet, or another process is at work in it.
    TrainingError
        The exported model gives other labels too often, or its scores depend on what shares a batch.
    """
    directory = RunDirectory.of(recipe)
    wanted = recipe.export
    original = load_model(directory.model)
    dev = load_rows(recipe, "dev", original.manifest.labels)
    manifest = original.manifest.model_copy(
        update={"backend": wanted.backend, "precision": wanted.precision, "files": {}}
    )
    with directory.locked(), staged(directory.export) as staging:
        _copy(directory.model, staging)
        EXPORTERS[wanted.backend](staging, wanted.precision, _calibration(recipe, original))
        manifest.write(staging)
        exported = Classifier.load(staging, device="auto", verify=False)
        parity = compare(original, exported, _evenly(dev, _MOST_ROWS))
        logger.info("%s", check(parity, wanted.precision, f"{wanted.backend} in {wanted.precision}"))
        figures = {name: float(value) for name, value in asdict(parity).items()}
        write_json(staging / EXPORT_NAME, {"source_weights": original.manifest.files[WEIGHTS_NAME]} | figures)
        finish(staging, manifest.model_copy(update={"parity": figures}), dev)
    read = [directory.model, *audit.data_files(recipe, "train", "dev")]
    audit.record("export", recipe, read, [directory.export])
    return directory.export


def _calibration(recipe: Recipe, original: Classifier) -> list[Encoding]:
    """Return texts of the training split, drawn with the recipe's seed, where the precision needs them."""
    if recipe.export.precision != "int8":
        return []
    rows = load_rows(recipe, "train", original.manifest.labels)
    chosen = random.Random(recipe.finetune.seed).sample(rows, min(CALIBRATION_TEXTS, len(rows)))
    return original.encode([row.input for row in chosen])


def _evenly(rows: Sequence[Row], most: int) -> list[Row]:
    """Return at most so many rows, at even distances."""
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return [rows[index] for index in chosen]


def _copy(model: Path, staging: Path) -> None:
    for path in model.iterdir():
        if path.name not in _MADE_ANEW:
            shutil.copy2(path, staging / path.name)
