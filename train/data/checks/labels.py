"""The labels: how many, how often, which train lacks, which are meant to be one; it reads no texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from runtime.errors import nearest
from train.data.checks.batch import Batch
from train.data.checks.finding import Check, Examination, Note, Sightings, counted
from train.data.checks.label_names import similar_names
from train.data.labels import MOST_LABELS
from train.section import Split

SHOWN_LABELS = 200
"""Labels whose rows the reports count, the most frequent ones."""

_MOST_COUNTED = 200_000
_FEWEST_TO_JUDGE = 20
_FEW_ROWS = 10
_IMBALANCE = 20
_SHOWN_NAMES = 5


class Labels(Check):
    """What `finetune` refuses of a label column, and what makes a classifier poor."""

    reads_texts = False

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._counts: dict[Split, Counter[str]] = {}
        self._firsts: dict[str, Sightings] = {}
        self._unknown: dict[Split, Sightings] = {}
        self._unknown_names: dict[Split, Counter[str]] = {}
        self._first: Sightings = Sightings()
        self._columns = _Columns()

    @override
    def accumulate(self, batch: Batch) -> None:
        """Count labels; of each, remember its first training row."""
        names, first, counts = _counted(batch)
        counter = self._counts.setdefault(batch.split, Counter())
        if batch.split == "train":
            self._first.add(batch, np.arange(self._columns.rows, self._columns.rows + len(batch)) < 2)
            self._columns.add(batch)
        for name, at, count in zip(names, first, counts, strict=True):
            if name not in counter and len(counter) >= _MOST_COUNTED:
                continue
            counter[name] += count
            if batch.split == "train" and name not in self._firsts:
                self._firsts[name] = Sightings(0, batch.file, [int(batch.numbers[at])])
        if batch.split != "train":
            self._compare(batch, names, counts)

    @override
    def findings(self) -> Iterator[Note]:
        """Tell of the label column first; where it is none, nothing else of it makes sense."""
        train = self._counts.get("train", Counter())
        if not train:
            return
        wrong = self._wrong_column(train)
        if wrong is not None:
            yield wrong
            return
        if len(train) == 1:
            yield self._one_label(next(iter(train)))
        yield from self._unknown_labels(train)
        pairs = similar_names(train)
        yield from self._similar(train, pairs)
        # A slip of the pen is no class of its own, and needs no rows.
        slips = {rare for _, rare in pairs}
        meant = Counter({name: count for name, count in train.items() if name not in slips})
        yield from self._rare(meant)
        yield from self._imbalance(meant)
        yield from self._absent(meant)

    @override
    def figures(self) -> Mapping[Split, Mapping[str, Any]]:
        """Return the number of labels and the rows of the most frequent ones."""
        return {
            split: {"labels": len(counts), "label_counts": dict(counts.most_common(SHOWN_LABELS))}
            for split, counts in self._counts.items()
        }

    def _compare(self, batch: Batch, names: list[str], counts: list[int]) -> None:
        """Note rows whose label train lacks."""
        train = self._counts.get("train", Counter())
        unknown = {name: count for name, count in zip(names, counts, strict=True) if name not in train}
        if unknown and len(train) < _MOST_COUNTED:
            mask = pc.is_in(batch.rows.column("label"), value_set=pa.array(list(unknown)))
            seen = self._unknown.setdefault(batch.split, Sightings())
            seen.add(batch, mask.to_numpy(zero_copy_only=False))
            self._unknown_names.setdefault(batch.split, Counter()).update(unknown)

    def _wrong_column(self, train: Counter[str]) -> Note | None:
        """Return what is wrong where the label column holds no labels; the limits are those of `finetune`."""
        rows, labels = self._columns.rows, len(train)
        different = 1 < labels == rows or (rows > _FEWEST_TO_JUDGE and labels > rows / 2)
        text, label = self.data.text, self.data.label
        at_least = "at least " if labels >= _MOST_COUNTED else ""
        what = f"column {label!r} has {at_least}{labels:,} different labels in {rows:,} training rows"
        if different and self._columns.are_swapped(labels):
            few = f"while column {text!r} has {self._columns.different_texts:,} different and shorter texts"
            settings = {"data.text": label, "data.label": text}
            return Note("swapped_columns", f"{what}, {few}", "", "train", self._first, settings=settings)
        fix = "set data.label to the column that holds the labels"
        if different or labels > MOST_LABELS:
            limit = "" if different else f", more than {MOST_LABELS:,}"
            return Note("too_many_labels", f"{what}{limit}", fix, "train", self._first)
        return None

    def _one_label(self, name: str) -> Note:
        what = f"{counted(self._columns.rows, 'training row')}, and {name[:40]!r} is the only label"
        fix = "add rows of another label, or set data.label to another column"
        return Note("one_label", what, fix, "train", self._first)

    def _unknown_labels(self, train: Counter[str]) -> Iterator[Note]:
        for split, seen in self._unknown.items():
            found = self._unknown_names[split].most_common(_SHOWN_NAMES)
            examples = tuple(
                f"{name[:40]!r}, {counted(count, 'row')}; {nearest(name, train)}" for name, count in found
            )
            what = f"{counted(seen.count, 'row')} with a label that no training row has"
            fix = "correct these labels, or add training rows that have them"
            yield Note("unknown_label", what, fix, split, seen, examples)

    def _similar(self, train: Counter[str], pairs: list[tuple[str, str]]) -> Iterator[Note]:
        if pairs:
            seen = Sightings(sum(train[rare] for _, rare in pairs))
            seen.file, seen.rows = self._firsts[pairs[0][1]].file, self._firsts[pairs[0][1]].rows
            shown = "; ".join(
                f"{rare[:40]!r} ({counted(train[rare], 'row')}) beside {name[:40]!r} ({train[name]:,})"
                for name, rare in pairs[:_SHOWN_NAMES]
            )
            more = f" and {len(pairs) - _SHOWN_NAMES:,} more" if len(pairs) > _SHOWN_NAMES else ""
            kinds = "that differ in case, width, blanks or a character"
            what = f"{counted(len(pairs), 'pair')} of labels {kinds}: {shown}{more}"
            fix = "give both the same name, where they mean the same"
            yield Note("similar_labels", what, fix, "train", seen)

    def _rare(self, train: Counter[str]) -> Iterator[Note]:
        if len(train) < 2:
            return
        rare = sorted((count, name) for name, count in train.items() if count < _FEW_ROWS)
        if rare:
            seen = Sightings(sum(count for count, _ in rare))
            seen.file, seen.rows = self._firsts[rare[0][1]].file, self._firsts[rare[0][1]].rows
            shown = tuple(f"{name[:40]!r}: {count}" for count, name in rare[:_SHOWN_NAMES])
            what = f"{len(rare):,} of {len(train):,} labels with fewer than {_FEW_ROWS} training rows"
            fix = "add rows of these labels, or merge them with others"
            yield Note("rare_labels", what, fix, "train", seen, shown)

    def _imbalance(self, train: Counter[str]) -> Iterator[Note]:
        (most, many), (least, few) = train.most_common(1)[0], train.most_common()[-1]
        if many >= _IMBALANCE * few:
            what = (
                f"{most[:40]!r} has {many:,} rows, {many // few:,} times as many as {least[:40]!r} ({few:,})"
            )
            seen = Sightings(few, self._firsts[least].file, self._firsts[least].rows)
            if self.recipe.finetune.metric == "macro_f1":
                fix = "add rows of the rare labels; finetune.metric is macro_f1 already"
                yield Note("imbalance", what, fix, "train", seen)
            else:
                yield Note("imbalance", what, "", "train", seen, settings={"finetune.metric": "macro_f1"})

    def _absent(self, train: Counter[str]) -> Iterator[Note]:
        for split, counts in self._counts.items():
            absent = sorted(set(train) - set(counts), key=lambda name: (-train[name], name))
            if split != "train" and absent:
                shown = tuple(f"{name[:40]!r}" for name in absent[:_SHOWN_NAMES])
                what = f"{len(absent):,} of {len(train):,} labels without a row in {split}"
                fix = f"add rows of these labels to data.{split}"
                yield Note("absent_labels", what, fix, split, examples=shown)


class _Columns:
    """How different and how long texts and labels of the training rows are."""

    def __init__(self) -> None:
        self.rows = 0
        self._texts: set[str] = set()
        self._text_characters = self._label_characters = 0

    def add(self, batch: Batch) -> None:
        self.rows += len(batch)
        texts, labels = batch.rows.column("text"), batch.rows.column("label")
        if len(self._texts) < MOST_LABELS:
            self._texts.update(pc.unique(texts).to_pylist())
        self._text_characters += pc.sum(pc.utf8_length(texts)).as_py()
        self._label_characters += pc.sum(pc.utf8_length(labels)).as_py()

    @property
    def different_texts(self) -> int:
        return len(self._texts)

    def are_swapped(self, labels: int) -> bool:
        """Tell whether texts repeat and are short where labels are different and long."""
        few = self.different_texts < min(labels / 2, MOST_LABELS)
        return few and self._label_characters > self._text_characters


def _counted(batch: Batch) -> tuple[list[str], list[int], list[int]]:
    """Return the labels of a batch, where each stands first, and how often."""
    encoded = batch.rows.column("label").dictionary_encode()
    _, first, counts = np.unique(encoded.indices.to_numpy(), return_index=True, return_counts=True)
    return encoded.dictionary.to_pylist(), first.tolist(), counts.tolist()
