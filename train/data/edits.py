"""Joins short forms that are one character apart: changed, added or left out; it knows no other similarity.

Forms without the character at one place are compared for equality, which finds every such pair (Bocek, Hunt
and Stiller 2007, "Fast similarity search in large dictionaries") in time linear in the number of forms.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from train.data.components import Components
from train.data.dedup import Integers, Keys
from train.data.forms import Characters, Forms

SHORTEST = 8
"""Characters below which one more or other makes another text."""

LONGEST = 14
"""The last length at which one changed character can take the similarity of pairs of characters below 0.7."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def join_edits(forms: Forms, threshold: float, components: Components) -> None:
    """Join forms of which the shorter has `SHORTEST` to `LONGEST` characters and that are one edit apart.

    Where one character of so many is less than the threshold leaves, 1 - 1 / length of the longer, they are
    not joined.
    """
    for length in range(SHORTEST, LONGEST + 1):
        if 1 - 1 / length >= threshold:
            _join_changed(forms, length, components)
        if 1 - 1 / (length + 1) >= threshold:
            _join_longer(forms, length, components)


def _join_changed(forms: Forms, length: int, components: Components) -> None:
    """Join forms of a length that differ at one place."""
    ranks = _of_length(forms, length)
    if not len(ranks):
        return
    letters = _letters(forms, ranks)
    for place, keys in enumerate(_without_each(letters)):
        order = np.argsort(keys)
        one, two = order[:-1], order[1:]
        close = keys[one] == keys[two]
        one, two = one[close], two[close]
        rest = np.delete(np.arange(length), place)[:, None]
        equal = (letters[rest, one] == letters[rest, two]).all(axis=0)
        components.join(ranks[one[equal]], ranks[two[equal]])


def _join_longer(forms: Forms, length: int, components: Components) -> None:
    """Join forms of a length and those that have one character more."""
    ranks, longer = _of_length(forms, length), _of_length(forms, length + 1)
    if not len(ranks) or not len(longer):
        return
    letters, long_letters = _letters(forms, ranks), _letters(forms, longer)
    keys = _key(letters)
    order = np.argsort(keys)
    keys = keys[order]
    for place, wanted in enumerate(_without_each(long_letters)):
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        two = np.flatnonzero(keys[at] == wanted)
        one = order[at[two]]
        rest = np.delete(np.arange(length + 1), place)[:, None]
        equal = (letters[:, one] == long_letters[rest, two]).all(axis=0)
        components.join(ranks[one[equal]], longer[two[equal]])


def _of_length(forms: Forms, length: int) -> Integers:
    """Return the ranks of the forms of a length, which stand together."""
    return np.arange(*np.searchsorted(forms.lengths, [length, length + 1]))


def _letters(forms: Forms, ranks: Integers) -> Characters:
    """Return the characters of forms of one length, as columns."""
    at = forms.starts[ranks] + np.arange(forms.lengths[ranks[0]])[:, None]
    return forms.characters[at]


def _key(letters: Characters) -> Keys:
    """Return one number per column: equal where the columns are, hardly ever elsewhere."""
    key = np.zeros(letters.shape[1], dtype=np.uint64)
    for row, factor in zip(letters, _factors(len(letters)), strict=True):
        key += row * factor
    return key


def _without_each(letters: Characters) -> Iterator[Keys]:
    """Yield the keys of the columns without their first letter, without their second, and so on."""
    key = _key(letters[1:])
    yield key
    for place, factor in enumerate(_factors(len(letters) - 1)):
        key = key + letters[place] * factor - letters[place + 1] * factor
        yield key


def _factors(number: int) -> Keys:
    powers: Keys = np.multiply.accumulate(np.full(number, _FACTOR))
    return powers
