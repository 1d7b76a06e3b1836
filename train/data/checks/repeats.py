"""Texts that stand there twice: in train, in several splits, with several labels; it reads no files."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from train.data.checks.batch import Batch
from train.data.checks.finding import SHOWN_ROWS, Check, Examination, Note, Sightings, counted
from train.data.checks.texts import PREPARE
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

    def _duplicates(self, found: Partition, rows: dict[str, Integers]) -> Iterator[Note]:
        """Tell of training rows that repeat an earlier one of their label: what `prepare` would drop."""
        train = int((rows["split"] == TRAIN).sum())
        splits, labels = rows["split"][:train], rows["label"][:train]
        exact, near = (
            np.flatnonzero(
                outcomes(_by(found.equal[:train], rule[:train]), splits, labels, "drop") == Reason.DUPLICATE
            )
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
                yield Note(name, what, PREPARE, "train", self._sightings(rows, again), examples)

    def _conflicts(self, found: Partition, rows: dict[str, Integers]) -> Iterator[Note]:
        """Tell of rows whose text stands there with another label too, in any split."""
        together = np.zeros(len(rows["split"]), dtype=np.int64)
        texts = contradictory(found.verbatim, rows["label"])
        reasons = outcomes(_by(found.equal, found.equal), together, rows["label"], "drop")
        conflict = reasons == Reason.CONFLICT
        for code, split in enumerate(SPLITS):
            chosen = np.flatnonzero(conflict & (rows["split"] == code))
            if len(chosen):
                differ = chosen[rows["label"][chosen] != rows["label"][found.equal[chosen]]]
                examples = self._pairs(rows, differ, found.equal[differ], with_labels=True)
                what = f"{counted(len(chosen), 'row')} with a text that stands there with another label too"
                what += f" ({counted(texts, 'text')} of all files to the letter)"
                fix = f"{PREPARE} 'prepare.conflicts=\"drop\"'"
                yield Note("conflicting_labels", what, fix, split, self._sightings(rows, chosen), examples)

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
                    yield Note(check, what, PREPARE, SPLITS[code], self._sightings(rows, chosen), examples)

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
                fix = f"{PREPARE}, which takes those rows out of train"
                yield Note("shared_groups", what, fix, split, seen)


def _by(equal: Integers, near: Integers) -> Partition:
    """Return a partition of training rows alone, of which those that are near are superfluous."""
    return Partition(verbatim=equal, equal=equal, near=near, related=near, capped=0)
