"""Rows that cannot be trained on, or that teach nothing; it judges each row by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from train.data.checks.alphabets import HAN, INVISIBLE, LETTER, MARKUP, SUSPECT
from train.data.checks.batch import Batch, Integers
from train.data.checks.finding import Check, Examination, Mask, Note, Sightings, counted
from train.data.clean import CLEANERS, REASONS
from train.section import Split

_LATER_BYTES = "\u0080-\u00bf" + bytes(range(0x80, 0xC0)).decode("cp1252", errors="ignore")
_MISREAD = re.compile(
    f"[ÂÃ][{_LATER_BYTES}]"  # UTF-8 read as Latin-1 or Windows-1252: ä is Ã¤
    f"|[â-é][{_LATER_BYTES}]{{2}}"  # and 很 is å¾ˆ
    "|[锛銆鈥].*[锛銆鈥]"  # UTF-8 read as GBK: these are the beginnings of punctuation
)
_MOSTLY = 0.5
_USUAL = 1_000
_SPARE_PLAIN = {
    "blank",
    "one_character",
    "no_letters",
    "too_long",
    "foreign",
    "html_remnant",
    "url_only",
    "mojibake",
}

Seen = dict[tuple[Split, str], Sightings]


class Unusable(Check):
    """Rows that `finetune` refuses: without text, without label, or with something else in their place."""

    sees_unusable = True
    reads_texts = False

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._seen: Seen = {}
        self._problems: dict[Split, str] = {}

    @override
    def accumulate(self, batch: Batch) -> None:
        """Sort the rows with a problem by what they lack."""
        if batch.usable.all():
            return
        problem = ~batch.usable
        has_text = _mask(pc.not_equal(pc.utf8_trim_whitespace(batch.rows.column("text")), ""))
        if self.data.text_pair is not None:
            pairs = pc.fill_null(batch.rows.column("text_pair"), "")
            has_text &= _mask(pc.not_equal(pc.utf8_trim_whitespace(pairs), ""))
        has_label = _mask(pc.not_equal(batch.rows.column("label"), ""))
        kinds = {
            "empty_text": problem & ~has_text,
            "missing_label": problem & has_text & ~has_label,
            "unusable_row": problem & has_text & has_label,
        }
        for name, mask in kinds.items():
            self._seen.setdefault((batch.split, name), Sightings()).add(batch, mask)
        if kinds["unusable_row"].any():
            first = int(np.flatnonzero(kinds["unusable_row"])[0])
            self._problems.setdefault(batch.split, batch.rows.column("problem")[first].as_py())

    @override
    def findings(self) -> Iterator[Note]:
        """Tell of each kind of problem."""
        whats = {
            "empty_text": "without text",
            "missing_label": "without label",
            "unusable_row": "that cannot be used; the first one",
        }
        for (split, name), seen in self._seen.items():
            if seen.count:
                more = f" {self._problems[split]}" if name == "unusable_row" else ""
                what = f"{counted(seen.count, 'row')} {whats[name]}{more}"
                yield Note(name, what, DROPPED, split, seen, by_prepare=True)


class Cleanable(Check):
    """Rows that a cleaner of `prepare` would drop, by each of them."""

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._seen: Seen = {}
        self._rows: dict[Split, int] = {}

    @override
    def accumulate(self, batch: Batch) -> None:
        """Ask every cleaner."""
        self._rows[batch.split] = self._rows.get(batch.split, 0) + len(batch)
        doubtful = _doubtful(batch)
        for name, keeps in CLEANERS.items():
            asked = doubtful if name in _SPARE_PLAIN else np.arange(len(batch))
            if not len(asked):
                continue
            dropped = np.zeros(len(batch), dtype=np.bool_)
            dropped[asked] = ~_mask(
                keeps(batch.rows.take(pa.array(asked)) if len(asked) < len(batch) else batch.rows)
            )
            if dropped.any():
                self._seen.setdefault((batch.split, name), Sightings()).add(batch, dropped)

    @override
    def findings(self) -> Iterator[Note]:
        """Tell of each cleaner; texts in another language are only worth it where most are Chinese."""
        for (split, name), seen in self._seen.items():
            if name == "foreign" and seen.count > _MOSTLY * self._rows[split]:
                continue
            given = self.recipe.prepare.cleaners
            yield Note(
                name,
                f"{counted(seen.count, 'row')} with a text that {REASONS[name]}",
                DROPPED if name in given else "",
                split,
                seen,
                settings={} if name in given else {"prepare.cleaners": [*given, name]},
                by_prepare=True,
            )


class Misread(Check):
    """Texts that were decoded wrongly once and written again: the characters are still there, as others."""

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._seen: dict[Split, Sightings] = {}

    @override
    def accumulate(self, batch: Batch) -> None:
        """Look closely at texts with a character that gives reason to."""
        found = np.zeros(len(batch), dtype=np.bool_)
        for index in np.flatnonzero(batch.kinds_in & SUSPECT).tolist():
            found[index] = _MISREAD.search(batch.texts[index]) is not None
        self._seen.setdefault(batch.split, Sightings()).add(batch, found)

    @override
    def findings(self) -> Iterator[Note]:
        """Tell how many rows have such texts."""
        for split, seen in self._seen.items():
            if seen.count:
                yield Note(
                    "misread",
                    f"{counted(seen.count, 'row')} of UTF-8 that was once read as Windows-1252 or GBK",
                    "take these rows from their source again, with its encoding as data.encoding",
                    split,
                    seen,
                )


class Invisible(Check):
    """Zero-width characters and byte order marks inside of texts: two texts look alike and are not."""

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._seen: dict[Split, Sightings] = {}

    @override
    def accumulate(self, batch: Batch) -> None:
        """Look for them, unless the recipe already removes them."""
        if "remove_invisible" not in self.data.normalizers:
            hidden = (batch.kinds_in & INVISIBLE) != 0
            self._seen.setdefault(batch.split, Sightings()).add(batch, hidden)

    @override
    def findings(self) -> Iterator[Note]:
        """Tell how many rows have some."""
        names = [*self.data.normalizers, "remove_invisible"]
        for split, seen in self._seen.items():
            if seen.count:
                rows = counted(seen.count, "row")
                yield Note(
                    "invisible_characters",
                    f"{rows} with zero-width characters, soft hyphens or byte order marks",
                    "",
                    split,
                    seen,
                    settings={"data.normalizers": names},
                    by_prepare=True,
                )


DROPPED = "prepare drops them"
"""The remedy where that command, with the settings of the recipe, does it."""


def _doubtful(batch: Batch) -> Integers:
    """Return the rows that are not plainly Chinese texts of a usual length without a sign of markup.

    Patterns with classes of Unicode take half a minute for a million rows, and nearly all of them are plain.
    """
    han, letters = batch.count_in(HAN), batch.count_in(LETTER)
    plain = (
        (han >= 2)
        & (2 * han >= letters)
        & (batch.lengths <= _USUAL)
        & ((batch.kinds_in & (SUSPECT | MARKUP)) == 0)
    )
    return (
        np.flatnonzero(~plain)
        if batch.rows.column("text_pair").null_count == len(batch)
        else np.arange(len(batch))
    )


def _mask(column: pa.BooleanArray) -> Mask:
    mask: Mask = column.to_numpy(zero_copy_only=False)
    return mask
