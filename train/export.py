"""`export`: the trained model for a backend and precision, refused where it answers differently."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runtime.classifier import Classifier
from runtime.errors import TrainingError
from runtime.manifest import MANIFEST_NAME
from runtime.probes import PROBES_NAME
from train.artifact import EXPORT_NAME, WEIGHTS_NAME, finish
from train.config import Recipe
from train.data.loader import load_rows
from train.data.rows import Row
from train.evaluate import load_model
from train.run import RunDirectory, staged, write_json

logger = logging.getLogger(__name__)

Scores = npt.NDArray[np.float32]

LEAST_AGREEMENT = 0.995
LARGEST_DROP = 0.5
"""Points of accuracy."""

_MOST_ROWS = 2_000
_MADE_ANEW = {MANIFEST_NAME, PROBES_NAME}


@dataclass(frozen=True, slots=True)
class Parity:
    """How an export compares with the fp32 original on development rows; `accuracy_drop` in points."""

    rows: int
    label_agreement: float
    accuracy_drop: float
    max_probability_change: float


def run(recipe: Recipe) -> Path:
    """Write the model for the recipe's backend and precision, and return its directory.

    Raises
    ------
    UsageError
        The run has no model yet, or another process is at work in it.
    TrainingError
        The exported model gives other labels too often.
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
        EXPORTERS[wanted.backend](staging, wanted.precision)
        manifest.write(staging)
        exported = Classifier.load(staging, device="auto", verify=False)
        parity = compare(original, exported, _evenly(dev, _MOST_ROWS))
        _gate(parity, f"{wanted.backend} in {wanted.precision}")
        figures = {name: float(getattr(parity, name)) for name in Parity.__slots__}
        write_json(staging / EXPORT_NAME, {"source_weights": original.manifest.files[WEIGHTS_NAME]} | figures)
        finish(staging, manifest.model_copy(update={"parity": figures}), dev)
    return directory.export


def export_torch(directory: Path, precision: str) -> None:
    """Store the weights in the precision they are served in; the directory still loads with transformers."""
    if precision == "fp32":
        return
    import torch
    from safetensors.torch import load_file, save_file

    path = directory / WEIGHTS_NAME
    halved = {
        name: weight.to(torch.bfloat16) if weight.is_floating_point() else weight
        for name, weight in load_file(path).items()
    }
    save_file(halved, path, metadata={"format": "pt"})
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    write_json(directory / "config.json", {**config, "dtype": "bfloat16"})


EXPORTERS: dict[str, Callable[[Path, str], None]] = {
    "torch": export_torch,
}
"""Backend → what turns a copy of the fp32 model directory into one for it, in the given precision."""


def compare(original: Classifier, exported: Classifier, rows: Sequence[Row]) -> Parity:
    """Classify the same rows with both and return the differences."""
    texts = [row.input for row in rows]
    before, after = original.predict_proba(texts), exported.predict_proba(texts)
    labels = original.manifest.labels
    return Parity(
        rows=len(rows),
        label_agreement=float(np.mean(before.argmax(axis=1) == after.argmax(axis=1))),
        accuracy_drop=100 * (_accuracy(before, rows, labels) - _accuracy(after, rows, labels)),
        max_probability_change=float(np.abs(before - after).max()),
    )


def _gate(parity: Parity, name: str) -> None:
    found = (
        f"{name} agrees with fp32 on {parity.label_agreement:.2%} of {parity.rows} dev rows and loses "
        f"{parity.accuracy_drop:.2f} points of accuracy, probabilities change by up to "
        f"{parity.max_probability_change:.4f}"
    )
    if parity.label_agreement < LEAST_AGREEMENT or parity.accuracy_drop > LARGEST_DROP:
        raise TrainingError(
            f"{found}; at least {LEAST_AGREEMENT:.1%} and at most {LARGEST_DROP} points are allowed: "
            "set export.precision=fp32, or train longer."
        )
    logger.info("%s", found)


def _accuracy(scores: Scores, rows: Sequence[Row], labels: Sequence[str]) -> float:
    best = scores.argmax(axis=1).tolist()
    return float(np.mean([labels[index] == row.label for index, row in zip(best, rows, strict=True)]))


def _evenly(rows: Sequence[Row], most: int) -> list[Row]:
    """Return at most so many rows, at even distances."""
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return [rows[index] for index in chosen]


def _copy(model: Path, staging: Path) -> None:
    for path in model.iterdir():
        if path.name not in _MADE_ANEW:
            shutil.copy2(path, staging / path.name)
