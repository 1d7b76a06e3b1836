"""The model and tokenizer that training starts from: of the hub, of a folder, or with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from runtime.errors import RecipeError
from train.config import Recipe
from train.recipe import expanded, nearest_path

if TYPE_CHECKING:
    from transformers import BertConfig, PreTrainedModel, PreTrainedTokenizerBase

SCRATCH = "scratch"

_NEW_WITH_EVERY_CLASSIFIER = ("classifier.", "bert.pooler.")


def read_config(recipe: Recipe) -> BertConfig:
    """Return the configuration of the base model, checked before anything heavy is read.

    Raises
    ------
    RecipeError
        There is no such model, it is no BERT, or it has fewer positions than `max_length`.
    """
    from transformers import AutoConfig
    from transformers.utils import logging

    # It would warn of a new head on old weights, which is the purpose; missing weights are checked below.
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if recipe.finetune.base_model == SCRATCH:
        return _scratch_config(recipe)

    base = recipe.finetune.base_model
    _check_path(base)
    try:
        config = AutoConfig.from_pretrained(_local(base))
    except (OSError, ValueError) as error:
        raise _unreadable(base, error) from error
    if config.model_type != "bert":
        raise RecipeError(
            f"finetune.base_model={base!r} is of type {config.model_type!r}, only 'bert' can be trained and "
            "served; choose a BERT, for example google-bert/bert-base-chinese."
        )
    positions = config.max_position_embeddings
    if recipe.finetune.max_length > positions:
        raise RecipeError(
            f"finetune.max_length={recipe.finetune.max_length} is more than the {positions} positions of "
            f"{base}; set it to {positions} or less."
        )
    return cast("BertConfig", config)


def read_tokenizer(recipe: Recipe, config: BertConfig) -> PreTrainedTokenizerBase:
    """Return the tokenizer of the base model, or the one of the scratch vocabulary.

    Raises
    ------
    RecipeError
        The base model has no tokenizer that can be read, or one that does not fit its weights.
    """
    base = recipe.finetune.base_model
    if base == SCRATCH:
        from train.data.vocabulary import build_tokenizer, gb2312_vocabulary

        return build_tokenizer(gb2312_vocabulary())
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(_local(base))
    except (OSError, ValueError) as error:
        raise _unreadable(base, error) from error
    # Where the vocabulary file is missing, transformers makes a tokenizer of special tokens alone.
    if not config.vocab_size / 2 <= len(tokenizer) <= config.vocab_size:
        raise RecipeError(
            f"the tokenizer of finetune.base_model={base!r} has {len(tokenizer)} entries, its weights have "
            f"{config.vocab_size}; choose a model folder with its own tokenizer.json or vocab.txt."
        )
    return cast("PreTrainedTokenizerBase", tokenizer)


def build_model(recipe: Recipe, config: BertConfig, labels: Sequence[str]) -> PreTrainedModel:
    """Return a classifier for these labels in float32: pretrained weights under a new head, or random ones.

    Raises
    ------
    RecipeError
        The weights cannot be read, or are not those of a BERT.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification, set_seed

    config.problem_type = "single_label_classification"
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    set_seed(recipe.finetune.seed)
    base = recipe.finetune.base_model
    if base == SCRATCH:
        return _random_model(config)
    try:
        model, found = AutoModelForSequenceClassification.from_pretrained(
            _local(base),
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unreadable(base, error) from error
    changed = {*found["missing_keys"], *(str(key[0]) for key in found["mismatched_keys"])}
    lost = sorted(key for key in changed if not key.startswith(_NEW_WITH_EVERY_CLASSIFIER))
    if lost:
        raise RecipeError(
            f"finetune.base_model={base!r} lacks {len(lost)} weights of a BERT, {lost[0]} the first; "
            "choose a checkpoint saved from a BERT model."
        )
    return cast("PreTrainedModel", model)


def _scratch_config(recipe: Recipe) -> BertConfig:
    from transformers import BertConfig

    from train.data.vocabulary import gb2312_vocabulary

    shape = recipe.scratch
    return BertConfig(
        vocab_size=len(gb2312_vocabulary()),
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate_size,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
        max_position_embeddings=recipe.finetune.max_length,
        pad_token_id=0,
    )


def _random_model(config: BertConfig) -> PreTrainedModel:
    from transformers import BertForSequenceClassification

    try:
        return BertForSequenceClassification(config)
    except RuntimeError as error:
        raise RecipeError(
            f"[scratch] with finetune.max_length={config.max_position_embeddings} is more than the memory "
            f"holds ({str(error).partition(chr(10))[0][:200]}); make the model smaller."
        ) from error


def _local(base: str) -> str:
    """Return the path of a model folder, in which transformers knows no `~`; a hub id stays what it is."""
    path = expanded(base)
    return str(path) if path.is_dir() else base


def _check_path(base: str) -> None:
    """Refuse a missing folder before the hub is asked for it."""
    path = expanded(base)
    looks_local = base.startswith((".", "/", "~")) or len(path.parts) > 2
    if looks_local and not path.is_dir():
        raise RecipeError(f"finetune.base_model={base!r} does not exist; {nearest_path(path)}.")


def _unreadable(base: str, error: Exception) -> RecipeError:
    reason = " ".join(str(error).split())
    return RecipeError(
        f"finetune.base_model={base!r} cannot be read ({reason[:300]}); "
        'give a hub id, a model folder or "scratch".'
    )
