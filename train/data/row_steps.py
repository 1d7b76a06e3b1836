"""What becomes of each row by itself: unusable ones go, texts change, cleaners and privacy drop.

One function from a batch to a batch, which runs here or on many machines alike; it knows no other batch.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from runtime.normalize import MOST_ROUNDS, NORMALIZERS
from train.data.allocation import in_order
from train.data.clean import CLEANERS, REASONS
from train.data.stream import SCHEMA

UNUSABLE, LABEL_ORDER, EMPTIED, PRIVACY = "unusable", "label_order", "emptied", "privacy"
"""Steps that are no entry of `NORMALIZERS` or `CLEANERS`."""

SAMPLES = 3
"""Changed texts of one step that are shown."""

_SAMPLE_CHARACTERS = 60
_BEFORE_CHANGE = 20

OUTCOME = pa.schema(
    [
        *(SCHEMA.field(name) for name in ("text", "text_pair", "label", "group", "file", "number", "line")),
        pa.field("step", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("note", pa.string()),
    ]
)
"""Of every row: what it is now; which step drops it and why, null where it stays; a `Note` in the first."""


class Anonymize(Protocol):
    """What hides personal data: text → text, or None where the row must go; counts what it found."""

    counts: Counter[str]

    def __call__(self, text: str) -> str | None: ...


@dataclass
class Note:
    """What the steps did to the rows of a batch, or of several."""

    changed: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def add(self, other: Note) -> None:
        """Take in the note of later rows."""
        self.changed.update(other.changed)
        self.found.update(other.found)
        for step, samples in other.samples.items():
            self.sample(step, samples)

    def sample(self, step: str, samples: Iterable[tuple[str, str]]) -> None:
        """Remember the first few."""
        known = self.samples.setdefault(step, [])
        known.extend((before, after) for before, after in samples if (before, after) not in known)
        del known[SAMPLES:]

    def to_json(self) -> str:
        return json.dumps([self.changed, self.found, self.samples])

    @classmethod
    def from_json(cls, text: str) -> Note:
        changed, found, samples = json.loads(text)
        pairs = {step: [(before, after) for before, after in shown] for step, shown in samples.items()}
        return cls(Counter(changed), Counter(found), pairs)


@dataclass(frozen=True)
class RowSteps:
    """The steps of a recipe, as a function from a batch of `SCHEMA` to a table of `OUTCOME`, row by row.

    Parameters
    ----------
    normalizers, masks, cleaners : tuple of str
        Names, in this order.
    mask : callable
        Hides personal data in what is shown of texts.
    anonymize : callable, optional
        Comes last or, where there are masks, before them: it counts what they will hide.
    mask_rest : callable, optional
        Hides what `anonymize` leaves, in what is shown of the texts that it made; unset: `mask`.
    label_separator : str, optional
        Stands between the labels of a row with several, which are put in one order.
    """

    normalizers: tuple[str, ...]
    cleaners: tuple[str, ...]
    mask: Callable[[str], str]
    anonymize: Anonymize | None = None
    masks: tuple[str, ...] = ()
    mask_rest: Callable[[str], str] | None = None
    label_separator: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The steps in their order."""
        first = (UNUSABLE, LABEL_ORDER) if self.label_separator else (UNUSABLE,)
        private = (PRIVACY,) if self.anonymize else ()
        if self.masks:
            return (*first, *self.normalizers, *private, *self.masks, EMPTIED, *self.cleaners)
        return (*first, *self.normalizers, EMPTIED, *self.cleaners, *private)

    def __call__(self, batch: pa.RecordBatch | pa.Table) -> pa.Table:
        """Return the rows with what became of them; none is missing."""
        rows = _Rows(batch)
        if self.label_separator:
            rows.put_labels_in_order(self.label_separator)
        rows.change_until_settled(self.normalizers, self.mask)
        if self.masks:
            self._anonymize(rows)
            rows.change_until_settled((*self.normalizers, *self.masks), self.mask)
        rows.drop(EMPTIED, "has no text left after its steps", ~rows.has_texts())
        for name in self.cleaners:
            rows.drop(name, REASONS[name], ~_keeps(name, rows.texts()))
        if not self.masks:
            self._anonymize(rows)
        return rows.outcome()

    def _anonymize(self, rows: _Rows) -> None:
        if self.anonymize is not None:
            self.anonymize.counts.clear()
            rows.change(PRIVACY, self.anonymize, self.mask, rows.all, self.mask_rest)
            rows.note.found.update(self.anonymize.counts)


