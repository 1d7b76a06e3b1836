"""Row-dropping steps on Arrow batches, named in one table; they know no labels, no files and no other rows.

They judge texts as they are: what changes a text is a normalizer, which serving repeats, as it never repeats
these. Patterns are those of RE2, in which `\\s` is ASCII and the rest of Unicode has classes of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from train.data.prose import HANZI

MOST_CHARACTERS = 5_120
"""Ten times what a BERT sees of a text: what the label rests on is likely to be in the rest."""

_FEWEST_CHINESE = 0.3
_INVISIBLE = r"\s\p{Z}\p{Cc}\p{Cf}\p{M}\x{2800}\x{3164}\x{1F3FB}-\x{1F3FF}"
"""Blanks, controls and joiners, marks that go with another character, and colours of skin."""

_TAGS = (
    "a|b|big|blockquote|body|br|center|code|div|dl|dt|em|font|form|h[1-6]|head|hr|html|i|iframe|img|input|li|link"
    "|meta|ol|p|pre|s|script|small|span|strong|style|sub|sup|table|tbody|td|th|thead|tr|u|ul|video"
)
_REFERENCES = r"nbsp|lt|gt|amp|quot|ldquo|rdquo|#\d+|#x[0-9a-f]+"
_HTML = rf"(?i)</?(?:{_TAGS})(?:\s[^<>]*)?/?>|<!--|<!doctype|&(?:{_REFERENCES});"
_ADDRESS = r"(?:https?://|www\.)[\x21-\x7e]+"
_GARBLED = r"\x{FFFD}|锟斤拷|烫烫烫|屯屯屯"
"""The replacement character, what becomes of it in GBK, and uninitialised memory of a debug build."""


def blank(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Drop a row with a text of which nothing can be seen: spaces, controls, zero-width characters."""
    return _none(batch, _is_blank)


def one_character(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Drop a row of one character, or of none; skin colours and accents count with what they stand on."""
    return _some(batch, lambda texts: pc.greater(pc.utf8_length(_visible(texts)), 1))


def no_letters(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Drop a row of punctuation and digits only; characters, letters and emoji are something to go by."""
    return _some(batch, lambda texts: pc.match_substring_regex(texts, r"[\p{L}\p{So}]"))


def too_long(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Drop a row with a text above `MOST_CHARACTERS`."""
    return _none(batch, lambda texts: pc.greater(pc.utf8_length(texts), MOST_CHARACTERS))


def foreign(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Drop a row in whose texts fewer than 30 % of the letters are Chinese characters."""
    return _some(batch, _chinese)


def html_remnant(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Drop a row with a tag, a comment or a character reference of HTML."""
    return _none(batch, lambda texts: pc.match_substring_regex(texts, _HTML))


def url_only(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Drop a row of web addresses only."""
    return _some(batch, lambda texts: pc.invert(pc.match_substring_regex(texts, _only(_ADDRESS))))


def mojibake(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Drop a row with what a wrong character encoding has left."""
    return _none(batch, lambda texts: pc.match_substring_regex(texts, _GARBLED))


CLEANERS: dict[str, Callable[[pa.RecordBatch], pa.BooleanArray]] = {
    "blank": blank,
    "one_character": one_character,
    "no_letters": no_letters,
    "too_long": too_long,
    "foreign": foreign,
    "html_remnant": html_remnant,
    "url_only": url_only,
    "mojibake": mojibake,
}
"""Name in `prepare.cleaners` → function that tells which rows of a batch to keep: true or false, never null.

A row with a pair has two texts: what spoils a text spoils its row, what makes one poor must hold for both.
"""

REASONS: dict[str, str] = {
    "blank": "shows nothing",
    "one_character": "is one character",
    "no_letters": "is punctuation and digits only",
    "too_long": f"is longer than {MOST_CHARACTERS:,} characters",
    "foreign": "is hardly Chinese",
    "html_remnant": "has remnants of HTML",
    "url_only": "is a web address only",
    "mojibake": "was read in a wrong character encoding once",
}
"""Name of a cleaner → why it drops a row."""


def _none(batch: pa.RecordBatch, is_bad: Callable[[pa.StringArray], pa.BooleanArray]) -> pa.BooleanArray:
    """Keep rows with no bad text."""
    return pc.invert(_some(batch, is_bad))


def _some(batch: pa.RecordBatch, is_so: Callable[[pa.StringArray], pa.BooleanArray]) -> pa.BooleanArray:
    """Keep rows with a text that is so."""
    mask = is_so(batch.column("text"))
    if "text_pair" not in batch.schema.names:
        return mask
    return pc.or_(mask, pc.fill_null(is_so(batch.column("text_pair")), False))


def _is_blank(texts: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring_regex(texts, rf"^[{_INVISIBLE}]*$")


def _visible(texts: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(texts, rf"[{_INVISIBLE}]+", "")


def _only(pattern: str) -> str:
    return rf"^[\s\p{{Z}}]*{pattern}(?:[\s\p{{Z}}]+{pattern})*[\s\p{{Z}}]*$"


def _chinese(texts: pa.StringArray) -> pa.BooleanArray:
    hanzi = pc.count_substring_regex(texts, f"[{HANZI}]")
    letters = pc.count_substring_regex(texts, r"\p{L}")
    return pc.greater_equal(hanzi, pc.multiply(letters, _FEWEST_CHINESE))
