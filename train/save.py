"""`save`: the exported model, its metrics and its card become an entry of the BentoML model store, at once.

The only module of training that knows BentoML. BentoML itself copies into the final folder and rewrites
`latest` in place, so a process killed meanwhile leaves a model that cannot be loaded or an empty `latest`.
Here the entry is made in a store of its own beside the real one, proven, and renamed into place.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore

from runtime.classifier import Classifier
from runtime.errors import TrainingError, UsageError
from runtime.manifest import Manifest
from train.artifact import EXPORT_NAME, TRAINING_NAME, seal
from train.config import Recipe
from train.report.card import model_card
from train.report.evaluation import Evaluation
from train.run import RunDirectory, write_json

logger = logging.getLogger(__name__)

METRICS_NAME = "metrics.json"
CARD_NAME = "README.md"

_LATEST = "latest"


def run(recipe: Recipe) -> Path:
    """Store the exported model of the run and return its directory in the store.

    Raises
    ------
    UsageError
        The run has no export or no metrics yet, the metrics are of other weights, or the version exists.
    ModelError
        The stored directory would not load.
    """
    directory = RunDirectory.of(recipe)
    evaluation = _read_evaluation(directory)
    tag = bentoml.Tag(recipe.store.name, recipe.store.version)
    if tag.version is None:
        tag = tag.make_new_version()
    store = Path(BentoMLContainer.model_store_dir.get())
    final = store / tag.path()
    _refuse_existing(tag, final)
    with _staging_store(store.parent / "tmp") as staging:
        _create(tag, directory.export, evaluation, staging)
        Classifier.load(staging / tag.path())
        _publish(staging / tag.path(), final)
    logger.info("saved %s", tag)
    return final


def _read_evaluation(directory: RunDirectory) -> Evaluation:
    """Return the metrics of the very weights that were exported."""
    if not (directory.export / EXPORT_NAME).is_file():
        raise UsageError(f"{directory.export} holds no model; run `python -m train export` with this recipe first.")
    if not directory.metrics.is_file():
        raise UsageError(f"{directory.metrics} does not exist; run `python -m train evaluate` with this recipe first.")
    evaluation: Evaluation = json.loads(directory.metrics.read_text(encoding="utf-8"))
    exported = json.loads((directory.export / EXPORT_NAME).read_text(encoding="utf-8"))
    if evaluation["weights"] != exported["source_weights"]:
        raise UsageError(
            f"{directory.metrics} was measured on weights {evaluation['weights'][:12]}, the export is made of "
            f"{exported['source_weights'][:12]}; run `python -m train evaluate` and `export` with this recipe again."
        )
    return evaluation
