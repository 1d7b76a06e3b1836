"""Counts what becomes of rows, step by step: rows in are rows out and rows dropped; it decides nothing."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from runtime.manifest import file_digest
from train.data.row_steps import Note
from train.data.rows import DataFile
from train.section import Split


class StepCount(TypedDict):
    """What a step did to the rows of all splits."""

    step: str
    rows: int
    changed: int
    dropped: int


class Sources:
    """The files that the rows of a split come from; what is no file here has the digest of its rows."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._digests: dict[str, hashlib._Hash] = {}

    def see(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch."""
        for entry in pc.value_counts(batch.column("file")).to_pylist():
            self._rows[entry["values"]] += entry["counts"]
        name = batch.column("file")[0].as_py() if len(batch) else ""
        if name and not Path(name).is_file():
            digest = self._digests.setdefault(name, hashlib.sha256())
            columns = [batch.column(column).to_pylist() for column in ("text", "text_pair", "label")]
            for values in zip(*columns, strict=True):
                digest.update(json.dumps(values, ensure_ascii=False).encode("utf-8") + b"\n")

    def files(self) -> list[DataFile]:
        """Return what a datasheet says of them."""
        return [
            {"path": name, "sha256": self._digest(name), "rows": rows} for name, rows in self._rows.items()
        ]

    def _digest(self, name: str) -> str:
        if name in self._digests:
            return self._digests[name].hexdigest()
        return file_digest(Path(name))


@dataclass
class Ledger:
    """What went in, what each step did and what came out, by split of origin where nothing else is said."""

    steps: Sequence[str]
    rows_in: Counter[Split] = field(default_factory=Counter)
    rows_out: Counter[Split] = field(default_factory=Counter)
    dropped: Counter[tuple[Split, str, str]] = field(default_factory=Counter)
    """By split, step and reason."""
    labels_in: dict[Split, Counter[str]] = field(default_factory=dict)
    """Of rows that were usable."""
    labels_out: dict[Split, Counter[str]] = field(default_factory=dict)
    note: Note = field(default_factory=Note)

    def drop(self, split: Split, table: pa.Table) -> None:
        """Count rows by their columns step and reason."""
        grouped = table.select(["step", "reason"]).group_by(["step", "reason"]).aggregate([([], "count_all")])
        for entry in grouped.to_pylist():
            self.dropped[split, entry["step"], entry["reason"]] += entry["count_all"]

    def commonest_reason(self, split: Split) -> str | None:
        """Return the reason for which most rows of a split were dropped, if any was."""
        reasons = Counter({reason: count for (of, _, reason), count in self.dropped.items() if of == split})
        return reasons.most_common(1)[0][0] if reasons else None

    def by_step(self) -> list[StepCount]:
        """Return how many rows reached each step, and how many it changed and dropped, in order."""
        dropped: Counter[str] = Counter()
        for (_, step, _), count in self.dropped.items():
            dropped[step] += count
        found: list[StepCount] = []
        rows = self.rows_in.total()
        for step in self.steps:
            found.append(
                {
                    "step": step,
                    "rows": rows,
                    "changed": self.note.changed[step],
                    "dropped": dropped[step],
                }
            )
            rows -= dropped[step]
        return found


def count_labels(counts: Counter[str], labels: pa.Array | pa.ChunkedArray) -> None:
    """Add the labels of some rows to their counts."""
    for entry in pc.value_counts(labels).to_pylist():
        counts[entry["values"]] += entry["counts"]
