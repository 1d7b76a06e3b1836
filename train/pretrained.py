"""The model and tokenizer that training starts from: of the hub, of a folder, or with random weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from runtime.errors import RecipeError
from train.config import Recipe
from train.recipe import expanded, nearest_path
from train.run import RunDirectory

if TYPE_CHECKING:
    from transformers import BertConfig, BertForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

SCRATCH = "scratch"
TRAINED = "trained"

Section = Literal["finetune", "pretrain"]
"""The section of the recipe whose `base_model` and `max_length` count."""

_INCLUDED = Path(__file__).parent / "encoders"
_NEW_WITH_EVERY_CLASSIFIER = ("classifier.", "bert.pooler.")
_NEW_WITH_EVERY_LANGUAGE_MODEL = ("cls.",)

Model = TypeVar("Model", bound="PreTrainedModel")


def included() -> dict[str, Path]:
    """Return the encoders that ship with the project, by the name that `base_model` may have."""
    return {path.parent.name: path.parent for path in sorted(_INCLUDED.glob("*/config.json"))}


def read_config(recipe: Recipe, section: Section = "finetune") -> BertConfig:
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
    base, max_length = getattr(recipe, section).base_model, getattr(recipe, section).max_length
    if base == SCRATCH:
        return _scratch_config(recipe, max_length)

    setting = f"{section}.base_model"
    _check_path(setting, base)
    try:
        config = AutoConfig.from_pretrained(_local(base))
    except (OSError, ValueError) as error:
        raise _unreadable(setting, base, error) from error
    if config.model_type != "bert":
        raise RecipeError(
            f"{setting}={base!r} is of type {config.model_type!r}, only 'bert' can be trained and "
            "served; choose a BERT, for example google-bert/bert-base-chinese."
        )
    positions = config.max_position_embeddings
    if max_length > positions:
        raise RecipeError(
            f"{section}.max_length={max_length} is more than the {positions} positions of "
            f"{base}; set it to {positions} or less."
        )
    return cast("BertConfig", config)


def read_tokenizer(
    recipe: Recipe, config: BertConfig, section: Section = "finetune"
) -> PreTrainedTokenizerBase:
    """Return the tokenizer of the base model, or the one of the scratch vocabulary.

    Raises
    ------
    RecipeError
        The base model has no tokenizer that can be read, or one that does not fit its weights.
    """
    base, setting = getattr(recipe, section).base_model, f"{section}.base_model"
    if base == SCRATCH:
        return scratch_tokenizer(recipe)
    tokenizer = _tokenizer_of(setting, base)
    # Where the vocabulary file is missing, transformers makes a tokenizer of special tokens alone.
    if not config.vocab_size / 2 <= len(tokenizer) <= config.vocab_size:
        raise RecipeError(
            f"the tokenizer of {setting}={base!r} has {len(tokenizer)} entries, its weights have "
            f"{config.vocab_size}; choose a model folder with its own tokenizer.json or vocab.txt."
        )
    return tokenizer


def build_model(recipe: Recipe, config: BertConfig, labels: Sequence[str]) -> PreTrainedModel:
    """Return a classifier for these labels in float32: pretrained weights under a new head, or random ones.

    Raises
    ------
    RecipeError
        The weights cannot be read, or are not those of a BERT.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification, BertForSequenceClassification, set_seed

    config.problem_type = "single_label_classification"
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    set_seed(recipe.finetune.seed)
    base = recipe.finetune.base_model
    if base == SCRATCH:
        return _randomly(BertForSequenceClassification, config, "finetune")
    try:
        model, found = AutoModelForSequenceClassification.from_pretrained(
            _local(base),
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unreadable("finetune.base_model", base, error) from error
    _check_found("finetune.base_model", base, found, _NEW_WITH_EVERY_CLASSIFIER)
    return cast("PreTrainedModel", model)


def build_language_model(
    recipe: Recipe, config: BertConfig, section: Section = "pretrain"
) -> BertForMaskedLM:
    """Return a masked language model in float32: pretrained weights or random ones.

    That of `pretrain` may have a new head, which it learns; that of `finetune` must come with its own.

    Raises
    ------
    RecipeError
        The weights cannot be read, or are not those of a BERT.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import BertForMaskedLM, set_seed

    set_seed(getattr(recipe, section).seed)
    setting, base = f"{section}.base_model", getattr(recipe, section).base_model
    if base == SCRATCH:
        return _randomly(BertForMaskedLM, config, section)
    try:
        loaded: Any = BertForMaskedLM.from_pretrained(
            _local(base), config=config, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unreadable(setting, base, error) from error
    model, found = loaded
    _check_found(setting, base, found, _NEW_WITH_EVERY_LANGUAGE_MODEL if section == "pretrain" else ())
    return cast("BertForMaskedLM", model)


def _check_found(setting: str, base: str, found: dict[str, Iterable[Any]], new: tuple[str, ...]) -> None:
    """Refuse weights in which more is missing than the head that training makes anew."""
    changed = {*found["missing_keys"], *(str(key[0]) for key in found["mismatched_keys"])}
    lost = sorted(key for key in changed if not key.startswith(new))
    if lost:
        raise RecipeError(
            f"{setting}={base!r} lacks {len(lost)} weights of a BERT, {lost[0]} the first; "
            "choose a checkpoint saved from a BERT model."
        )


def scratch_tokenizer(recipe: Recipe) -> PreTrainedTokenizerBase:
    """Return the tokenizer that `scratch.vocabulary` names.

    Raises
    ------
    RecipeError
        It does not exist or cannot be read.
    """
    from train.data.vocabulary import build_tokenizer, gb2312_vocabulary

    wanted = recipe.scratch.vocabulary
    if wanted == "gb2312":
        return build_tokenizer(gb2312_vocabulary())
    folder = RunDirectory.of(recipe).vocabulary if wanted == TRAINED else expanded(wanted)
    if not folder.is_dir():
        remedy = (
            "run the command vocab with this recipe first"
            if wanted == TRAINED
            else f'{nearest_path(folder)} ("gb2312" and "trained" are allowed too)'
        )
        raise RecipeError(f"scratch.vocabulary={wanted!r}: {folder} does not exist; {remedy}.")
    return _tokenizer_of("scratch.vocabulary", str(folder))


def _tokenizer_of(setting: str, base: str) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        return cast("PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(_local(base)))
    except (OSError, ValueError) as error:
        raise _unreadable(setting, base, error) from error


def _scratch_config(recipe: Recipe, positions: int) -> BertConfig:
    from transformers import BertConfig

    shape = recipe.scratch
    return BertConfig(
        vocab_size=len(scratch_tokenizer(recipe)),
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate_size,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
        max_position_embeddings=positions,
        pad_token_id=0,
    )


def _randomly(kind: type[Model], config: BertConfig, section: Section) -> Model:
    try:
        return kind(config)
    except RuntimeError as error:
        raise RecipeError(
            f"[scratch] with {section}.max_length={config.max_position_embeddings} is more than the memory "
            f"holds ({str(error).partition(chr(10))[0][:200]}); make the model smaller."
        ) from error


def _local(base: str) -> str:
    """Return the path of a model folder, in which transformers knows no `~`; a hub id stays what it is."""
    if base in included():
        return str(included()[base])
    path = expanded(base)
    return str(path) if path.is_dir() else base


def _check_path(setting: str, base: str) -> None:
    """Refuse a missing folder before the hub is asked for it."""
    path = expanded(base)
    looks_local = base.startswith((".", "/", "~")) or len(path.parts) > 2
    if looks_local and not path.is_dir():
        raise RecipeError(f"{setting}={base!r} does not exist; {nearest_path(path)}.")


def _unreadable(setting: str, base: str, error: Exception) -> RecipeError:
    reason = " ".join(str(error).split())
    allowed = ", ".join(included())
    return RecipeError(
        f"{setting}={base!r} cannot be read ({reason[:300]}); "
        f'give a hub id, a model folder, "scratch" or what is included: {allowed}.'
    )
