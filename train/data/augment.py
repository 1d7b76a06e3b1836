"""Ways to make a training text from another one, named in one table; they know no labels, rows or budgets.

Each takes a marked text and a generator, and returns another text or None. What must not change stands
verbatim in the result: `train.data.augment_marks` says what that is.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from train.data.augment_marks import MarkedText, share_of

if TYPE_CHECKING:
    from train.config import Recipe

Augmenter = Callable[[MarkedText, Random], str | None]

_SIGNS = "，。；：！？"
"""Those of AEDA, in the width that Chinese text has."""

_MOST_INSERTED = 3
"""AEDA inserts at one to a third of the words."""

_FEWEST_LEFT = 4
"""In a text of fewer characters that may change, each of them says too much to be dropped."""


def insert_punctuation(marked: MarkedText, generator: Random) -> str | None:
    """Insert punctuation between words (AEDA: Karimi, Rossi and Prati 2021, arXiv 2108.13754)."""
    places = [
        place
        for place in marked.boundaries
        if marked.text[place - 1] not in _SIGNS and marked.text[place] not in _SIGNS
    ]
    if not places:
        return None
    count = generator.randint(1, max(1, len(places) // _MOST_INSERTED))
    chosen = sorted(generator.sample(places, count), reverse=True)
    text = marked.text
    for place in chosen:
        text = text[:place] + generator.choice(_SIGNS) + text[place:]
    return text


def swap_characters(marked: MarkedText, generator: Random) -> str | None:
    """Swap neighbours, a tenth of the characters: readers hardly notice, as with a slip of typing."""
    text = marked.text
    places = [
        place
        for place in marked.free
        if place + 1 < len(text) and marked.is_free(place + 1) and text[place] != text[place + 1]
    ]
    characters = list(text)
    moved: set[int] = set()
    wanted = share_of(len(marked.free))
    for place in generator.sample(places, len(places)):
        if len(moved) < 2 * wanted and moved.isdisjoint((place, place + 1)):
            moved |= {place, place + 1}
            characters[place], characters[place + 1] = characters[place + 1], characters[place]
    return "".join(characters) if moved else None


def delete_characters(marked: MarkedText, generator: Random) -> str | None:
    """Drop a tenth of the characters, of a text that can spare them."""
    if len(marked.free) < _FEWEST_LEFT:
        return None
    gone = set(generator.sample(marked.free, share_of(len(marked.free))))
    text = "".join(character for place, character in enumerate(marked.text) if place not in gone)
    return text if text != marked.text else None


def _homophones(recipe: Recipe) -> Augmenter:  # noqa: ARG001 - the signature of every maker
    from train.data.augment_homophones import replace_homophones

    return replace_homophones


def _synonyms(recipe: Recipe) -> Augmenter:  # noqa: ARG001 - the signature of every maker
    from train.data.augment_synonyms import replace_synonyms

    return replace_synonyms


def _language_model(recipe: Recipe) -> Augmenter:
    from train.data.augment_language_model import WordGuesser

    return WordGuesser.of(recipe)


AUGMENTERS: dict[str, Callable[[Recipe], Augmenter]] = {
    "punctuation": lambda _: insert_punctuation,
    "swap": lambda _: swap_characters,
    "delete": lambda _: delete_characters,
    "homophone": _homophones,
    "synonym": _synonyms,
    "language_model": _language_model,
}
"""Name in a recipe → what makes the augmenter; only `language_model` needs to know the base model."""
