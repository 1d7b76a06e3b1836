"""Texts that stand there twice: in train, in several splits, with several labels; it reads no files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from train.data.checks.batch import Batch
from train.data.checks.finding import SHOWN_ROWS, Check, Examination, Note, Sightings, counted, overrides_of
from train.data.checks.texts import DROPPED
from train.data.clusters import Partition, partition
from train.data.leakage import DEV, TEST, TRAIN, Reason, contradictory, firsts, leaked, outcomes, touches
from train.data.spool import Spool, SpoolWriter, Texts
from train.phases import phase
from train.section import SPLITS, Split

PAIRED = " is like "
"""Stands between the rows of a pair in the examples."""

SHOWN_PAIRS = 5
"""Pairs of like rows that a finding names."""

Integers = npt.NDArray[np.int64]

_TEXTS = pa.schema([pa.field("text", pa.string(), nullable=False)])


class Repeats(Check):
    """Duplicates in train, one text under several labels, and rows of dev or test that train has too."""

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._path = examination.folder / "texts.arrow"
        self._writer = SpoolWriter(self._path, _TEXTS)
        self._files: dict[str, int] = {}
        self._labels: dict[str, int] = {}
        self._columns: dict[str, list[Integers]] = {"split": [], "file": [], "number": [], "label": []}

    @override
    def accumulate(self, batch: Batch) -> None:
        """Keep texts on disk; of each row remember split, file, number and label."""
        texts = pa.array(batch.texts, pa.string())
        self._writer.write(pa.RecordBatch.from_arrays([texts], schema=_TEXTS))
        labels = batch.rows.column("label").dictionary_encode()
        known = [self._labels.setdefault(name, len(self._labels)) for name in labels.dictionary.to_pylist()]
        file = self._files.setdefault(batch.file, len(self._files))
        values = {
            "split": np.full(len(batch), SPLITS.index(batch.split)),
            "file": np.full(len(batch), file),
            "number": batch.numbers,
            "label": np.array(known)[labels.indices.to_numpy()],
        }
        for name, column in self._columns.items():
            column.append(values[name])

    @override
    def findings(self) -> Iterator[Note]:
        """Compare all texts of all splits with each other."""
        self._writer.close()
        rows = {name: np.concatenate(column) for name, column in self._columns.items() if column}
        if not rows:
            return
        with phase("comparing texts") as report:
            threshold = self.recipe.doctor.near_duplicates or None
            found = partition(Texts(Spool(self._path).table.column("text")), threshold, report)
        yield from self._duplicates(found, rows)
        yield from self._conflicts(found, rows)
        yield from self._leaks(found, rows)
        yield from self._measured_twice(found, rows)

    def _nearness(self) -> dict[str, Any]:
        """Return the setting with which `prepare` finds the near-duplicates that are found here."""
        wanted = self.recipe.doctor.near_duplicates
        return {} if wanted == self.recipe.prepare.near_duplicates else {"prepare.near_duplicates": wanted}

    def _duplicates(self, found: Partition, rows: dict[str, Integers]) -> Iterator[Note]:
        """Tell of training rows that repeat an earlier one of their label: what `prepare` would drop."""
        members = np.flatnonzero(rows["split"] == TRAIN)
        train = len(members)
        exact, near = (
            _reasoned(found.equal, rule, rows["label"], members, Reason.DUPLICATE)
            for rule in (found.equal, found.near)
        )
        near = np.setdiff1d(near, exact)
        named = {"duplicates": (exact, "equal to"), "near_duplicates": (near, "nearly equal to")}
        for name, (again, how) in named.items():
            if len(again):
                originals = (found.equal if name == "duplicates" else found.near)[again]
                what = f"{len(again):,} of {train:,} training rows {how} an earlier one, with the same label"
                if self.data.dev is None:
                    what += ", and the part of train that becomes dev would have some of them"
                examples = self._pairs(rows, again, originals)
                settings = {} if name == "duplicates" else self._nearness()
                fix, seen = "" if settings else DROPPED, self._sightings(rows, again)
                yield Note(name, what, fix, "train", seen, examples, settings, by_prepare=True)

    def _conflicts(self, found: Partition, rows: dict[str, Integers]) -> Iterator[Note]:
        """Tell of rows whose text stands there with another label too, in their split or in another."""
        texts = contradictory(found.verbatim, rows["label"])
        equal, labels = found.equal, rows["label"]
        everywhere = _reasoned(equal, equal, labels, np.arange(len(labels)), Reason.CONFLICT)
        other = firsts(equal, labels != labels[equal])
        for code, split in enumerate(SPLITS):
            chosen = everywhere[rows["split"][everywhere] == code]
            if len(chosen):
                inside = _reasoned(
                    equal, equal, labels, np.flatnonzero(rows["split"] == code), Reason.CONFLICT
                )
                outside = np.setdiff1d(chosen, inside)
                what = _contradictions(len(inside), len(outside), self._contradicted(equal, rows, outside))
                what += f"; texts of all files with several labels, to the letter: {texts:,}"
                differ = chosen[(labels[chosen] != labels[equal[chosen]]) | np.isin(chosen, outside)]
                partners = np.where(labels[differ] != labels[equal[differ]], equal[differ], other[differ])
                examples = self._pairs(rows, differ, partners, with_labels=True)
                seen = self._sightings(rows, chosen)
                yield self._conflict(split, what, seen, examples, is_inside=len(inside) > 0)

    def _conflict(
        self, split: Split, what: str, seen: Sightings, examples: tuple[str, ...], *, is_inside: bool
    ) -> Note:
        """Return the note with what helps: `prepare` chooses among the rows of train, and among no others."""
        name, conflicts = "conflicting_labels", self.recipe.prepare.conflicts
        if split != "train":
            fix = "correct the label that is wrong; prepare judges no label of dev and test"
            return Note(name, what, fix, split, seen, examples)
        settings = {"prepare.conflicts": "drop"} if conflicts == "keep" and is_inside else {}
        fix = "prepare drops them, but for the most frequent label" if conflicts == "majority" else DROPPED
        fix = "" if settings else fix
        return Note(name, what, fix, split, seen, examples, settings, by_prepare=True)

    def _contradicted(self, equal: Integers, rows: dict[str, Integers], some: Integers) -> list[Split]:
        """Return the splits in which a text of these rows, all of one split, has another label."""
        own = np.full(len(equal), -1, dtype=np.int64)
        own[equal[some]] = rows["label"][some]
        differs = (own[equal] >= 0) & (own[equal] != rows["label"])
        return [split for code, split in enumerate(SPLITS) if differs[rows["split"] == code].any()]

    def _measured_twice(self, found: Partition, rows: dict[str, Integers]) -> Iterator[Note]:
        """Tell of rows of dev and test that repeat an earlier one of their split and label."""
        for code in (DEV, TEST):
            members = rows["split"] == code
            again = _reasoned(
                found.equal, found.equal, rows["label"], np.flatnonzero(members), Reason.DUPLICATE
            )
            if len(again):
                split, count = SPLITS[code], counted(int(members.sum()), "row")
                what = f"{len(again):,} of {count} equal to an earlier one of {split}, with the same label"
                fix = "take them out of the file where each text is to count once; prepare keeps them"
                examples = self._pairs(rows, again, firsts(found.equal, members)[again])
                yield Note("repeated_measure", what, fix, split, self._sightings(rows, again), examples)

    def _leaks(self, found: Partition, rows: dict[str, Integers]) -> Iterator[Note]:
        """Tell of dev and test rows that train has too, and of test rows that dev has."""
        for code, source in ((DEV, TRAIN), (TEST, TRAIN), (TEST, DEV)):
            members = rows["split"] == code
            exact, near = (
                members & touches(rule, rows["split"] == source) for rule in (found.equal, found.related)
            )
            named = {
                "leakage": (exact, found.equal, "equal to"),
                "near_leakage": (near & ~exact, found.related, "nearly equal to"),
            }
            for name, (flags, rule, how) in named.items():
                chosen = np.flatnonzero(flags)
                if len(chosen):
                    rows_there = int(members.sum())
                    share = f"{len(chosen) / rows_there:.1%}"
                    what = f"{len(chosen):,} of {rows_there:,} rows ({share}) {how} rows of {SPLITS[source]}"
                    if name == "leakage":
                        what += f", {leaked(found.verbatim, rows['split'], code, source):,} to the letter"
                    check = name if source == TRAIN else "dev_test_overlap"
                    examples = self._pairs(rows, chosen, firsts(rule, rows["split"] == source)[chosen])
                    settings = self._nearness() if name == "near_leakage" else {}
                    fix = " ".join([f"prepare takes such rows out of {SPLITS[source]}", *_with(settings)])
                    seen = self._sightings(rows, chosen)
                    yield Note(check, what, fix, SPLITS[code], seen, examples, settings, by_prepare=True)

    def _sightings(self, rows: dict[str, Integers], chosen: Integers) -> Sightings:
        files = list(self._files)
        first = rows["file"][chosen[0]]
        same = chosen[rows["file"][chosen] == first][:SHOWN_ROWS]
        return Sightings(len(chosen), files[first], rows["number"][same].tolist())

    def _pairs(
        self, rows: dict[str, Integers], some: Integers, others: Integers, *, with_labels: bool = False
    ) -> tuple[str, ...]:
        """Name the first few rows, each with the one that it is like."""
        files, labels = list(self._files), list(self._labels)

        def place(at: int) -> str:
            label = f" ({labels[rows['label'][at]][:40]!r})" if with_labels else ""
            return f"{files[rows['file'][at]]} row {rows['number'][at]:,}{label}"

        pairs = zip(some[:SHOWN_PAIRS].tolist(), others[:SHOWN_PAIRS].tolist(), strict=True)
        return tuple(place(one) + PAIRED + place(other) for one, other in pairs)


class Groups(Check):
    """Rows of dev or test whose group, a user or a conversation, has training rows."""

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._train: set[str] = set()
        self._seen: dict[Split, Sightings] = {}

    @override
    def accumulate(self, batch: Batch) -> None:
        """Remember the groups of train, and look for them elsewhere."""
        groups = batch.rows.column("group")
        if self.data.group is None:
            return
        if batch.split == "train":
            self._train.update(filter(None, pc.unique(groups).to_pylist()))
            return
        shared = [group for group in pc.unique(groups).to_pylist() if group in self._train]
        mask = pc.is_in(groups, value_set=pa.array(shared, pa.string())).to_numpy(zero_copy_only=False)
        self._seen.setdefault(batch.split, Sightings()).add(batch, mask)

    @override
    def findings(self) -> Iterator[Note]:
        """Tell how many rows share a group with train."""
        for split, seen in self._seen.items():
            if seen.count:
                what = f"{counted(seen.count, 'row')} with a {self.data.group!r} that training rows have too"
                fix = "prepare takes the rows of these groups out of train"
                yield Note("shared_groups", what, fix, split, seen, by_prepare=True)


def _reasoned(
    equal: Integers, near: Integers, labels: Integers, members: Integers, reason: Reason
) -> Integers:
    """Return those of the members, taken for training rows, that `prepare` would drop for this reason."""
    equal, near = equal[members], near[members]
    found = Partition(verbatim=equal, equal=equal, near=near, related=near, capped=0)
    reasons = outcomes(found, np.full(len(members), TRAIN), labels[members], "drop")
    chosen: Integers = members[reasons == reason]
    return chosen


def _contradictions(inside: int, outside: int, splits: list[Split]) -> str:
    """Say how many rows contradict one of their own split, and how many only one of others."""
    told = [f"{counted(inside, 'row')} contradict each other"] if inside else []
    if outside:
        rows = f"{outside:,}" if inside else counted(outside, "row")
        told.append(f"{rows} contradict{'s a row' if outside == 1 else ' rows'} of {' or '.join(splits)}")
    return ", ".join(told)


def _with(settings: dict[str, Any]) -> list[str]:
    return [f"with {one}" for one in overrides_of(settings)]
