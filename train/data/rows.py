"""Data files become `Row`s that remember where they stood; it knows no label set of a model and no splits."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

from runtime.errors import DataError, RecipeError, nearest
from runtime.manifest import file_digest
from runtime.normalize import remove_invisible
from runtime.pii import find
from runtime.tokenizer import TextInput
from train.data.sections import DataSection
from train.data.sources import HubDataset, Sample, find_source, place
from train.recipe import encodable
from train.section import Split

if TYPE_CHECKING:
    from train.data.formats import Record, Table

MOST_CHARACTERS = 1_000_000
"""A longer text is a whole file in one field, not something to classify."""

T = TypeVar("T")

SHOWN_PROBLEMS = 5
_LONGEST_NAME = 30
_WHOLE_FLOAT = re.compile(r"-?[0-9]+\.0")


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text and its place: row `number` of `file`, which starts at `line` of it.

    Rows of one `group` must not be parted; "" stands for a gap, as None for no column of groups.
    """

    text: str
    text_pair: str | None
    label: str
    file: str
    number: int
    line: int
    group: str | None = None

    @property
    def input(self) -> TextInput:
        """The text, with its pair where there is one, as the tokenizer takes it."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)

    @property
    def where(self) -> str:
        """File and row, for messages."""
        return place(self.file, self.number, self.line)


class DataFile(TypedDict):
    """What a report says of a file that rows came from."""

    path: str
    sha256: str
    rows: int


def read_rows(data: DataSection, split: Split) -> list[Row]:
    """Read all rows of a split, in order.

    Raises
    ------
    RecipeError
        A file or column does not exist.
    DataError
        A file cannot be decoded or taken apart, holds no rows, or a text or label is missing.
    """
    source = find_source(data, split)
    if isinstance(source, Sample):
        return sample_rows(source)
    rows: list[Row] = []
    problems: list[str] = []
    for name, table in tables_of(data, source):
        seen = len(rows) + len(problems)
        for record in table.records:
            problem = problem_of(record, data)
            if problem:
                problems.append(f"{place(name, record.number, record.line)} {problem}")
            else:
                rows.append(row_of(name, record, data))
        if len(rows) + len(problems) == seen:
            raise DataError(f"{name} holds no rows; add some, or take it out of data.{split}.")
    refuse(problems, "correct or delete these rows, or let the command prepare drop them")
    return rows


def refuse(problems: Sequence[T], remedy: str, told: Callable[[T], str] = str) -> None:
    """Raise one DataError for all problems, telling the first few; do nothing where there is none."""
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        rest = f" and {more} more" if more > 0 else ""
        raise DataError(f"{', '.join(map(told, problems[:SHOWN_PROBLEMS]))}{rest}; {remedy}.")


def describe_files(rows: Iterable[Row]) -> list[DataFile]:
    """Return the files these rows came from, with digests and the number of these rows in each.

    What is no file here, the sample or a hub dataset, has the digest of its rows.
    """
    by_file: dict[str, list[Row]] = {}
    for row in rows:
        by_file.setdefault(row.file, []).append(row)
    return [
        {"path": file, "sha256": _digest(file, members), "rows": len(members)}
        for file, members in by_file.items()
    ]


def tables_of(data: DataSection, source: HubDataset | list[Path]) -> Iterator[tuple[str, Table]]:
    """Yield the name and the table of every file of a source; each has the columns of the recipe.

    Raises
    ------
    RecipeError
        A file lacks one.
    DataError
        A file cannot be decoded or taken apart.
    """
    from train.data.formats import READERS, read_hub

    if isinstance(source, HubDataset):
        tables: Iterable[tuple[str, Table]] = [(str(source), read_hub(source))]
    else:
        tables = ((str(path), READERS[path.suffix.lower()](path, data)) for path in source)
    for name, table in tables:
        _check_columns(name, table, data)
        yield name, table


def sample_rows(source: Sample) -> list[Row]:
    from train.data.sample import reviews

    name = f"sample:{source.split}"
    return [
        Row(text, None, label, name, number, number)
        for number, (text, label) in enumerate(reviews(source.split), start=1)
    ]


def _check_columns(name: str, table: Table, data: DataSection) -> None:
    """Refuse a file that lacks a column the recipe names."""
    for setting in ("text", "label", "text_pair", "group"):
        column = getattr(data, setting)
        if column is None or column in table.columns or not table.columns:
            continue
        if _are_names(table.columns):
            there = ", ".join(map(repr, table.columns))
            raise RecipeError(
                f"data.{setting}={column!r} is no column of {name}, which has {there}; "
                f"{nearest(column, table.columns)} (for a file without a header set data.columns)"
            )
        raise RecipeError(
            f"data.{setting}={column!r} is no column of {name}, whose first row, of {len(table.columns)} "
            "fields, seems to be no header; name its columns in data.columns."
        )


def _are_names(columns: Sequence[str]) -> bool:
    """Tell a header from a first row of data, which no message may repeat."""
    return all(len(column) <= _LONGEST_NAME and not find(column) for column in columns)


def problem_of(record: Record, data: DataSection) -> str | None:
    """Say what keeps a record from being trained on."""
    for column in (data.text, data.text_pair):
        if column is None:
            continue
        value = _value(record, column)
        if value is None or (isinstance(value, str) and not value.strip()):
            return f"has an empty {column!r}"
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            return f"has a {type(value).__name__} as {column!r} where text is needed"
        if not encodable(str(value)):
            return f"has half of a surrogate pair in {column!r}"
        if len(str(value)) > MOST_CHARACTERS:
            return f"has {len(str(value)):,} characters in {column!r}, more than {MOST_CHARACTERS:,}"
    return _label_problem(_value(record, data.label), data.label)


def _label_problem(value: object, column: str) -> str | None:
    if value is None or value == "":
        return f"has no label in {column!r}"
    if isinstance(value, float) and math.isinf(value):
        return f"has an infinite number as label {column!r}"
    if not isinstance(value, str | int | float):
        return f"has a {type(value).__name__} as label {column!r} where a text or a number is needed"
    if not remove_invisible(_label(value)).strip():
        return f"has no label in {column!r}"
    if not encodable(_label(value)):
        return f"has half of a surrogate pair in {column!r}"
    return None


def row_of(name: str, record: Record, data: DataSection) -> Row:
    pair = None if data.text_pair is None else str(record.values[data.text_pair])
    label = _label(record.values[data.label])
    text, group = str(record.values[data.text]), group_of(record, data)
    return Row(text, pair, label, name, record.number, record.line, group)


def group_of(record: Record, data: DataSection) -> str | None:
    """Return the group of a record: "" for a gap, None where the recipe names no column of groups.

    What a table with gaps wrote as "1.0" is "1" again, as where the same column has none.
    """
    if data.group is None:
        return None
    value = _value(record, data.group)
    text = "" if value is None else _label(value).encode("utf-8", "replace").decode("utf-8")
    return text.removesuffix(".0") if _WHOLE_FLOAT.fullmatch(text) else text


def _label(value: object) -> str:
    """Return a label as text; a whole number stored as a float, as tables with gaps do, loses its ".0"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _value(record: Record, column: str) -> object:
    """Return a value; the number that is none, which stands for a gap in a table, is None."""
    value = record.values.get(column)
    return None if isinstance(value, float) and math.isnan(value) else value


def _digest(file: str, rows: Sequence[Row]) -> str:
    if Path(file).is_file():
        return file_digest(Path(file))
    content = json.dumps([astuple(row)[:3] for row in rows], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()
