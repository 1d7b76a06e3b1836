"""Steps that change text before it is tokenised, named so that serving repeats what training did."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial

from runtime.pii import RECOGNIZERS, mask

_FULLWIDTH_ALPHANUMERIC = {
    ord(full): ord(full) - 0xFEE0
    for start, end in (("０", "９"), ("Ａ", "Ｚ"), ("ａ", "ｚ"))
    for full in map(chr, range(ord(start), ord(end) + 1))
}
_FOLD = {**_FULLWIDTH_ALPHANUMERIC, 0x3000: 0x20}
_INVISIBLE: dict[int, None] = dict.fromkeys((0x200B, 0x2060, 0xFEFF, 0x00AD))
_BLANKS = re.compile(r"\s+")


def fold_fullwidth(text: str) -> str:
    """Fold full-width letters and digits and the ideographic space, nothing else.

    Full NFKC would also turn the full-width punctuation that BERT saw in pre-training into ASCII.
    """
    return text.translate(_FOLD)


def collapse_whitespace(text: str) -> str:
    """Replace every run of white space by one space and strip both ends."""
    return _BLANKS.sub(" ", text).strip()


def remove_invisible(text: str) -> str:
    """Remove zero-width spaces, word joiners, byte order marks and soft hyphens; emoji joiners stay."""
    return text.translate(_INVISIBLE)


def compose(text: str) -> str:
    """Compose letters and their combining marks (Unicode NFC)."""
    return unicodedata.normalize("NFC", text)


MOST_ROUNDS = 8
"""Passes over a text until nothing changes; two are enough but for texts made to need more."""

NORMALIZERS: dict[str, Callable[[str], str]] = {
    "fold_fullwidth": fold_fullwidth,
    "collapse_whitespace": collapse_whitespace,
    "remove_invisible": remove_invisible,
    "compose": compose,
    "mask_pii": mask,
    **{f"mask_{kind}": partial(mask, kinds=(kind,)) for kind in RECOGNIZERS},
}
"""Name in `data.normalizers` and in a manifest → step; applied to its own result it changes nothing.

`mask_pii` puts placeholders for all personal data but names, `mask_<kind>` for one kind of it.
"""


def normalize(text: str, names: Sequence[str]) -> str:
    """Apply the named steps in order, all of them again while they change anything.

    One may undo what another relies on: an invisible character removed last leaves two blanks that had been
    one. What has been normalised does not change any more, so training and serving see the same text.
    """
    for _ in range(MOST_ROUNDS):
        before = text
        for name in names:
            text = NORMALIZERS[name](text)
        if text == before or len(names) < 2:
            break
    return text


def normalize_input(text: str | tuple[str, str], names: Sequence[str]) -> str | tuple[str, str]:
    """Apply the named steps to a text, or to both texts of a pair."""
    if isinstance(text, tuple):
        return normalize(text[0], names), normalize(text[1], names)
    return normalize(text, names)
