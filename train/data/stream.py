"""Rows as Arrow batches, usable ones and others, for what must not hold all of them; it judges none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from runtime.errors import DataError
from train.data.rows import Row, group_of, problem_of, row_of, sample_rows, tables_of
from train.data.sections import DataSection
from train.data.sources import Sample, find_source
from train.section import Split

if TYPE_CHECKING:
    from train.data.formats import Record

ROWS_AT_ONCE = 10_000

SCHEMA = pa.schema(
    [
        pa.field("text", pa.string(), nullable=False),
        pa.field("text_pair", pa.string()),
        pa.field("label", pa.string(), nullable=False),
        pa.field("group", pa.string()),
        pa.field("file", pa.string(), nullable=False),
        pa.field("number", pa.int64(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("problem", pa.string()),
    ]
)
"""Of every row: text, pair, label and group; file, row number and line, both from 1; what makes it unusable.

A row with a problem has the texts and the label that could be read, "" where there is none.
"""


def read_batches(
    data: DataSection, split: Split, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a split in order, as batches of `SCHEMA`, one file after the other.

    Raises
    ------
    RecipeError
        A file or column does not exist.
    DataError
        A file cannot be decoded or taken apart, or holds no rows.
    """
    source = find_source(data, split)
    if isinstance(source, Sample):
        yield from _batches((_values(row, None) for row in sample_rows(source)), rows_at_once)
        return
    for name, table in tables_of(data, source):
        count = 0
        for batch in _batches((_read(name, record, data) for record in table.records), rows_at_once):
            count += len(batch)
            yield batch
        if not count:
            raise DataError(f"{name} holds no rows; add some, or take it out of data.{split}.")


def _batches(rows: Iterable[tuple[Any, ...]], rows_at_once: int) -> Iterator[pa.RecordBatch]:
    waiting = iter(rows)
    while chunk := list(islice(waiting, rows_at_once)):
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(column, field.type)
                for column, field in zip(zip(*chunk, strict=True), SCHEMA, strict=True)
            ],
            schema=SCHEMA,
        )


def _read(name: str, record: Record, data: DataSection) -> tuple[Any, ...]:
    problem = problem_of(record, data)
    if problem is None:
        return _values(row_of(name, record, data), None)
    pair = None if data.text_pair is None else _text(record.values.get(data.text_pair))
    row = Row(
        _text(record.values.get(data.text)),
        pair,
        _text(record.values.get(data.label)).strip(),
        name,
        record.number,
        record.line,
        group_of(record, data),
    )
    return _values(row, problem)


def _values(row: Row, problem: str | None) -> tuple[Any, ...]:
    return (row.text, row.text_pair, row.label, row.group, row.file, row.number, row.line, problem)


def _text(value: object) -> str:
    """Return a value of a file as text that Arrow can hold; a gap is empty."""
    if value is None or value != value:  # noqa: PLR0124 - a gap in a table is NaN
        return ""
    return str(value).encode("utf-8", "replace").decode("utf-8")
