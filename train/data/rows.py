"""Data files become `Row`s that remember where they stood; it knows no label set of a model and no splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TypedDict

from runtime.errors import DataError, RecipeError, nearest
from runtime.manifest import file_digest
from runtime.tokenizer import TextInput
from train.config import DataSection, Split
from train.data.sources import HubDataset, Sample, find_source

_SHOWN_PROBLEMS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text and its place: row `number` of `file`, which starts at `line` of it."""

    text: str
    text_pair: str | None
    label: str
    file: str
    number: int
    line: int

    @property
    def input(self) -> TextInput:
        """The text, with its pair where there is one, as the tokenizer takes it."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)

    @property
    def where(self) -> str:
        """File and row, for messages."""
        from train.data.formats import place

        return place(self.file, self.number, self.line)


class DataFile(TypedDict):
    """What a report says of a file that rows came from."""

    path: str
    sha256: str
    rows: int


def read_rows(data: DataSection, split: Split) -> list[Row]:
    """Read all rows of a split in order.

    Raises
    ------
    RecipeError
        A file or column does not exist.
    DataError
        A file cannot be decoded or taken apart, holds no rows, or a text or label is missing.
    """
    source = find_source(data, split)
    if isinstance(source, Sample):
        return _sample_rows(source)
    rows: list[Row] = []
    problems: list[str] = []
    for name, table_rows in _tables(data, source):
        count = len(rows) + len(problems)
        for found in table_rows:
            (rows if isinstance(found, Row) else problems).append(found)  # type: ignore[arg-type]
        if len(rows) + len(problems) == count:
            raise DataError(f"{name} holds no rows; add some, or take it out of data.{split}.")
    refuse(problems, "correct or delete these rows")
    return rows


def refuse(problems: Sequence[str], remedy: str) -> None:
    """Raise one DataError for all problems, naming the first few; do nothing where there is none."""
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        rest = f" and {more} more" if more > 0 else ""
        raise DataError(f"{', '.join(problems[:_SHOWN_PROBLEMS])}{rest}; {remedy}.")


def describe_files(rows: Iterable[Row]) -> list[DataFile]:
    """Return the files that rows came from, with digests and the number of these rows in each.

    What is no file here, the sample or a hub dataset, has the digest of its rows.
    """
    by_file = groupby(rows, key=lambda row: row.file)
    return [_describe(file, list(group)) for file, group in by_file]
