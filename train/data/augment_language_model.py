"""Words replaced by what the base model expects in their place; it trains nothing and knows no labels.

Whole words are hidden and guessed (conditional BERT augmentation without the condition: Wu et al. 2018,
arXiv 1812.06705). A guess counts only where the model is confident of every character.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Self

from runtime.errors import RecipeError
from train.config import Recipe
from train.data.augment_marks import MarkedText, is_hanzi, is_negation, share_of
from train.pretrained import SCRATCH, build_language_model, read_config, read_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BertForMaskedLM, PreTrainedTokenizerBase

CONFIDENT = 0.1
"""Least probability of each character of a guess; thousands of others share the rest."""

_LONGEST_WORD = 4
_SETTING = "take language_model out of augment.methods"


class WordGuesser:
    """An augmenter that asks a masked language model.

    Parameters
    ----------
    model : BertForMaskedLM
    tokenizer : PreTrainedTokenizerBase
        A fast one, which tells where its tokens stood.
    max_length : int
        Most tokens that the model reads; words behind them stay.
    """

    def __init__(self, model: BertForMaskedLM, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        import torch

        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        self._model = model.train(False).to(device or "cpu")
        self._tokenizer = tokenizer
        self._max_length = max_length

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """Load the base model of `finetune` with the head that guesses words.

        Raises
        ------
        RecipeError
            It has none: it starts from random weights, or is no language model.
        """
        base = recipe.finetune.base_model
        if base == SCRATCH:
            raise RecipeError(f"finetune.base_model={base!r} has nothing to guess words by; {_SETTING}.")
        config = read_config(recipe)
        tokenizer = read_tokenizer(recipe, config)
        try:
            model = build_language_model(recipe, config, "finetune")
        except RecipeError as error:
            raise RecipeError(f"{str(error).rstrip('.')}, or {_SETTING}.") from error
        return cls(model, tokenizer, recipe.finetune.max_length)

    def __call__(self, marked: MarkedText, generator: Random) -> str | None:
        """Replace words, a tenth of them at most, where the model is confident of another one."""
        words = [(start, end) for start, end in marked.free_words if end - start <= _LONGEST_WORD]
        if not words:
            return None
        chosen = generator.sample(words, min(len(words), share_of(len(marked.words))))
        text = marked.text
        for (start, end), guess in zip(chosen, self._guesses(text, chosen), strict=True):
            if guess is not None:
                text = text[:start] + guess + text[end:]
        return text if text != marked.text else None

    def _guesses(self, text: str, words: list[tuple[int, int]]) -> list[str | None]:
        """Return for each word what stands in its place when it alone is hidden; None where nothing does."""
        import torch

        encoded = self._tokenizer(
            text,
            truncation=True,
            max_length=self._max_length,
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        place_of = {
            start: token
            for token, (start, end) in enumerate(encoded.pop("offset_mapping")[0].tolist())
            if end == start + 1
        }
        tokens = [[place_of.get(place) for place in range(start, end)] for start, end in words]
        known = [[token for token in found if token is not None] for found in tokens]
        ids = encoded["input_ids"].repeat(len(words), 1)
        for row, places in enumerate(known):
            ids[row, places] = self._tokenizer.mask_token_id
        with torch.inference_mode():
            device = self._model.device
            logits = self._model(input_ids=ids.to(device)).logits
        return [
            self._best(logits[row, known[row]].softmax(dim=-1).cpu(), text[start:end])
            if None not in tokens[row]
            else None
            for row, (start, end) in enumerate(words)
        ]

    def _best(self, probabilities: Tensor, word: str) -> str | None:
        """Return the likeliest characters, unless they are the word again; shape (characters, vocabulary)."""
        confidence, ids = probabilities.max(dim=-1)
        guess = "".join(self._tokenizer.convert_ids_to_tokens(ids.tolist()))
        sure = bool((confidence >= CONFIDENT).all())
        return guess if sure and guess != word and is_hanzi(guess) and not is_negation(guess) else None
