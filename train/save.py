"""`save`: the exported model, its metrics and its card become an entry of the BentoML model store, at once.

The only module of training that knows BentoML. BentoML itself copies into the final folder and rewrites
`latest` in place, so a process killed meanwhile leaves a model that cannot be loaded or an empty `latest`.
Here the entry is made in a store of its own beside the real one, proven, and renamed into place.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore

from runtime.classifier import Classifier
from runtime.errors import TrainingError, UsageError
from runtime.manifest import MANIFEST_NAME, Manifest
from train import audit
from train.artifact import EXPORT_NAME, TRAINING_NAME, WEIGHTS_NAME, record_digests
from train.config import Recipe
from train.protection import copy_model, key_of, open_to_others, private_directory
from train.report.card import model_card
from train.report.evaluation import Evaluation
from train.run import RunDirectory, write_json

logger = logging.getLogger(__name__)

METRICS_NAME = "metrics.json"
CARD_NAME = "README.md"

_STAGING_PREFIX = ".saving-"
_ABANDONED_SECONDS = 24 * 3600


def run(recipe: Recipe) -> Path:
    """Store the exported model of the run and return its directory in the store.

    Raises
    ------
    UsageError
        The run has no export or no metrics yet, the metrics are of other weights, or the version exists.
    ModelError
        The stored directory would not load.
    ProtectionError
        It is to be encrypted, and there is no key.
    """
    directory = RunDirectory.of(recipe)
    key = key_of(recipe)
    evaluation = _read_evaluation(directory)
    tag = bentoml.Tag(recipe.store.name, recipe.store.version)
    if tag.version is None:
        tag = tag.make_new_version()
    store = Path(BentoMLContainer.model_store_dir.get())
    final = store / tag.path()
    _refuse_existing(tag, final)
    with _staging_store(store.parent) as staging:
        _create(tag, directory.export, evaluation, staging, key)
        open_to_others(staging / tag.path())
        Classifier.load(staging / tag.path(), key=key)
        _publish(staging / tag.path(), final)
    audit.record("save", recipe, [directory.export, directory.metrics], [final])
    given = "" if key is None else " and the key's file in CLASSIFIER_KEY_FILE"
    logger.info("saved %s; serve it with `bentoml serve`, CLASSIFIER_MODEL=%s%s", tag, tag, given)
    return final


def _read_evaluation(directory: RunDirectory) -> Evaluation:
    """Return the metrics of the very weights that were exported."""
    if not (directory.export / EXPORT_NAME).is_file():
        raise UsageError(f"{directory.export} holds no model; run `python -m train export` first.")
    if not directory.metrics.is_file():
        raise UsageError(f"{directory.metrics} does not exist; run `python -m train evaluate` first.")
    Manifest.read(directory.export).verify(directory.export)  # before anything in there is believed
    exported = json.loads((directory.export / EXPORT_NAME).read_text(encoding="utf-8"))
    try:
        evaluation: Evaluation = json.loads(directory.metrics.read_text(encoding="utf-8"))
        is_of_export = evaluation["weights"] == exported["source_weights"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{directory.metrics} is not what `evaluate` writes; run `python -m train evaluate` again."
        ) from error
    if not is_of_export:
        raise UsageError(
            f"{directory.metrics} was measured on weights {evaluation['weights'][:12]}, the export made of "
            f"{exported['source_weights'][:12]}; run `python -m train evaluate` and `export` again."
        )
    _refuse_older(directory, exported["source_weights"])
    return evaluation


def _refuse_older(directory: RunDirectory, exported: str) -> None:
    """Refuse an export where the run has been fine-tuned again since."""
    if not (directory.model / MANIFEST_NAME).is_file():
        return  # the export is all that was kept
    trained = Manifest.read(directory.model).files.get(WEIGHTS_NAME)
    if trained != exported:
        raise UsageError(
            f"{directory.export} was made of weights {exported[:12]}, and {directory.model} has others "
            "since; run `python -m train evaluate` and `export` again."
        )


def _refuse_existing(tag: bentoml.Tag, final: Path) -> None:
    if final.exists():
        raise UsageError(f"{tag} is in the store already; set store.version to a new one, or leave it out.")


@contextmanager
def _staging_store(home: Path) -> Iterator[Path]:
    """Yield an empty store beside the real one; remove what processes killed a day ago left."""
    for leftover in home.glob(f"{_STAGING_PREFIX}*"):
        if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=home))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _create(tag: bentoml.Tag, export: Path, evaluation: Evaluation, staging: Path, key: bytes | None) -> None:
    """Let BentoML make the entry in the staging store, of files that are encrypted if there is a key."""
    manifest = Manifest.read(export)
    labels = {"task": "text-classification", "backend": manifest.backend, "precision": manifest.precision}
    with bentoml.models.create(
        tag, labels=labels, metadata=_metadata(manifest, evaluation), _model_store=ModelStore(staging)
    ) as model:
        folder = Path(model.path)
        copy_model(export, folder, key)
        write_json(folder / METRICS_NAME, evaluation)
        training = json.loads((export / TRAINING_NAME).read_text(encoding="utf-8"))
        card = model_card(str(tag), manifest, training, evaluation, encrypted=key is not None)
        (folder / CARD_NAME).write_text(card, encoding="utf-8")
        record_digests(folder, manifest, key)


def _metadata(manifest: Manifest, evaluation: Evaluation) -> dict[str, Any]:
    """Return what `bentoml models get` shows; numbers, texts and lists only."""
    return {
        "base_model": manifest.base_model,
        "labels": list(manifest.labels),
        "max_length": manifest.max_length,
        "split": evaluation["split"],
        "rows": evaluation["rows"],
        "accuracy": evaluation["accuracy"],
        "macro_f1": evaluation["macro_f1"],
        "weights_sha256": evaluation["weights"],
    }


def _publish(made: Path, final: Path) -> None:
    """Rename a finished entry into the store, then point `latest` at it; each step is all or nothing.

    Everybody could read the entry, as its image needs it, but only its owner may enter the folder around.
    """
    _flush(made)
    private_directory(final.parent)
    try:
        made.rename(final)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise UsageError(f"{final} was made by somebody else meanwhile; save again.") from error
        raise TrainingError(
            f"{final} cannot be put in place ({error.strerror}); model store and its parent folder must "
            "be on one file system."
        ) from error
    # In the staging store, because a second process may be saving under the same name right now.
    pointer = made.parent / "latest"
    pointer.write_text(final.name, encoding="utf-8")
    pointer.replace(final.parent / "latest")


def _flush(directory: Path) -> None:
    """Have every file on disk before its name is, so that a power cut leaves no empty files behind."""
    for path in [*directory.rglob("*"), directory]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
