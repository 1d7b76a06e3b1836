"""Reads all splits of a recipe through the row steps onto disk, and keeps count; it compares no two rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from runtime.errors import DataError
from train.data.labels import MOST_LABELS, shown
from train.data.ledger import Ledger, Sources, count_labels
from train.data.row_steps import OUTCOME, Note
from train.data.rows import MOST_CHARACTERS
from train.data.sections import DataSection
from train.data.sources import place
from train.data.spool import Spool, SpoolWriter
from train.data.stream import read_batches
from train.phases import phase
from train.section import SPLITS, Split

Engine = Literal["local", "ray"]
Step = Callable[[pa.RecordBatch | pa.Table], pa.Table]

PAIR_MARK = "\U00010380"
"""Stands between the texts of a pair when pairs are compared: a letter, as only those count."""

KEY = "key"
"""What rows are compared by: the text, or the texts of a pair with `PAIR_MARK` between them."""

ROWS = pa.schema(
    [
        *(OUTCOME.field(name) for name in ("text", "text_pair", "label", "group", "file", "number")),
        (KEY, pa.string()),
    ]
)
DROPPED_ROWS = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("number", pa.int64(), nullable=False),
        pa.field("step", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("text", pa.string()),
        pa.field("text_pair", pa.string()),
        pa.field("label", pa.string()),
        pa.field("of_file", pa.string()),
        pa.field("of_number", pa.int64()),
    ]
)
"""Of every dropped row: where it stood, which step dropped it and why, what it was by then, and the row
that it was compared with."""


@dataclass(frozen=True)
class Intake:
    """The rows that are left, of the splits one after the other, and those that are not."""

    rows: Spool
    dropped: Spool
    counts: dict[Split, int]
    """Rows that are left of each split that the recipe names."""
    sources: dict[Split, Sources]


def take_in(data: DataSection, step: Step, engine: Engine, ledger: Ledger, work: Path) -> Intake:
    """Read every split that the recipe names; afterwards `work` holds the rows.

    Raises
    ------
    RecipeError
        A file or column does not exist.
    DataError
        A file cannot be read, a text is as large as a file, or there are more labels than classes can be.
    """
    counts: dict[Split, int] = {}
    sources: dict[Split, Sources] = {}
    with ExitStack() as stack:
        kept = stack.enter_context(SpoolWriter(work / "rows.arrow", ROWS))
        dropped = stack.enter_context(SpoolWriter(work / "dropped.arrow", DROPPED_ROWS))
        for split in SPLITS:
            if getattr(data, split) is None:
                continue
            sources[split] = Sources()
            before = kept.rows
            with phase(f"reading {split}") as report:
                batches = _checked(data, split, ledger, sources[split])
                for table in _applied(step, batches, engine):
                    _put(table, split, ledger, kept, dropped)
                    report(ledger.rows_in[split], 0)
            counts[split] = kept.rows - before
    return Intake(Spool(work / "rows.arrow"), Spool(work / "dropped.arrow"), counts, sources)


def _applied(step: Step, batches: Iterable[pa.RecordBatch], engine: Engine) -> Iterator[pa.Table]:
    if engine == "ray":
        from train.data.distributed import mapped

        yield from mapped(step, batches)
        return
    for batch in batches:
        yield step(batch)


def _checked(data: DataSection, split: Split, ledger: Ledger, sources: Sources) -> Iterator[pa.RecordBatch]:
    """Count the rows of a split while they are read, and refuse what is no data set of texts and classes."""
    labels = ledger.labels_in.setdefault(split, Counter())
    for batch in read_batches(data, split):
        _refuse_files_in_fields(batch)
        ledger.rows_in[split] += len(batch)
        sources.see(batch)
        usable = batch.filter(pc.is_null(batch.column("problem")))
        count_labels(labels, usable.column("label"))
        if len(labels) > MOST_LABELS:
            last = usable.slice(len(usable) - 1).to_pylist()[0]
            raise DataError(
                f"column {data.label!r} has more than {MOST_LABELS:,} different labels up to "
                f"{place(last['file'], last['number'], last['line'])}, which has {shown(last['label'])}; "
                "set data.label to the column that holds the labels."
            )
        yield batch


def _refuse_files_in_fields(batch: pa.RecordBatch) -> None:
    """Refuse a row with a text that is too large to be one: a quote that was never closed, most likely."""
    for column in ("text", "text_pair"):
        large = pc.fill_null(pc.greater(pc.utf8_length(batch.column(column)), MOST_CHARACTERS), False)
        found = batch.filter(large).slice(0, 1).to_pylist()
        if found:
            row = found[0]
            raise DataError(
                f"{place(row['file'], row['number'], row['line'])} {row['problem']}; "
                "close the quote that swallowed the file, or cut the text."
            )


def _put(table: pa.Table, split: Split, ledger: Ledger, kept: SpoolWriter, dropped: SpoolWriter) -> None:
    for note in table.column("note").drop_null().to_pylist():
        ledger.note.add(Note.from_json(note))
    stays = pc.is_null(table.column("step"))
    for batch in _keyed(table.filter(stays)).to_batches():
        kept.write(batch)
    gone = table.filter(pc.invert(stays))
    ledger.drop(split, gone)
    for batch in dropped_rows(gone, split).to_batches():
        dropped.write(batch)


def _keyed(table: pa.Table) -> pa.Table:
    pair = table.column("text_pair")
    joined = pc.binary_join_element_wise(table.column("text"), pair, PAIR_MARK)
    key = pc.if_else(pc.is_null(pair), table.column("text"), joined)
    return table.append_column(KEY, key).select(ROWS.names).cast(ROWS)


def dropped_rows(table: pa.Table, split: Split) -> pa.Table:
    """Return rows with a step and a reason as `DROPPED_ROWS`, null where they were compared with none."""
    columns = {name: table.column(name) for name in DROPPED_ROWS.names if name in table.column_names}
    columns["split"] = pa.repeat(split, len(table))
    for name in ("of_file", "of_number"):
        columns.setdefault(name, pa.nulls(len(table), DROPPED_ROWS.field(name).type))
    return pa.Table.from_arrays(
        [pc.cast(columns[name], DROPPED_ROWS.field(name).type) for name in DROPPED_ROWS.names],
        schema=DROPPED_ROWS,
    )
