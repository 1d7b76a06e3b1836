"""Personal data, counted by kind; it never hands on a value, only what a value looks like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from typing_extensions import override

from runtime.pii import DEFAULT_KINDS, Span, find
from train.data.checks.batch import Batch
from train.data.checks.finding import Check, Examination, Note, Sightings, counted
from train.section import Split

_SHOWN = 2


class Personal(Check):
    """Numbers of telephones, cards, persons; addresses; names of accounts."""

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._counts: dict[Split, Counter[str]] = {}
        self._seen: dict[Split, Sightings] = {}
        self._samples: dict[Split, dict[str, list[str]]] = {}

    @override
    def accumulate(self, batch: Batch) -> None:
        """Look into every text."""
        counts = self._counts.setdefault(batch.split, Counter())
        found = np.zeros(len(batch), dtype=np.bool_)
        for index, text in enumerate(batch.texts):
            if spans := find(text, DEFAULT_KINDS):
                found[index] = True
                counts.update(span.kind for span in spans)
                self._remember(batch.split, text, spans)
        self._seen.setdefault(batch.split, Sightings()).add(batch, found)

    @override
    def findings(self) -> Iterator[Note]:
        """Tell how many there are of each kind, with masked samples."""
        for split, seen in self._seen.items():
            if seen.count:
                counts = self._counts[split]
                kinds = ", ".join(f"{kind} {count:,}" for kind, count in counts.most_common())
                what = f"{counted(seen.count, 'row')} with what looks like personal data ({kinds})"
                mode = self.recipe.privacy.mode
                fix = "" if mode == "detect" else f"prepare does what privacy.mode={mode} says"
                settings = {"privacy.mode": "placeholder"} if mode == "detect" else {}
                samples = self._samples[split]
                examples = tuple(f"{kind}: {', '.join(samples[kind])}" for kind, _ in counts.most_common())
                yield Note("personal_data", what, fix, split, seen, examples, settings, by_prepare=True)

    @override
    def figures(self) -> Mapping[Split, Mapping[str, Any]]:
        """Return the counts of each kind."""
        return {split: {"personal": dict(counts)} for split, counts in self._counts.items()}

    def _remember(self, split: Split, text: str, spans: list[Span]) -> None:
        samples = self._samples.setdefault(split, {})
        for span in spans:
            known = samples.setdefault(span.kind, [])
            shape = masked(text[span.start : span.end])
            if len(known) < _SHOWN and shape not in known:
                known.append(shape)


def masked(value: str) -> str:
    """Return the first character of a value and a star for each letter or digit after it."""
    rest = "".join("*" if character.isalnum() else character for character in value[1:])
    return value[:1] + rest
