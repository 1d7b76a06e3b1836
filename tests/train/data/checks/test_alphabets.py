from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.data.checks.alphabets import (
    DIGIT,
    EMOJI,
    HAN,
    HANGUL,
    INVISIBLE,
    KANA,
    LATIN,
    LETTER,
    OTHER_LETTER,
    SIMPLIFIED,
    SUSPECT,
    TRADITIONAL,
    kinds_of,
)


def kinds(text: str) -> list[int]:
    found: list[int] = kinds_of(np.array([ord(character) for character in text], dtype=np.uint32)).tolist()
    return found


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("一𠀀\uf900", HAN),
        ("国们这说", HAN | SIMPLIFIED),
        ("國們這說", HAN | TRADITIONAL),
        ("aZöＡ", LATIN),
        ("あアｱ", KANA),
        ("한ㄱ", HANGUL),
        ("жअ", OTHER_LETTER),
        ("0５½", DIGIT),
        ("👍☀😀", EMOJI),
        ("\u200b\ufeff\u00ad", INVISIBLE),
        ("\ufffd", SUSPECT),
        ("，。! \n・", 0),
    ],
)
def test_a_character_has_the_bits_of_its_kind(text: str, bits: int) -> None:
    assert kinds(text) == [bits] * len(text)


@given(st.characters(exclude_categories=["Cs"], max_codepoint=0x1FFFF))
def test_letters_are_those_of_unicode(character: str) -> None:
    (found,) = kinds(character)
    assert bool(found & LETTER) == unicodedata.category(character).startswith("L") or found & HAN


def test_no_character_is_of_both_orthographies() -> None:
    every = kinds_of(np.arange(0x110000, dtype=np.uint32))
    both = (every & SIMPLIFIED != 0) & (every & TRADITIONAL != 0)
    assert not both.any()
    assert np.count_nonzero(every & SIMPLIFIED) > 2000 < np.count_nonzero(every & TRADITIONAL)
