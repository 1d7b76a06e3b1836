"""Personal data in texts counted, masked, replaced or refused, as a recipe says; it knows no rows.

Pseudonyms are keyed (HMAC-SHA256, RFC 2104): eleven digits hashed without a key are found by trying them all.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from functools import partial

from runtime.keys import derived, find_key, read_key
from runtime.normalize import normalize
from runtime.pii import DEFAULT_KINDS, RECOGNIZERS, Span, find, fold, replaced
from train.data.preparation import PrivacySection
from train.data.surrogates import surrogate

KEY_VARIABLE = "BENTOBERT_PRIVACY_KEY"

_MARKS = re.compile(r"[ ()·.:-]")
_COUNTRY = re.compile(r"(?:\+|00)86|86(?=1[0-9]{10}$)")
_MARKED = frozenset({"mac", "resident_id", "bank_card", "mobile", "landline", "passport", "plate"})
"""Kinds whose values are written with marks or without."""


class Anonymizer:
    """A function from a text to what may be kept of it: None where the row must be dropped.

    Parameters
    ----------
    section : PrivacySection

    Attributes
    ----------
    counts : Counter of str
        How many values of each kind were found so far.

    Raises
    ------
    ProtectionError
        A pseudonym needs a key, and there is none, or it is none, or others can read its file.
    RecipeError
        The recipe asks for Presidio, which is not installed.
    """

    def __init__(self, section: PrivacySection) -> None:
        self.counts: Counter[str] = Counter()
        self._mode = section.mode
        self._kinds = section.kinds
        self._has_presidio = section.presidio
        self._replacement = _replacement(section)
        self._normalizers = normalizers_of(section)
        if section.presidio:
            from train.data.presidio import require

            require()

    def __call__(self, text: str) -> str | None:
        """Return the text as the mode wants it, and count what was found."""
        spans = self._find(text)
        self.counts.update(span.kind for span in spans)
        if spans and self._mode == "drop":
            return None
        if spans and self._replacement is not None:
            return replaced(text, spans, self._replacement)
        return normalize(text, self._normalizers)

    def _find(self, text: str) -> list[Span]:
        if self._has_presidio:
            from train.data.presidio import find_more

            return find_more(text, self._kinds)
        return find(text, self._kinds)


def normalizers_of(section: PrivacySection) -> tuple[str, ...]:
    """Return the entries of `NORMALIZERS` by which serving repeats what the mode does, if it can."""
    if section.mode != "placeholder":
        return ()
    whole = set(DEFAULT_KINDS) <= set(section.kinds)
    single = [kind for kind in RECOGNIZERS if kind in section.kinds and not (whole and kind in DEFAULT_KINDS)]
    return (*(["mask_pii"] if whole else []), *(f"mask_{kind}" for kind in single))


def pseudonym(key: bytes, kind: str, value: str) -> str:
    """Return a typed name for a value, like 【手机号:3f9a2c1d】: equal for equal values, however written.

    A digit comes first, then a letter, so that no recogniser takes the name itself for a value; 30 bits.
    """
    number = int.from_bytes(hmac.digest(key, f"{kind} {canonical(kind, value)}".encode(), "sha256")[:16])
    number, digit = divmod(number, 10)
    number, letter = divmod(number, 6)
    return f"{placeholder(kind)[:-1]}:{digit}{'abcdef'[letter]}{number % 16**6:06x}】"


def placeholder(kind: str) -> str:
    """Return what stands for a value of a kind; kinds of Presidio have their own name."""
    return RECOGNIZERS[kind].placeholder if kind in RECOGNIZERS else f"【{kind}】"


def canonical(kind: str, value: str) -> str:
    """Return a value in the one form that its spellings have in common."""
    folded = fold(value).strip()
    if kind == "url_credentials":
        return folded
    if kind == "ip":
        return str(ipaddress.ip_address(folded))
    if kind not in _MARKED:
        return folded.lower()
    bare = _MARKS.sub("", folded).lower()
    if kind in ("mobile", "landline"):
        return _COUNTRY.sub("", bare, count=1).lstrip("0") if bare[:1] in "+08" else bare
    return bare


def _replacement(section: PrivacySection) -> Callable[[str, str], str] | None:
    """Return what takes the place of a value of a kind, or None where values stay."""
    match section.mode:
        case "pseudonym":
            key = read_key(section.key_file, KEY_VARIABLE, setting="privacy.key_file")
            return partial(pseudonym, derived(key, "pseudonyms"))
        case "surrogate":
            key = find_key(section.key_file, KEY_VARIABLE) or str(section.seed).encode()
            return partial(_surrogate_of, derived(key, "surrogates"))
    return None


def _surrogate_of(key: bytes, kind: str, value: str) -> str:
    seed = hmac.digest(key, f"{kind} {canonical(kind, value)}".encode(), "sha256")
    return surrogate(kind, fold(value), int.from_bytes(seed[:8]))
