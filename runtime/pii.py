"""Personal data found in Chinese text and masked, in training and in serving alike; it knows no data set.

Kinds are looked for one after the other, those that a check digit or a fixed form decides first, and what one
has found is out of reach of the next. Values are recognised in full-width digits and letters too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runtime.pii_accounts import EMAIL, IP, MAC, QQ, URL_CREDENTIALS, WECHAT
from runtime.pii_names import NAME
from runtime.pii_numbers import BANK_CARD, LANDLINE, MOBILE, PASSPORT, PLATE, RESIDENT_ID
from runtime.pii_recognizer import Recognizer

__all__ = ["DEFAULT_KINDS", "RECOGNIZERS", "Recognizer", "Span", "find", "fold", "mask", "replaced"]

RECOGNIZERS: dict[str, Recognizer] = {
    "url_credentials": URL_CREDENTIALS,
    "email": EMAIL,
    "mac": MAC,
    "ip": IP,
    "resident_id": RESIDENT_ID,
    "bank_card": BANK_CARD,
    "mobile": MOBILE,
    "landline": LANDLINE,
    "passport": PASSPORT,
    "plate": PLATE,
    "wechat": WECHAT,
    "qq": QQ,
    "name": NAME,
}
"""Kind of personal data → its recogniser, in the order in which they look."""

DEFAULT_KINDS: tuple[str, ...] = tuple(kind for kind, recognizer in RECOGNIZERS.items() if recognizer.default)
"""All kinds but names, which a lexicon cannot tell from other words for sure."""

_FOLD = {
    **{code + 0xFEE0: code for code in (*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B))},
    **dict.fromkeys(map(ord, "‐‑‒–—―−－"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2009\u202f\u3000"), " "),
    **dict.fromkeys(map(ord, "•・‧∙⋅"), "·"),
    **{ord(full): half for full, half in zip("＠．：／＋（）＿＃￥＄＊", "@.:/+()_#¥$*", strict=True)},
}
_FOLDED = re.escape("".join(map(chr, _FOLD)))
_RUN = re.compile(f"[ -~{_FOLDED}·]{{5}}")
"""Every kind but names has five such characters in a row: most texts have not."""

_MOST_ROUNDS = 8
"""A text made so that each value hides the next must not cost the square of its length; two is usual."""

_PLAIN = frozenset(RECOGNIZERS) - {"name"}


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Personal data of one kind: the characters from `start` up to `end` of a text."""

    start: int
    end: int
    kind: str


def find(text: str, kinds: Sequence[str] = DEFAULT_KINDS) -> list[Span]:
    """Find personal data.

    Parameters
    ----------
    text : str
    kinds : sequence of str
        Keys of `RECOGNIZERS`; their order does not matter.

    Returns
    -------
    list of Span
        Sorted; no two overlap.
    """
    if not _RUN.search(text) and _PLAIN.issuperset(kinds):
        return []
    rest = fold(text)
    found: list[Span] = []
    # A value may be seen only once its neighbour is gone, and masking twice must change nothing.
    for _ in range(_MOST_ROUNDS):
        fresh = _round(rest, kinds)
        if not fresh:
            break
        found += fresh
        rest = _without(rest, fresh)
    return sorted(found)


def mask(text: str, kinds: Sequence[str] = DEFAULT_KINDS) -> str:
    """Return the text with a placeholder for every value found; masked again it stays the same."""
    spans = find(text, kinds)
    return replaced(text, spans, lambda kind, _: RECOGNIZERS[kind].placeholder) if spans else text


def replaced(text: str, spans: Sequence[Span], replacement: Callable[[str, str], str]) -> str:
    """Return the text with `replacement(kind, value)` in place of every span."""
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += text[at : span.start], replacement(span.kind, text[span.start : span.end])
        at = span.end
    return "".join((*parts, text[at:]))


def fold(text: str) -> str:
    """Return the text with ASCII in place of full-width characters, character for character."""
    return text.translate(_FOLD)


def _round(text: str, kinds: Sequence[str]) -> list[Span]:
    """Let every recogniser look once, at what the ones before it left."""
    found: list[Span] = []
    for kind, recognizer in RECOGNIZERS.items():
        if kind not in kinds or not recognizer.needs.search(text):
            continue
        for pattern in recognizer.patterns:
            if spans := [Span(start, end, kind) for start, end in recognizer.spans(pattern, text)]:
                found += spans
                text = _without(text, spans)
    return found


def _without(text: str, spans: Sequence[Span]) -> str:
    """Blank spans out, at the same length: to every pattern what is left looks like a placeholder."""
    return replaced(text, sorted(spans), lambda _, value: "【" + "】" * (len(value) - 1))
