"""In which scripts the texts are written, and how many hold emoji; it knows no language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from typing_extensions import TypedDict, override

from train.data.checks.alphabets import DIGIT, EMOJI, SCRIPTS, SIMPLIFIED, TRADITIONAL
from train.data.checks.batch import Batch
from train.data.checks.finding import Check, Examination, Note, Sightings, counted
from train.section import Split

_FEW, _MANY = 0.005, 0.5


class ScriptFigures(TypedDict):
    """Characters of each kind, and rows with simplified or traditional characters of their own, and emoji."""

    characters: dict[str, int]
    simplified_rows: int
    traditional_rows: int
    emoji_rows: int


class Scripts(Check):
    """Han in two orthographies, Latin, kana, hangul, others, digits, emoji."""

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._figures: dict[Split, ScriptFigures] = {}
        self._traditional: dict[Split, Sightings] = {}
        self._rows: dict[Split, int] = {}

    @override
    def accumulate(self, batch: Batch) -> None:
        """Count characters; a row is traditional where it has more characters of that orthography alone."""
        found = self._figures.setdefault(
            batch.split, {"characters": {}, "simplified_rows": 0, "traditional_rows": 0, "emoji_rows": 0}
        )
        for name, bits in (*SCRIPTS.items(), ("digit", DIGIT), ("emoji", EMOJI)):
            count = int(np.count_nonzero(batch.kinds & bits))
            found["characters"][name] = found["characters"].get(name, 0) + count
        rest = len(batch.points) - len(batch) - int(np.count_nonzero(batch.kinds & _NAMED))
        found["characters"]["sign"] = found["characters"].get("sign", 0) + rest
        simplified, traditional = batch.count_in(SIMPLIFIED), batch.count_in(TRADITIONAL)
        found["simplified_rows"] += int((simplified > traditional).sum())
        found["traditional_rows"] += int((traditional > simplified).sum())
        found["emoji_rows"] += int(np.count_nonzero(batch.kinds_in & EMOJI))
        self._traditional.setdefault(batch.split, Sightings()).add(batch, traditional > simplified)
        self._rows[batch.split] = self._rows.get(batch.split, 0) + len(batch)

    @override
    def findings(self) -> Iterator[Note]:
        """Tell where a few rows are written in the other orthography."""
        for split, seen in self._traditional.items():
            simplified = self._figures[split]["simplified_rows"]
            if seen.count > _FEW * self._rows[split] and seen.count < _MANY * simplified:
                rows = counted(seen.count, "row")
                what = f"{rows} in traditional characters, {simplified:,} in simplified ones"
                fix = "convert them, or keep them if the model will see such texts"
                yield Note("mixed_orthography", what, fix, split, seen)

    @override
    def figures(self) -> Mapping[Split, Mapping[str, Any]]:
        """Return the counts of each split."""
        return {split: {"scripts": figures} for split, figures in self._figures.items()}


_NAMED = sum(SCRIPTS.values()) | DIGIT | EMOJI
