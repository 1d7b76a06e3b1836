"""Writes augmented rows and the splits they belong to as a prepared folder; it made none of the rows.

What was made is marked in the file of training rows, and counted apart: how often a label occurs is a fact of
the data, which rows made for the sake of training must not change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from runtime.files import stored
from train.data.augment_rows import Augmented
from train.data.datasheet import FORMAT
from train.data.loader import Splits
from train.data.origin import at_origin
from train.data.prepared import (
    DATASHEET,
    MARKDOWN,
    columns_of,
    digest_of,
    file_of,
    write_parquet,
    write_split,
)
from train.data.rows import Row, describe_files
from train.data.sections import DataSection
from train.report.card import markdown_template
from train.run import write_json
from train.section import Split

MARKS = ("augmented_from", "method")
"""Columns of the training rows: where the row stood that one was made from, and how; null for all others."""


def write_augmented(
    folder: Path,
    data: DataSection,
    splits: Splits,
    made: Sequence[Augmented],
    account: Mapping[str, Any],
    key: bytes | None = None,
) -> None:
    """Write the splits, the new rows among those to train on, and their datasheet.

    Parameters
    ----------
    folder : Path
        Exists and is empty.
    data : DataSection
        Where the splits were read from; it decides columns and normalizers.
    splits : Splits
    made : sequence of Augmented
    account : mapping
        What `augmentation.json` holds.
    key : bytes, optional
        Encrypts the rows.
    """
    columns = [name for name in columns_of(data) if name != "group"]
    rows: dict[Split, list[Row]] = {"train": splits.train, "dev": splits.dev, "test": splits.test}
    counts = {split: len(found) for split, found in rows.items() if found}
    shown = {split: at_origin(found, data) for split, found in rows.items()}
    origins = at_origin([one.row for one in made], data)
    train = _table(shown["train"], columns, [(None, None)] * len(splits.train))
    marks = [(row.where, one.method) for row, one in zip(origins, made, strict=True)]
    new = _table(origins, columns, marks)
    counts["train"] = write_parquet(file_of(folder, "train"), train.schema, [train, new], key)
    for split in ("dev", "test"):
        if split in counts:
            write_split(folder, split, [_table(shown[split], columns)], key)
    files = {split: stored(folder, file_of(folder, split).name) for split in counts}
    content = {
        "format": FORMAT,
        "files": {
            path.name: {"sha256": digest_of(path), "rows": counts[split]} for split, path in files.items()
        },
        "columns": columns,
        "normalizers": list(data.normalizers),
        "sources": {split: describe_files(found) for split, found in rows.items() if found},
        "labels": {"after": {split: _labels(found) for split, found in rows.items() if found}},
        "augmented": {"rows": len(made), "labels": _labels(one.row for one in made)},
        "augmentation": account,
    }
    write_json(folder / DATASHEET, content)
    page = markdown_template("augmented.md.jinja").render(sheet=content, marks=MARKS)
    (folder / MARKDOWN).write_text(page, encoding="utf-8")


def _table(
    rows: Sequence[Row],
    columns: Sequence[str],
    marks: Sequence[tuple[str | None, str | None]] | None = None,
) -> pa.RecordBatch:
    kinds = {name: pa.int64() if name == "number" else pa.string() for name in columns}
    arrays = {name: pa.array([getattr(row, name) for row in rows], kind) for name, kind in kinds.items()}
    for at, name in enumerate(MARKS if marks is not None else ()):
        arrays[name] = pa.array([mark[at] for mark in marks or ()], pa.string())
    return pa.RecordBatch.from_pydict(arrays)


def _labels(rows: Iterable[Row]) -> dict[str, int]:
    return dict(sorted(Counter(row.label for row in rows).items()))