class _Rows:
    """The rows of a batch while they are worked on."""

    def __init__(self, batch: pa.RecordBatch | pa.Table) -> None:
        self._batch = batch
        self._columns = {name: batch.column(name).to_pylist() for name in ("text", "text_pair")}
        self._labels: list[str] = batch.column("label").to_pylist()
        self._has_pair = any(pair is not None for pair in self._columns["text_pair"])
        self._reasons: list[str | None] = batch.column("problem").to_pylist()
        self._steps = [None if reason is None else UNUSABLE for reason in self._reasons]
        self._changed: dict[str, set[int]] = {}
        self.note = Note()

    @property
    def all(self) -> range:
        """The places of all rows."""
        return range(len(self._steps))

    def put_labels_in_order(self, separator: str) -> None:
        """Write sets of labels that are equal alike, in the rows that stay."""
        changed = self._changed.setdefault(LABEL_ORDER, set())
        for place, before in enumerate(self._labels):
            if self._steps[place] is None and (after := in_order(before, separator)) != before:
                self._labels[place] = after
                changed.add(place)

    def change_until_settled(self, names: Sequence[str], mask: Callable[[str], str]) -> None:
        """Apply normalizers in turn, again to what they changed: one may undo what another relies on.

        What is removed last can leave two blanks that collapsed before. Prepared texts are normalized
        once more when they are trained on, which must change nothing.
        """
        places: Iterable[int] = self.all
        for _ in range(MOST_ROUNDS):
            changed: set[int] = set()
            for name in names:
                changed |= self.change(name, NORMALIZERS[name], mask, places)
            if len(names) < 2 or not changed:
                return
            places = sorted(changed)

    def change(
        self,
        step: str,
        function: Callable[[str], str | None],
        mask: Callable[[str], str],
        places: Iterable[int],
        mask_after: Callable[[str], str] | None = None,
    ) -> set[int]:
        """Apply a function to the texts of rows that stay, and return which it changed.

        Where it returns None, the row goes. `mask_after` hides less than `mask` in what is shown of the
        changed text.
        """
        changed: set[int] = set()
        for place in places:
            if self._steps[place] is not None:
                continue
            for texts in self._columns.values():
                before = texts[place]
                if before is None or (after := function(before)) == before:
                    continue
                if after is None:
                    self._steps[place], self._reasons[place] = step, "has personal data"
                    changed.discard(place)
                    break
                texts[place] = after
                changed.add(place)
                if len(self.note.samples.get(step, ())) < SAMPLES:
                    self.note.sample(step, [_sample(mask(before), (mask_after or mask)(after))])
        self._changed.setdefault(step, set()).update(changed)
        return changed

    def drop(self, step: str, reason: str, mask: npt.NDArray[np.bool_]) -> None:
        """Drop the rows of a mask that are still there."""
        for index in np.flatnonzero(mask).tolist():
            if self._steps[index] is None:
                self._steps[index], self._reasons[index] = step, reason

    def has_texts(self) -> npt.NDArray[np.bool_]:
        """Tell which rows have something in each of their texts."""
        columns = zip(*self._columns.values(), strict=True)
        return np.fromiter(
            (bool(text.strip()) and (pair is None or bool(pair.strip())) for text, pair in columns),
            dtype=np.bool_,
            count=len(self._steps),
        )

    def texts(self) -> pa.RecordBatch:
        """Return the texts as they are now."""
        names = ["text", *(["text_pair"] if self._has_pair else [])]
        arrays = [pa.array(self._columns[name], pa.string()) for name in names]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def outcome(self) -> pa.Table:
        count = len(self._steps)
        self.note.changed.update({step: len(places) for step, places in self._changed.items() if places})
        made = {
            **self._columns,
            "label": self._labels,
            "step": self._steps,
            "reason": self._reasons,
            "note": [self.note.to_json(), *[None] * (count - 1)][:count],
        }
        columns = [
            pa.array(made[name], pa.string()) if name in made else self._batch.column(name)
            for name in OUTCOME.names
        ]
        return pa.Table.from_arrays(columns, schema=OUTCOME)


def _keeps(cleaner: str, texts: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    kept: npt.NDArray[np.bool_] = np.asarray(pc.fill_null(CLEANERS[cleaner](texts), True))
    return kept


def _sample(before: str, after: str) -> tuple[str, str]:
    """Return the beginning of what differs, with a little of what precedes it."""
    pairs = enumerate(zip(before, after, strict=False))
    differs = next((index for index, (left, right) in pairs if left != right), 0)
    start = max(0, differs - _BEFORE_CHANGE)
    return _excerpt(before, start), _excerpt(after, start)


def _excerpt(text: str, start: int) -> str:
    end = start + _SAMPLE_CHARACTERS
    return f"{'…' * (start > 0)}{text[start:end]}{'…' * (end < len(text))}"
