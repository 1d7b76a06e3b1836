"""Marks what of a text augmentation may change: Chinese characters that carry neither facts nor negation.

It changes nothing itself, and knows neither the ways to augment nor what labels mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import rjieba

from runtime.pii import RECOGNIZERS, find

NEGATIONS = frozenset("不没無无非未别別勿莫毋弗否甭休难難缺拒")
"""Characters that turn a meaning round, or may; words that only contain one, like 非常, stay too."""

_NUMERALS = "〇零一二三四五六七八九十百千万亿两半几第"
_HANZI = re.compile(r"[\u4e00-\u9fff\u3400-\u4dbf]")
_FACTS = re.compile(
    rf"[{_NUMERALS}]+|[^\W\u4e00-\u9fff\u3400-\u4dbf]+(?:[.,:/%@+-][^\W\u4e00-\u9fff\u3400-\u4dbf]+)*%?"
)
"""Numerals, and runs of letters and digits with what joins them: amounts, dates, names of products."""

_KINDS = tuple(RECOGNIZERS)
_CHANGED = 0.1

Span = tuple[int, int]


@dataclass(frozen=True)
class MarkedText:
    """A text, its words, and the spans of it that must stand in every text made from it.

    `words` and `protected` hold (start, end) in order; those of `protected` do not touch one another.
    """

    text: str
    words: tuple[Span, ...]
    protected: tuple[Span, ...]

    @cached_property
    def _protected_places(self) -> frozenset[int]:
        return frozenset(place for start, end in self.protected for place in range(start, end))

    @cached_property
    def free(self) -> list[int]:
        """Places of the characters that may change."""
        return [place for place in range(len(self.text)) if self.is_free(place)]

    @property
    def free_words(self) -> list[Span]:
        """Words of which every character may change."""
        return [(start, end) for start, end in self.words if all(map(self.is_free, range(start, end)))]

    @property
    def boundaries(self) -> list[int]:
        """Places between two words where something may be put in."""
        inside = {place for start, end in self.protected for place in range(start + 1, end)}
        return [start for start, _ in self.words if start and start not in inside]

    def is_free(self, place: int) -> bool:
        """Tell whether the character at a place may change."""
        return place not in self._protected_places and _HANZI.match(self.text, place) is not None


def mark(text: str, label_words: Sequence[str] = ()) -> MarkedText:
    """Cut a text into words, and protect what it says of facts, persons, negation and labels.

    Parameters
    ----------
    text : str
    label_words : sequence of str
        Names of labels: a text that has one hardly keeps its label without it.
    """
    words = tuple(_words(text))
    spans = [
        *(found.span() for found in _FACTS.finditer(text)),
        *((found.start, found.end) for found in find(text, _KINDS)),
        *_negated(text, words),
        *_occurrences(text, label_words),
    ]
    return MarkedText(text, words, tuple(_merged(spans)))


def is_negation(text: str) -> bool:
    """Tell whether a text has a character that negates."""
    return not NEGATIONS.isdisjoint(text)


def is_hanzi(text: str) -> bool:
    """Tell whether a text is Chinese characters throughout, at least one."""
    return bool(text) and all(map(_HANZI.match, text))


def share_of(count: int) -> int:
    """Return how many of so many characters or words are changed: a tenth, at least one."""
    return max(1, round(_CHANGED * count))


def _words(text: str) -> Iterator[Span]:
    start = 0
    for word in rjieba.cut(text):
        yield start, start + len(word)
        start += len(word)


def _negated(text: str, words: Sequence[Span]) -> Iterator[Span]:
    """Yield words that negate together with the word after them, which is what they turn round."""
    for index, (start, end) in enumerate(words):
        if is_negation(text[start:end]):
            reach = index + 1
            while reach < len(words) - 1 and is_negation(text[slice(*words[reach])]):
                reach += 1
            yield start, words[min(reach, len(words) - 1)][1]


def _occurrences(text: str, wanted: Iterable[str]) -> Iterator[Span]:
    for word in filter(None, wanted):
        for found in re.finditer(re.escape(word), text, re.IGNORECASE):
            yield found.span()


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    start = end = -1
    for low, high in sorted(spans):
        if low > end:
            if end > start:
                yield start, end
            start, end = low, high
        else:
            end = max(end, high)
    if end > start:
        yield start, end
