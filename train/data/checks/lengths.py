"""How long texts are, in characters and in tokens of the base model, and what it cannot read of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from typing_extensions import TypedDict, override

from runtime.errors import RecipeError
from runtime.manifest import MOST_TOKENS
from runtime.normalize import normalize
from train.data.checks.batch import Batch
from train.data.checks.counting import TokenCounter
from train.data.checks.finding import Check, Examination, Note, Sightings
from train.section import Split

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Integers = npt.NDArray[np.int64]

MOST_COUNTED = 10_000
"""Longer texts are counted as this long."""

BARS = 60
"""Of a distribution in the reports; the last one holds everything longer."""

_MANY_CUT = 0.05
_MANY_UNKNOWN = 0.01
_COVERED = 0.95
_STEP = 32
_CHARACTERS_PER_TOKEN = 8
"""Far more than any text has: what stands behind so many is cut off before it is counted."""

_EXAMINED_UNKNOWN = 2_000
_SHOWN_UNKNOWN = 20
_PLAIN = re.compile("[\u4e00-\u9fff!-~，。！？：；（）、“”‘’《》【】]*")
_LEAVE_PLAIN_ALONE = {"fold_fullwidth", "collapse_whitespace", "remove_invisible", "compose"}


class Distribution(TypedDict):
    """`counts[i]` texts have at least `i * width` and less than `(i + 1) * width`.

    Where there are `BARS` counts, the last one has no upper end.
    """

    mean: float
    quantiles: dict[str, int]
    longest: int
    width: int
    counts: list[int]


class TokenFigures(TypedDict):
    """Tokens of the texts, with special ones; how many texts are cut, and what share of tokens is unknown."""

    distribution: Distribution
    max_length: int
    truncated_rows: int
    unknown_share: float


class Lengths(Check):
    """Characters per text, and with the tokenizer of the base model tokens, texts that are cut, [UNK]."""

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._characters: dict[Split, Integers] = {}
        self._tokens: dict[Split, Integers] = {}
        self._unknown: Counter[Split] = Counter()
        self._cut: dict[Split, Sightings] = {}
        self._with_unknown: dict[Split, Sightings] = {}
        self._unreadable: str | None = None
        self._positions = MOST_TOKENS
        self._unknown_texts: list[str] = []
        self._words: Counter[str] = Counter()
        self._tokenizer = self._read()

    @override
    def accumulate(self, batch: Batch) -> None:
        """Count characters, and tokens where there is a tokenizer."""
        _add(self._characters, batch.split, batch.lengths)
        if self._tokenizer is None:
            return
        limit = self.recipe.finetune.max_length
        most = limit * _CHARACTERS_PER_TOKEN
        texts = _normalized([text[:most] for text in batch.texts], self.data.normalizers)
        tokens, unknown = self._counter.count(texts)
        tokens += 2 if self.data.text_pair is None else 3
        _add(self._tokens, batch.split, tokens)
        self._cut.setdefault(batch.split, Sightings()).add(batch, tokens > limit)
        self._with_unknown.setdefault(batch.split, Sightings()).add(batch, unknown > 0)
        self._unknown[batch.split] += int(unknown.sum())
        room = _EXAMINED_UNKNOWN - len(self._unknown_texts)
        self._unknown_texts += [texts[index] for index in np.flatnonzero(unknown)[:room].tolist()]

    @override
    def findings(self) -> Iterator[Note]:
        """Tell of texts that are cut and of tokens that are unknown."""
        if self._unreadable is not None:
            yield Note(
                "base_model_unreadable",
                f"tokens were not counted: {self._unreadable}",
                'name a folder or "bert-mini-chinese" as finetune.base_model, or run it with the network',
            )
        for split, seen in self._cut.items():
            rows = int(self._tokens[split].sum())
            if seen.count > _MANY_CUT * rows:
                yield self._truncation(split, seen, rows)
        for split, seen in self._with_unknown.items():
            share = self._unknown[split] / _total(self._tokens[split])
            if share > _MANY_UNKNOWN:
                what = f"{share:.1%} of the tokens are unknown to {self.recipe.finetune.base_model}"
                fix = "finetune.base_model with a vocabulary that has these characters"
                yield Note("unknown_tokens", what, fix, split, seen, self._most_unknown())

    @override
    def figures(self) -> Mapping[Split, Mapping[str, Any]]:
        """Return the distributions of each split."""
        found: dict[Split, dict[str, Any]] = {}
        for split, counts in self._characters.items():
            found[split] = {"characters": _distribution(counts)}
        for split, counts in self._tokens.items():
            tokens: TokenFigures = {
                "distribution": _distribution(counts),
                "max_length": self.recipe.finetune.max_length,
                "truncated_rows": self._cut[split].count,
                "unknown_share": round(self._unknown[split] / _total(counts), 6),
            }
            found[split]["tokens"] = tokens
        return found

    def _read(self) -> PreTrainedTokenizerBase | None:
        """Return the tokenizer of the base model, and keep why there is none."""
        from train.pretrained import SCRATCH, read_config, read_tokenizer

        try:
            config = read_config(self.recipe)
            tokenizer = read_tokenizer(self.recipe, config)
        except RecipeError as error:
            self._unreadable = str(error).rstrip(".")
            return None
        if self.recipe.finetune.base_model != SCRATCH:
            self._positions = config.max_position_embeddings
        self._counter = TokenCounter(tokenizer.backend_tokenizer, str(tokenizer.unk_token))
        return tokenizer

    def _truncation(self, split: Split, seen: Sightings, rows: int) -> Note:
        wanted = _quantile(self._tokens[split], _COVERED)
        length = min(self._positions, -(-wanted // _STEP) * _STEP)
        limit = self.recipe.finetune.max_length
        what = (
            f"{seen.count / rows:.1%} of the texts are longer than {limit} tokens, and their ends are cut off"
        )
        if length <= limit:
            fix = f"shorter texts: the base model reads no more than {self._positions} tokens"
            return Note("truncation", what, fix, split, seen)
        return Note("truncation", what, "", split, seen, settings={"finetune.max_length": length})

    def _most_unknown(self) -> tuple[str, ...]:
        """Return the most frequent strings that became [UNK]; characters and words, never texts."""
        if self._tokenizer is None:
            return ()
        if not self._words:
            backend, unknown = self._tokenizer.backend_tokenizer, self._tokenizer.unk_token_id
            for text, found in zip(
                self._unknown_texts, backend.encode_batch(self._unknown_texts), strict=True
            ):
                for token, (start, end) in zip(found.ids, found.offsets, strict=True):
                    if token == unknown and end - start == 1:
                        self._words[text[start:end]] += 1
        return tuple(f"{word} ({count})" for word, count in self._words.most_common(_SHOWN_UNKNOWN))


def _normalized(texts: Sequence[str], names: Sequence[str]) -> list[str]:
    """Apply the normalizers of the recipe; where all of them leave plain Chinese alone, it is spared them."""
    if set(names) <= _LEAVE_PLAIN_ALONE:
        return [text if _PLAIN.fullmatch(text) else normalize(text, names) for text in texts]
    return [normalize(text, names) for text in texts]


def _add(counts: dict[Split, Integers], split: Split, lengths: Integers) -> None:
    found = np.bincount(np.minimum(lengths, MOST_COUNTED), minlength=MOST_COUNTED + 1)
    counts[split] = counts[split] + found if split in counts else found


def _total(counts: Integers) -> int:
    return max(1, int((counts * np.arange(len(counts))).sum()))


def _quantile(counts: Integers, share: float) -> int:
    """Return the least length that this share of the texts does not exceed."""
    total = np.cumsum(counts)
    return int(np.searchsorted(total, share * total[-1]))


def _distribution(counts: Integers) -> Distribution:
    longest = int(np.flatnonzero(counts)[-1])
    width = max(1, -(-_quantile(counts, 0.99) // (BARS - 1)))
    bars = np.add.reduceat(counts, np.arange(0, BARS * width, width)[: -(-len(counts) // width)])
    return {
        "mean": round(_total(counts) / int(counts.sum()), 1),
        "quantiles": {f"{share:.0%}": _quantile(counts, share) for share in (0.05, 0.5, 0.95, 0.99)},
        "longest": longest,
        "width": width,
        "counts": bars[: min(longest // width, BARS - 1) + 1].tolist(),
    }
