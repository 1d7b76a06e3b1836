"""Counts the tokens of texts, exactly and without tokenising every one of them; it judges no text.

A BERT tokenizer makes every Chinese character and every punctuation mark a word of its own. So each such
character is tokenised once, and what stands between them is tokenised once for each different string.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tokenizers

from train.data.checks.alphabets import Points

Integers = npt.NDArray[np.int64]

_CODES = 0x110000
_UNSEEN, _WORD, _ALONE = 0, 1, 2
_MOST_REMEMBERED = 500_000
_LETTER = "a"


class TokenCounter:
    """Tokens of texts, and how many of them are unknown, special tokens not counted.

    Parameters
    ----------
    backend : tokenizers.Tokenizer
        Its truncation and padding are switched off.
    unknown : str
        The token of what the vocabulary lacks.
    """

    def __init__(self, backend: tokenizers.Tokenizer, unknown: str) -> None:
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        found = backend.token_to_id(unknown)
        self._unknown_id = -1 if found is None else found
        self._kinds = np.zeros(_CODES, dtype=np.uint8)
        self._tokens = np.zeros((2, _CODES), dtype=np.int64)
        self._words: dict[str, tuple[int, int]] = {}
        self._added = [token.content for token in backend.get_added_tokens_decoder().values()]
        self._cuts = _cuts_like_bert(backend)

    def count(self, texts: Sequence[str]) -> tuple[Integers, Integers]:
        """Return the number of tokens of each text, and of the unknown ones among them.

        Returns
        -------
        two int64 of shape (len(texts),)
        """
        if not texts:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        if not self._cuts:
            counts = np.array(self._encoded(texts), dtype=np.int64)
            return counts[:, 0], counts[:, 1]
        joined = "\n".join(texts) + "\n"
        points = np.frombuffer(joined.encode("utf-32-le"), dtype="<u4")
        self._learn(points)
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        starts = np.cumsum(lengths + 1) - lengths - 1
        tokens, unknown = (np.add.reduceat(table[points], starts) for table in self._tokens)
        owners, words = self._between(joined, points, starts)
        np.add.at(tokens, owners, words[:, 0])
        np.add.at(unknown, owners, words[:, 1])
        for index in self._with_added(texts, joined):
            (tokens[index], unknown[index]) = self._encoded([texts[index]])[0]
        return tokens, unknown

    def _learn(self, points: Points) -> None:
        """Ask the tokenizer about characters that were not seen before: does it stand alone, as what?"""
        codes = np.unique(points)
        fresh = codes[self._kinds[codes] == _UNSEEN].tolist()
        alone = [code for code in fresh if self._stands_alone(chr(code))]
        self._kinds[fresh] = _WORD
        self._kinds[alone] = _ALONE
        if alone:
            self._tokens[:, alone] = np.array(self._encoded([chr(code) for code in alone])).T

    def _stands_alone(self, character: str) -> bool:
        """Tell whether a character parts the letters on its two sides into two words."""
        normalizer, cutter = self._backend.normalizer, self._backend.pre_tokenizer
        text = _LETTER + character + _LETTER
        words = [
            word
            for word, _ in cutter.pre_tokenize_str(normalizer.normalize_str(text) if normalizer else text)
        ]
        return len(words) > 1 and words[0] == words[-1] == _LETTER

    def _between(self, joined: str, points: Points, starts: Integers) -> tuple[Integers, Integers]:
        """Return of each string between lone characters the text it is of, and its counts."""
        inside = np.concatenate(([False], self._kinds[points] == _WORD, [False]))
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        begins, ends = edges[::2], edges[1::2]
        words = [joined[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        if len(self._words) > _MOST_REMEMBERED:
            self._words.clear()
        fresh = list({word for word in words if word not in self._words})
        self._words.update(zip(fresh, self._encoded(fresh), strict=True))
        counts = np.array([self._words[word] for word in words], dtype=np.int64).reshape(-1, 2)
        return np.searchsorted(starts, begins, side="right") - 1, counts

    def _with_added(self, texts: Sequence[str], joined: str) -> list[int]:
        """Return the texts with a special token in them, which the tokenizer sees before anything else."""
        there = [token for token in self._added if token in joined]
        return (
            [index for index, text in enumerate(texts) if any(token in text for token in there)]
            if there
            else []
        )

    def _encoded(self, texts: Sequence[str]) -> list[tuple[int, int]]:
        found = self._backend.encode_batch_fast(texts, add_special_tokens=False)
        return [(len(one), one.ids.count(self._unknown_id)) for one in found]


def _cuts_like_bert(backend: tokenizers.Tokenizer) -> bool:
    """Tell whether words are cut before they are tokenised, each for itself."""
    description = json.loads(backend.to_str())
    kinds = [(description[part] or {}).get("type") for part in ("pre_tokenizer", "model", "normalizer")]
    return kinds == ["BertPreTokenizer", "WordPiece", "BertNormalizer"]
