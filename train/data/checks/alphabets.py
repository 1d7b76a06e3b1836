"""Which letters, digits and signs a character belongs to, for whole arrays at once; it knows no texts."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.uint32]
Kinds = npt.NDArray[np.uint16]

HAN = 1
SIMPLIFIED = 2
TRADITIONAL = 4
LATIN = 8
KANA = 16
HANGUL = 32
OTHER_LETTER = 64
DIGIT = 128
EMOJI = 256
INVISIBLE = 512
SUSPECT = 1024
"""Seen where text was decoded wrongly; each may be right, the texts around it tell."""

MARKUP = 2048
"""Begins tags and character references."""

LETTER = HAN | LATIN | KANA | HANGUL | OTHER_LETTER

SCRIPTS = {"han": HAN, "latin": LATIN, "kana": KANA, "hangul": HANGUL, "other": OTHER_LETTER}
"""Name in the reports → letters of that script."""

_HAN_RANGES = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
_RANGES = {
    KANA: ((0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9D)),
    HANGUL: ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7A3)),
    LATIN: ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A)),
}
_EMOJI_RANGES = ((0x2600, 0x27BF), (0x1F000, 0x1FAFF))
_MISREAD = "\ufffd锟斤拷烫屯锛銆鈥ÂÃâãäåæçèé"
_NAMED_BELOW = 0x20000


def kinds_of(points: Points) -> Kinds:
    """Return the bits of each character; a character that is none of them has 0."""
    found: Kinds = _table()[points]
    return found


@lru_cache(maxsize=1)
def _table() -> Kinds:
    table = np.zeros(0x110000, dtype=np.uint16)
    for code in range(_NAMED_BELOW):
        category = unicodedata.category(chr(code))
        if category.startswith("L"):
            table[code] = OTHER_LETTER
        elif category.startswith("N"):
            table[code] = DIGIT
    for bit, ranges in _RANGES.items():
        for first, last in ranges:
            letters = table[first : last + 1] == OTHER_LETTER
            table[first : last + 1][letters] = bit
    for first, last in _HAN_RANGES:
        table[first : last + 1] = HAN
    for first, last in _EMOJI_RANGES:
        table[first : last + 1] = EMOJI
    table[[0x200B, 0x2060, 0xFEFF, 0x00AD]] = INVISIBLE
    table[[ord("<"), ord("&")]] = MARKUP
    _mark_forms(table)
    table[[ord(character) for character in _MISREAD]] |= SUSPECT
    return table


def _mark_forms(table: Kinds) -> None:
    """Mark Han characters that only one of GB 2312 and Big5 has: the standards of the two orthographies."""
    for code in range(0x4E00, 0xA000):
        simplified, traditional = (_has(chr(code), name) for name in ("gb2312", "big5"))
        if simplified != traditional:
            table[code] |= SIMPLIFIED if simplified else TRADITIONAL


def _has(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
