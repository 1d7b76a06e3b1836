"""`finetune`: rows and a base model become a servable directory; the loop itself is Trainer's."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import RecipeError, TrainingError
from runtime.manifest import Manifest, file_digest
from runtime.tokenizer import Tokenizer
from train import audit, checkpoint
from train.artifact import TRAINING_NAME, WEIGHTS_NAME, finish, now, versions
from train.config import Recipe
from train.data.encoded import EncodedRows
from train.data.loader import Splits, load_splits
from train.data.prepared import DATASHEET
from train.data.rows import Row, describe_files
from train.pretrained import build_model, read_config, read_tokenizer
from train.protection import is_encrypted
from train.recipe import expanded
from train.run import RunDirectory, staged, write_json
from train.section import SPLITS

if TYPE_CHECKING:
    from transformers import BertConfig, PreTrainedTokenizerBase

    from train.dropout import TokenDropout

logger = logging.getLogger(__name__)

_MANY_UNKNOWN = 0.05
_NOT_OF_TRAINING = {
    "run",
    "corpus",
    "vocab",
    "pretrain",
    "doctor",
    "prepare",
    "augment",
    "noise",
    "protection",
}
_MACHINE = "machine.json"
"""Beside the checkpoints: in what precision and where they were computed."""


def run(recipe: Recipe) -> Path:
    """Train, keep the best epoch, and return the directory of the finished model.

    The directory appears at once when everything is done; until then checkpoints allow `--resume`.

    Raises
    ------
    RecipeError
        A file, column or base model does not exist, --resume finds another training, or there is no
        `[MASK]` to hide tokens behind.
    DataError
        The rows cannot be trained on.
    UsageError
        Another process is at work in the run directory.
    """
    directory = RunDirectory.of(recipe)
    config = read_config(recipe)
    splits = load_splits(recipe)
    rows = audit.data_files(recipe, *SPLITS)
    _warn_of_an_open_model(recipe, rows)
    with directory.locked():
        made = fit(recipe, directory, config, splits)
        read = rows + audit.base_model(recipe.finetune.base_model)
        audit.record("finetune", recipe, read, [made])
    return made


def fit(recipe: Recipe, directory: RunDirectory, config: BertConfig, splits: Splits) -> Path:
    """Train on these rows in place of those that the recipe names; the caller keeps other processes out.

    Parameters
    ----------
    recipe : Recipe
    directory : RunDirectory
        Gets the model, and checkpoints until then.
    config : BertConfig
        Of the base model, from `read_config`; it is changed.
    splits : Splits
        `labels` may have some that no training row has.
    """
    tokenizer = read_tokenizer(recipe, config)
    token_dropout = _token_dropout(recipe, tokenizer)
    origin = checkpoint.origin_of(recipe, describe_files([*splits.train, *splits.dev]))
    last = _last_checkpoint(recipe, directory.checkpoints, origin)
    if (
        recipe.finetune.resume
        and last is None
        and checkpoint.is_done(directory.model / TRAINING_NAME, origin)
    ):
        logger.info("%s is finished, there is nothing to resume", directory.model)
        return directory.model
    if last is None:
        if recipe.finetune.resume:
            logger.info("%s holds no finished epoch to resume from, so training starts", directory.root)
        checkpoint.start_over(directory.checkpoints, origin)
    started = time.monotonic()
    with staged(directory.model) as staging:
        rows, figures = _encode(recipe, tokenizer, splits, staging)
        if last is None or not checkpoint.read_progress(last).finished:
            _train(recipe, config, splits.labels, rows, directory.checkpoints, last, token_dropout)
            last = checkpoint.newest_intact(directory.checkpoints, origin)
        if last is None:
            raise TrainingError(
                f"training left no intact checkpoint in {directory.checkpoints}; run it again."
            )
        figures |= _keep_best(last, staging) | {"seconds": round(time.monotonic() - started, 1)}
        write_json(staging / TRAINING_NAME, _report(recipe, splits, figures, origin))
        finish(staging, _manifest(recipe, splits.labels), splits.dev)
    shutil.rmtree(directory.checkpoints)
    return directory.model


def _warn_of_an_open_model(recipe: Recipe, rows: Sequence[Path]) -> None:
    """Say so where what is learned from encrypted rows is going to be stored in the open."""
    if not recipe.protection.encrypt and is_encrypted(rows):
        logger.warning(
            "the rows are encrypted, and the model made of them will not be; "
            "add protection.encrypt=true, and protection.key_file, to encrypt it in the model store"
        )


def _last_checkpoint(recipe: Recipe, folder: Path, origin: checkpoint.Origin) -> Path | None:
    """Return where to continue, if `--resume` was given and there is an intact checkpoint."""
    last = checkpoint.newest_intact(folder, origin) if recipe.finetune.resume else None
    if last is not None:
        logger.info("resuming from %s", last)
    return last


def _encode(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, splits: Splits, staging: Path
) -> tuple[tuple[EncodedRows, EncodedRows], dict[str, Any]]:
    """Save the tokenizer, encode training and development rows with it, and say how well it fits them."""
    tokenizer.model_max_length = recipe.finetune.max_length
    tokenizer.save_pretrained(staging)
    encode = Tokenizer.load(staging, recipe.finetune.max_length)
    normalizers = recipe.labelled().normalizers
    train, dev = (
        EncodedRows(rows, splits.labels, encode, normalizers) for rows in (splits.train, splits.dev)
    )
    unknown = train.share_of(tokenizer.unk_token_id)
    if unknown > _MANY_UNKNOWN:
        logger.warning(
            "%.0f %% of the tokens are unknown to the vocabulary of %s; another base model may fit better",
            100 * unknown,
            recipe.finetune.base_model,
        )
    figures = {"unknown_tokens": round(unknown, 6), "truncated_rows": round(train.truncated / len(train), 6)}
    return (train, dev), figures


def _token_dropout(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> TokenDropout | None:
    share = recipe.finetune.masked
    if not share:
        return None
    if tokenizer.mask_token_id is None:
        raise RecipeError(
            f"finetune.masked={share:g} needs a [MASK] token, which the vocabulary of "
            f"{recipe.finetune.base_model} does not have; set it to 0."
        )
    from train.dropout import TokenDropout

    return TokenDropout(share, tokenizer.mask_token_id, tuple(tokenizer.all_special_ids))


def _train(
    recipe: Recipe,
    config: BertConfig,
    labels: Sequence[str],
    rows: tuple[EncodedRows, EncodedRows],
    folder: Path,
    last: Path | None,
    token_dropout: TokenDropout | None,
) -> None:
    """Run Trainer to its end, or from a checkpoint to its end; checkpoints are its result."""
    import torch

    from train.progress import training_progress
    from train.trainer import ClassifierTrainer, choose_precision, early_stopping, training_arguments

    precision = choose_precision(recipe.finetune.precision)
    arguments = training_arguments(recipe.finetune, folder, precision, len(rows[0]))
    model = build_model(recipe, config, labels)
    logger.info(
        "training %s with %s parameters on %d rows, %s on %s",
        recipe.finetune.base_model,
        f"{model.num_parameters():,}",
        len(rows[0]),
        precision,
        arguments.device,
    )
    machine = {"precision": precision, "device": str(arguments.device), "parameters": model.num_parameters()}
    write_json(folder / _MACHINE, machine)
    with training_progress() as progress:
        callbacks = [early_stopping(recipe.finetune), progress]
        trainer = ClassifierTrainer(
            model,
            arguments,
            rows,
            settings=recipe.finetune,
            callbacks=callbacks,
            token_dropout=token_dropout,
        )
        try:
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"{arguments.device} has too little memory for batches of {recipe.finetune.batch_size}; "
                "halve finetune.batch_size and double finetune.gradient_accumulation."
            ) from error


def _keep_best(last: Path, staging: Path) -> dict[str, Any]:
    """Copy weights and configuration of the best epoch, and return how training went."""
    progress = checkpoint.read_progress(last)
    for name in (WEIGHTS_NAME, "config.json"):
        shutil.copyfile(progress.best / name, staging / name)
    epochs = [entry for entry in progress.history if "eval_loss" in entry]
    best = next(entry for entry in epochs if entry["step"] == checkpoint.step_of(progress.best))
    return {
        **json.loads(last.with_name(_MACHINE).read_text(encoding="utf-8")),
        "epochs": len(epochs),
        "best_epoch": round(best["epoch"]),
        "dev": {name: best[f"eval_{name}"] for name in ("loss", "accuracy", "macro_f1")},
        "history": progress.history,
    }


def _manifest(recipe: Recipe, labels: tuple[str, ...]) -> Manifest:
    return Manifest(
        labels=labels,
        backend="torch",
        precision="fp32",
        max_length=recipe.finetune.max_length,
        normalizers=recipe.labelled().normalizers,
        text_pair=recipe.labelled().text_pair is not None,
        base_model=recipe.finetune.base_model,
        created=now(),
        versions=versions(),
    )


def _report(
    recipe: Recipe, splits: Splits, figures: dict[str, Any], origin: checkpoint.Origin
) -> dict[str, Any]:
    """Return what the model card will tell of data and training."""
    prepared = recipe.labelled().prepared
    named = {"train": splits.train, "dev": splits.dev, "test": splits.test}
    return {
        "recipe": recipe.model_dump(mode="json", exclude=_NOT_OF_TRAINING),
        "data": {name: _describe(rows, splits.labels) for name, rows in named.items() if rows},
        "datasheet": None if prepared is None else file_digest(expanded(prepared) / DATASHEET),
        "training": figures,
        "origin": origin,
    }


def _describe(rows: Sequence[Row], labels: Sequence[str]) -> dict[str, Any]:
    counts = Counter(row.label for row in rows)
    return {
        "rows": len(rows),
        "files": describe_files(rows),
        "labels": {label: counts[label] for label in labels},
    }
