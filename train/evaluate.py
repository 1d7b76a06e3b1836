"""`evaluate`: the trained model measured through `Classifier`, the code that serves it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from runtime.classifier import Classifier, Prediction
from runtime.errors import UsageError
from runtime.manifest import MANIFEST_NAME
from train import audit, metrics
from train.artifact import WEIGHTS_NAME
from train.config import Recipe
from train.data.loader import load_rows
from train.data.origin import at_origin
from train.data.rows import Row, describe_files
from train.data.sections import DataSection
from train.report.evaluation import Evaluation, Mistake, print_table, write_errors, write_html
from train.run import RunDirectory, private_file, write_json

logger = logging.getLogger(__name__)


def run(recipe: Recipe) -> Path:
    """Measure the model of the run on its test rows, or dev rows without any, and return `metrics.json`.

    Beside it stand `errors.csv` and `report.html`; a table goes to standard error.

    Raises
    ------
    UsageError
        The run has no model yet.
    DataError
        The rows cannot be read or have labels the model does not know.
    """
    directory = RunDirectory.of(recipe)
    classifier = load_model(directory.model)
    split: Literal["test", "dev"] = "dev" if recipe.labelled().test is None else recipe.evaluate.split
    rows = load_rows(recipe, split, classifier.manifest.labels)
    started = time.monotonic()
    predictions = _predict(classifier, rows, recipe.evaluate.batch_size)
    evaluation = _measure(classifier, split, rows, predictions, recipe.finetune.seed)
    mistakes = _mistakes(rows, predictions, recipe.labelled())
    print_table(evaluation)
    _warn_if_useless(evaluation)
    with private_file(directory.errors) as beside:
        write_errors(beside, mistakes)
    with private_file(directory.report) as beside:
        write_html(beside, evaluation, mistakes)
    write_json(directory.metrics, {**evaluation, "seconds": round(time.monotonic() - started, 1)})
    wrote = [directory.metrics, directory.errors, directory.report]
    audit.record("evaluate", recipe, [directory.model, *audit.data_files(recipe, split)], wrote)
    return directory.metrics


def load_model(directory: Path) -> Classifier:
    """Load the model of a run where the machine computes fastest.

    Raises
    ------
    UsageError
        There is none.
    ModelError
        It cannot be served.
    """
    if not (directory / MANIFEST_NAME).is_file():
        raise UsageError(f"{directory} holds no model; run `python -m train finetune` first.")
    return Classifier.load(directory, device="auto")


def _predict(classifier: Classifier, rows: Sequence[Row], batch_size: int) -> list[Prediction]:
    predictions: list[Prediction] = []
    logged = time.monotonic()
    for start in range(0, len(rows), batch_size):
        predictions += classifier.predict([row.input for row in rows[start : start + batch_size]])
        if time.monotonic() - logged > 10:
            logged = time.monotonic()
            logger.info("classified %d of %d rows", len(predictions), len(rows))
    return predictions


def _measure(
    classifier: Classifier,
    split: Literal["test", "dev"],
    rows: Sequence[Row],
    predictions: Sequence[Prediction],
    seed: int,
) -> Evaluation:
    manifest = classifier.manifest
    position = {label: index for index, label in enumerate(manifest.labels)}
    expected = [position[row.label] for row in rows]
    matrix = metrics.confusion_matrix(
        expected, [position[prediction.label] for prediction in predictions], len(position)
    )
    return {
        "split": split,
        "rows": len(rows),
        "accuracy": float(metrics.accuracy(matrix)),
        "accuracy_interval": metrics.interval(matrix, metrics.accuracy, seed),
        "macro_f1": float(metrics.macro_f1(matrix)),
        "macro_f1_interval": metrics.interval(matrix, metrics.macro_f1, seed),
        "confidence": metrics.CONFIDENCE,
        "truncated_rows": sum(prediction.truncated for prediction in predictions),
        "classes": dict(zip(manifest.labels, metrics.class_figures(matrix), strict=True)),
        "confusion": matrix.tolist(),
        "data": describe_files(rows),
        "weights": manifest.files[WEIGHTS_NAME],
        "backend": manifest.backend,
        "precision": manifest.precision,
    }


def _warn_if_useless(evaluation: Evaluation) -> None:
    """Say so where the model is no better than always giving the most frequent label."""
    majority = max(sum(row) for row in evaluation["confusion"]) / evaluation["rows"]
    if evaluation["accuracy"] <= majority:
        logger.warning(
            "accuracy %.4f is no better than always answering the most frequent label (%.4f); "
            "train longer, at another rate, or on more rows",
            evaluation["accuracy"],
            majority,
        )


def _mistakes(rows: Sequence[Row], predictions: Sequence[Prediction], data: DataSection) -> list[Mistake]:
    """Return the wrongly classified rows, where a person finds them, the most confident first."""
    mistakes = [
        Mistake(row, prediction.label, prediction.score, prediction.scores[row.label])
        for row, prediction in zip(rows, predictions, strict=True)
        if prediction.label != row.label
    ]
    places = at_origin([mistake.row for mistake in mistakes], data)
    found = [replace(mistake, row=row) for mistake, row in zip(mistakes, places, strict=True)]
    return sorted(found, key=lambda mistake: -mistake.score)
