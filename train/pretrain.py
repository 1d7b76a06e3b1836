"""`pretrain`: unlabelled text becomes an encoder, by guessing hidden words; the loop itself is Trainer's."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import DataError, RecipeError
from runtime.manifest import file_digest
from runtime.normalize import normalize
from train import audit, checkpoint
from train.artifact import now, versions
from train.config import PretrainSection, Recipe
from train.data.corpus import corpus_files, load_corpus, times_of
from train.data.masking import MaskedBatch, MaskedBatches, SpecialIds, held_out_batches
from train.data.tokens import TokenStream, tokenize
from train.pretrained import SCRATCH, build_language_model, read_config, read_tokenizer, scratch_tokenizer
from train.recipe import expanded
from train.report.card import encoder_card
from train.run import RunDirectory, staged, write_json
from train.vocab import check_coverage

if TYPE_CHECKING:
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

PRETRAINING_NAME = "pretraining.json"
HELD_OUT_ROW = 128
"""Tokens of a row of held-out text: about what a text to classify has."""

_COUNTS = "corpus.json"
_VOCABULARY = "the vocabulary"
_FEW_STEPS = 100
_TIMES = "how often each of corpus.files is learned"
"""Names of what stands in no recipe, in the origin of a run."""


def run(recipe: Recipe) -> Path:
    """Train a masked language model on the corpus, and return the directory of the finished encoder.

    The directory appears at once when everything is done; until then checkpoints allow `--resume`.

    Raises
    ------
    RecipeError
        A file or base model does not exist, or --resume finds another training.
    DataError
        The corpus is empty or no text, or the vocabulary does not cover it.
    UsageError
        Another process is at work in the run directory.
    """
    directory = RunDirectory.of(recipe)
    config = read_config(recipe, "pretrain")
    if recipe.pretrain.base_model == SCRATCH:
        # BERT's 0.02 suits a width of 768; narrower models learn nothing for longer with it.
        config.initializer_range = round(config.hidden_size**-0.5, 4)
    tokenizer = read_tokenizer(recipe, config, "pretrain")
    _check_vocabulary(recipe, tokenizer)
    with directory.locked():
        made = _pretrain(recipe, directory, config, tokenizer)
        read = corpus_files(recipe.unlabelled()) + audit.base_model(recipe.pretrain.base_model)
        audit.record("pretrain", recipe, read, [made])
    logger.info("start a classifier from it with finetune.base_model=%s", made)
    return made


def _pretrain(
    recipe: Recipe, directory: RunDirectory, config: BertConfig, tokenizer: PreTrainedTokenizerBase
) -> Path:
    origin = _origin(recipe, tokenizer)
    last = checkpoint.newest_intact(directory.pretraining, origin) if recipe.pretrain.resume else None
    if (
        recipe.pretrain.resume
        and last is None
        and checkpoint.is_done(directory.encoder / PRETRAINING_NAME, origin)
    ):
        logger.info("%s is finished, there is nothing to resume", directory.encoder)
        return directory.encoder
    learned, held_out, counts = _streams(recipe, directory.tokens, tokenizer, origin)
    if last is None:
        if recipe.pretrain.resume:
            logger.info("%s holds no checkpoint to resume from, so training starts", directory.root)
        checkpoint.start_over(directory.pretraining, origin)
    else:
        logger.info("resuming from %s", last)
    with staged(directory.encoder) as staging:
        model, figures = _train(recipe, config, tokenizer, (learned, held_out), directory.pretraining, last)
        _write(staging, recipe, model, config, tokenizer)
        report = {"pretraining": figures, "corpus": counts, "versions": versions(), "created": now()}
        report |= {"recipe": _settings(recipe), "origin": origin}
        write_json(staging / PRETRAINING_NAME, report)
        card = encoder_card(
            directory.root.name, model.config.to_dict(), report, f"{recipe.run.directory}/encoder"
        )
        (staging / "README.md").write_text(card, encoding="utf-8")
    shutil.rmtree(directory.pretraining)
    return directory.encoder


def _check_vocabulary(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a vocabulary of the recipe's own beside a base model that has another one.

    Raises
    ------
    RecipeError
        They differ, and the base model's embeddings would stand for other tokens.
    """
    default = type(recipe.scratch)().vocabulary
    if recipe.pretrain.base_model == SCRATCH or recipe.scratch.vocabulary == default:
        return
    wanted = scratch_tokenizer(recipe)
    if wanted.get_vocab() != tokenizer.get_vocab():
        raise RecipeError(
            f"pretrain.base_model={recipe.pretrain.base_model!r} has a vocabulary of {len(tokenizer)} "
            f"entries that differs from scratch.vocabulary={recipe.scratch.vocabulary!r} with {len(wanted)}; "
            "leave scratch.vocabulary out to keep the base model's."
        )


