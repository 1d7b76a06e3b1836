"""Tells which labels are meant to be one: other case, width, blanks, a slip of the pen; it knows no rows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

_SEPARATORS = re.compile(r"[\s_\-.·]+")
_SHORTEST_WITH_SLIP = 4
_SLIP_SHARE = 0.05
"""A slip is rare beside what was meant; two labels that are both frequent are two labels."""


def similar_names(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return pairs of names that are probably one: (the more frequent one, the other).

    Parameters
    ----------
    counts : mapping of str to int
        Label → rows.

    Returns
    -------
    list of (str, str)
        Names that differ in case, width, blanks or hyphens only; and names of at least four characters that
        differ in one character which is no digit, where one is much rarer than the other.
    """
    forms: dict[str, list[str]] = {}
    for name in counts:
        forms.setdefault(_form(name), []).append(name)
    pairs: list[tuple[str, str]] = []
    for names in forms.values():
        most, *others = sorted(names, key=lambda name: (-counts[name], name))
        pairs += [(most, other) for other in others]
    pairs += _slips({form: max(names, key=counts.__getitem__) for form, names in forms.items()}, counts)
    return sorted(set(pairs))


def is_slip(one: str, two: str) -> bool:
    """Tell whether two forms differ in one character, inserted, left out or replaced, that is no digit."""
    if len(one) > len(two):
        one, two = two, one
    if len(two) - len(one) > 1 or one == two:
        return False
    start = next((at for at, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]), len(one))
    changed = two[start] + (one[start] if len(one) == len(two) else "")
    same_end = one[start + (len(one) == len(two)) :] == two[start + 1 :]
    return same_end and not any(character.isnumeric() for character in changed)


def _form(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return _SEPARATORS.sub("", folded) or folded


def _slips(names: Mapping[str, str], counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield pairs of names whose forms are one slip apart; forms with a deletion in common are compared."""
    neighbours: dict[str, set[str]] = {}
    for form in names:
        if len(form) >= _SHORTEST_WITH_SLIP:
            for key in {form, *(form[:at] + form[at + 1 :] for at in range(len(form)))}:
                neighbours.setdefault(key, set()).add(form)
    for forms in neighbours.values():
        most = max(counts[names[form]] for form in forms)
        for rare in (form for form in forms if counts[names[form]] <= _SLIP_SHARE * most):
            for frequent in forms:
                enough = counts[names[rare]] <= _SLIP_SHARE * counts[names[frequent]]
                if enough and is_slip(rare, frequent):
                    yield names[frequent], names[rare]
