"""Characters replaced by others that sound alike, as typing by sound confuses them; it knows no meaning."""

from __future__ import annotations

from functools import cache
from random import Random

from pypinyin import Style, pinyin

from train.data.augment_marks import MarkedText, is_negation, share_of

_FREQUENT = 3755
"""The first level of GB 2312: what an input method offers first; the rest are characters few can read."""


def replace_homophones(marked: MarkedText, generator: Random) -> str | None:
    """Replace a tenth of the characters by frequent ones of the same syllable and tone."""
    sounds = _sounds(marked.text)
    choices = {
        place: others
        for place in marked.free
        if (others := [other for other in homophones().get(sounds[place], ()) if other != marked.text[place]])
    }
    if not choices:
        return None
    characters = list(marked.text)
    for place in generator.sample(list(choices), min(len(choices), share_of(len(marked.free)))):
        characters[place] = generator.choice(choices[place])
    return "".join(characters)


@cache
def homophones() -> dict[str, tuple[str, ...]]:
    """Return syllable with tone → the frequent characters whose first reading it is, none that negates."""
    from train.data.vocabulary import gb2312_hanzi

    frequent = [character for character in gb2312_hanzi()[:_FREQUENT] if not is_negation(character)]
    found: dict[str, list[str]] = {}
    for character, sound in zip(frequent, _sounds(frequent), strict=True):
        found.setdefault(sound, []).append(character)
    return {sound: tuple(characters) for sound, characters in found.items()}


def _sounds(text: str | list[str]) -> list[str]:
    """Return the reading of each character where it stands, in a list by itself; of others the character."""
    # Its annotation forgets the list that its documentation allows.
    readings = pinyin(text, style=Style.TONE3, errors=_each)  # type: ignore[arg-type]
    return [reading[0] for reading in readings]


def _each(text: str) -> list[str]:
    """Take characters without a reading one by one, so that there is one reading per character."""
    return list(text)