def _origin(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> checkpoint.Origin:
    """Return what decides the result, the corpus and the vocabulary by their contents."""
    corpus = recipe.unlabelled()
    digests = [file_digest(path) for path in corpus_files(corpus)]
    settings = checkpoint.decisive_settings(recipe, {"corpus", "pretrain", "scratch"}, digests)
    times = [times_of(name)[1] for name in corpus.files]
    entries = json.dumps(sorted(tokenizer.get_vocab().items()))
    return {**settings, _TIMES: times, _VOCABULARY: hashlib.sha256(entries.encode()).hexdigest()}


def _streams(
    recipe: Recipe, folder: Path, tokenizer: PreTrainedTokenizerBase, origin: checkpoint.Origin
) -> tuple[TokenStream, TokenStream, dict[str, int]]:
    """Return corpus and held-out text as tokens, from the run directory where they were made before."""
    key = {name: value for name, value in origin.items() if not name.startswith(("pretrain.", "scratch."))}
    made_from = folder / checkpoint.ORIGIN
    if not (made_from.is_file() and json.loads(made_from.read_text(encoding="utf-8")) == key):
        _tokenize(recipe, folder, tokenizer, key)
    counts = json.loads((folder / _COUNTS).read_text(encoding="utf-8"))
    return TokenStream.load(folder / "learned"), TokenStream.load(folder / "held_out"), counts


def _tokenize(
    recipe: Recipe, folder: Path, tokenizer: PreTrainedTokenizerBase, key: dict[str, object]
) -> None:
    """Read, clean and tokenise the corpus into a folder.

    Raises
    ------
    DataError
        The vocabulary does not cover it.
    """
    started = time.monotonic()
    section = recipe.unlabelled()
    corpus = load_corpus(section)
    check_coverage(tokenizer, corpus.learned, ", ".join(section.files))
    with staged(folder) as staging:
        for name, documents in (("learned", corpus.learned), ("held_out", corpus.held_out)):
            stream = _stream_of(recipe, documents, tokenizer)
            unknown = stream.share_of(_id_of(tokenizer, "unk_token"))
            (staging / name).mkdir()
            stream.save(staging / name)
            logger.info("%s: %s tokens, %.3f %% unknown", name, f"{len(stream):,}", 100 * unknown)
        counts = {**corpus.counts, "seconds": round(time.monotonic() - started)}
        write_json(staging / _COUNTS, counts)
        write_json(staging / checkpoint.ORIGIN, key)


def _stream_of(
    recipe: Recipe, documents: Sequence[tuple[str, ...]], tokenizer: PreTrainedTokenizerBase
) -> TokenStream:
    steps = recipe.unlabelled().normalizers
    normalized = (tuple(normalize(text, steps) for text in document) for document in documents)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return tokenize(normalized, backend, _id_of(tokenizer, "sep_token"))


def _train(
    recipe: Recipe,
    config: BertConfig,
    tokenizer: PreTrainedTokenizerBase,
    streams: tuple[TokenStream, TokenStream],
    folder: Path,
    last: Path | None,
) -> tuple[BertForMaskedLM, dict[str, Any]]:
    """Run Trainer to its end or to the end of the budget, and return the model and its figures."""
    from train.language_trainer import LanguageTrainer
    from train.trainer import choose_precision

    settings = recipe.pretrain
    special = _special_ids(tokenizer)
    batches = MaskedBatches(streams[0], special, settings)
    if not len(batches):
        raise DataError(
            f"the corpus has {len(streams[0]):,} tokens, which fill no batch of {settings.batch_tokens:,}; "
            "lower pretrain.batch_tokens and pretrain.max_length, or add text."
        )
    if len(batches) < _FEW_STEPS:
        logger.warning(
            "the whole training has %d steps, from which little is learned; raise pretrain.epochs, "
            "lower pretrain.batch_tokens, or add text",
            len(batches),
        )
    held_out = _held_out(streams[1], special, settings.max_length, settings.masked)
    model = build_language_model(recipe, _with_dropout(config, settings.dropout))
    if settings.base_model == SCRATCH:
        _start_embeddings(model, tokenizer, settings)
    precision = choose_precision(settings.precision)
    trainer = LanguageTrainer(model, settings, batches, held_out, folder, precision)
    figures = trainer.fit(last)
    return model, {"corpus_tokens": len(streams[0]), "held_out_tokens": len(streams[1]), **figures}


def _held_out(stream: TokenStream, special: SpecialIds, max_length: int, masked: float) -> list[MaskedBatch]:
    row = min(max_length, HELD_OUT_ROW)
    return held_out_batches(stream, special, batch_tokens=16 * HELD_OUT_ROW, row_length=row, masked=masked)


def _start_embeddings(
    model: BertForMaskedLM, tokenizer: PreTrainedTokenizerBase, settings: PretrainSection
) -> None:
    from train.embeddings import read_vectors, start_embeddings, start_neighbours, start_positions

    embeddings: Any = model.bert.embeddings
    encoder: Any = model.bert.encoder
    attention = encoder.layer[0].attention.self
    turns = start_positions(embeddings.position_embeddings, model.config.initializer_range)
    start_neighbours(attention.query, attention.key, model.config.num_attention_heads, turns)
    embeddings.token_type_embeddings.weight.data.zero_()
    if settings.embeddings:
        vectors = read_vectors(expanded(settings.embeddings))
        count = start_embeddings(embeddings.word_embeddings, tokenizer.get_vocab(), vectors, settings.seed)
        logger.info("%d of %d embeddings start from %s", count, len(tokenizer), settings.embeddings)


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> SpecialIds:
    return SpecialIds(
        begin=_id_of(tokenizer, "cls_token"),
        separator=_id_of(tokenizer, "sep_token"),
        mask=_id_of(tokenizer, "mask_token"),
        vocabulary=len(tokenizer),
    )


def _id_of(tokenizer: PreTrainedTokenizerBase, name: str) -> int:
    """Return the id of a special token.

    Raises
    ------
    RecipeError
        The tokenizer has none.
    """
    found = getattr(tokenizer, f"{name}_id")
    if found is None:
        raise RecipeError(f"the tokenizer of the base model has no {name}; choose a BERT's own tokenizer.")
    return int(found)


def _with_dropout(config: BertConfig, share: float) -> BertConfig:
    changed = copy.deepcopy(config)
    changed.hidden_dropout_prob = changed.attention_probs_dropout_prob = share
    return changed


def _write(
    staging: Path,
    recipe: Recipe,
    model: BertForMaskedLM,
    config: BertConfig,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Write weights, configuration and tokenizer as `from_pretrained` reads them."""
    import torch

    model.to(torch.float16 if recipe.pretrain.weights == "fp16" else torch.float32)  # type: ignore[arg-type]
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        setattr(model.config, name, getattr(config, name))
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(staging)
    tokenizer.save_pretrained(staging)
    for path in staging.iterdir():
        path.chmod(0o644)  # safetensors gives 0600


def _settings(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(mode="json", include={"corpus", "vocab", "pretrain", "scratch"})
