"""Rows of one file as arrays that several checks look at, each computed once; it judges nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from train.data.checks.alphabets import Kinds, Points, kinds_of
from train.section import Split

Integers = npt.NDArray[np.int64]

END = "\n"
"""Stands behind every text in `Batch.points`, so that none is empty, and between a text and its pair."""


@dataclass(frozen=True)
class Batch:
    """Rows of `train.data.stream.SCHEMA`, all of one split and one file, in order."""

    split: Split
    rows: pa.RecordBatch

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def file(self) -> str:
        """Name of the file that all of them come from."""
        name: str = self.rows.column("file")[0].as_py()
        return name

    @cached_property
    def numbers(self) -> Integers:
        """Row numbers, from 1."""
        return self.integers("number")

    @cached_property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Which rows training would take."""
        found: npt.NDArray[np.bool_] = pc.is_null(self.rows.column("problem")).to_numpy(zero_copy_only=False)
        return found

    @cached_property
    def usable_rows(self) -> Batch:
        """The rows that training would take."""
        return self if self.usable.all() else Batch(self.split, self.rows.filter(pa.array(self.usable)))

    @cached_property
    def texts(self) -> list[str]:
        """Every text; where there are pairs, the pair follows on a new line."""
        texts: list[str] = self.rows.column("text").to_pylist()
        if self.rows.column("text_pair").null_count == len(self):
            return texts
        pairs = self.rows.column("text_pair").to_pylist()
        return [
            text if pair is None else f"{text}{END}{pair}" for text, pair in zip(texts, pairs, strict=True)
        ]

    @cached_property
    def joined(self) -> str:
        """All texts, each followed by `END`."""
        return END.join(self.texts) + END

    @cached_property
    def points(self) -> Points:
        """Code points of `joined`."""
        return np.frombuffer(self.joined.encode("utf-32-le"), dtype="<u4")

    @cached_property
    def lengths(self) -> Integers:
        """Characters of each text."""
        return np.fromiter(map(len, self.texts), dtype=np.int64, count=len(self))

    @cached_property
    def starts(self) -> Integers:
        """Where each text begins in `points`."""
        return np.cumsum(self.lengths + 1) - self.lengths - 1

    @cached_property
    def kinds(self) -> Kinds:
        """Bits of `train.data.checks.alphabets` for each of `points`."""
        return kinds_of(self.points)

    @cached_property
    def kinds_in(self) -> Kinds:
        """Bits that any character of each text has."""
        found: Kinds = np.bitwise_or.reduceat(self.kinds, self.starts)
        return found

    def count_in(self, bits: int) -> Integers:
        """Return for each text how many of its characters have one of these bits."""
        total = np.cumsum((self.kinds & bits) != 0, dtype=np.int64)
        ends = total[self.starts + self.lengths]
        found: Integers = np.diff(ends, prepend=0)
        return found

    def integers(self, column: str) -> Integers:
        """Return a column of whole numbers."""
        found: Integers = self.rows.column(column).to_numpy(zero_copy_only=False)
        return found
