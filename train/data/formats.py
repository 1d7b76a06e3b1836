"""One reader per file format, named in one table; each gives records with their place in the file.

Every file goes through the `datasets` library. Text formats are read as lines and taken apart here, because
the library's csv and json readers lose row numbers, take "NA" for a missing value, cut rows that are too
long and turn strings that look like dates into dates.
"""

from __future__ import annotations

import csv
import glob
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from runtime.envelope import SUFFIX, decrypted, name_of
from runtime.errors import DataError, RecipeError
from runtime.keys import read_key
from train.data.encodings import encoding_error, with_byte_order_mark
from train.data.sections import DataSection
from train.data.sources import HubDataset, place
from train.protection import KEY_VARIABLE

_LONGEST_FIELD = 2**31 - 1
_ROWS_AT_ONCE = 10_000
_NO_PARQUET = (ValueError, OSError, pa.ArrowException, datasets.exceptions.DatasetsError)


@dataclass(frozen=True, slots=True)
class Record:
    """A record by its columns; `number` counts rows, `line` lines, both from 1 with header and blank ones."""

    number: int
    line: int
    values: Mapping[str, object]


class _Reader(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __next__(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a file and its records, which are read while iterating."""

    columns: Sequence[str]
    records: Iterable[Record]


def read_csv(path: Path, data: DataSection) -> Table:
    """Read comma-separated values: quoted fields may hold commas, doubled quotes and line breaks."""
    return _delimited(path, data, csv.reader(_lines(path, data.encoding), strict=True))


def read_tsv(path: Path, data: DataSection) -> Table:
    """Read tab-separated values, in which quotes have no meaning."""
    lines = _lines(path, data.encoding)
    return _delimited(path, data, csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_jsonl(path: Path, data: DataSection) -> Table:
    """Read one JSON object per line; blank lines are skipped."""
    lines = enumerate(_lines(path, data.encoding), start=1)
    records = (Record(number, number, _object(path, number, line)) for number, line in lines if line.strip())
    first = next(records, None)
    return Table(list(first.values), chain([first], records)) if first else Table([], [])


def read_parquet(path: Path, data: DataSection) -> Table:  # noqa: ARG001 - the signature of every reader
    """Read a parquet file; columns of class ids that carry their names give the names."""
    try:
        # Left alone, the library takes the rows of the first group for the size, and stumbles over none.
        loaded = _stream("parquet", path, batch_size=_ROWS_AT_ONCE)
        return Table(list(loaded.features), _parquet_records(path, loaded))
    except _NO_PARQUET as error:
        raise _no_parquet(path, error) from error


def read_encrypted(path: Path, data: DataSection) -> Table:
    """Read a parquet file that is encrypted; it is decrypted piece by piece, into memory alone.

    Raises
    ------
    RecipeError
        It is another format than parquet.
    ProtectionError
        The key is missing or another one, or the file was changed.
    """
    if not name_of(path).lower().endswith(".parquet"):
        raise RecipeError(f"{path} is no .parquet{SUFFIX}; only parquet is read encrypted, so convert it.")
    key = read_key(data.key_file, KEY_VARIABLE, protects=path.parent)
    try:
        with decrypted(path, key, name_of(path)) as file:
            features = datasets.Features.from_arrow_schema(pq.read_schema(file))
        return Table(list(features), _encrypted_records(path, key, features))
    except _NO_PARQUET as error:
        raise _no_parquet(path, error) from error


READERS: dict[str, Callable[[Path, DataSection], Table]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".txt": read_tsv,
    ".jsonl": read_jsonl,
    ".json": read_jsonl,
    ".parquet": read_parquet,
    SUFFIX: read_encrypted,
}
"""Suffix of a file, in lower case → how it is read."""


def read_hub(dataset: HubDataset) -> Table:
    """Download a split of a hub dataset, or take it from the local cache.

    Raises
    ------
    RecipeError
        There is no such dataset or split, or the hub cannot be reached.
    """
    try:
        loaded = datasets.load_dataset(dataset.path, dataset.configuration, split=dataset.split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{dataset} is neither a file here nor a dataset of the hub: {reason}") from error
    return _columnar(loaded)


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file with their ends, decoded piece by piece: a file may exceed the memory."""
    if path.stat().st_size == 0:
        return
    batches = _stream("text", path, encoding=with_byte_order_mark(encoding), keep_linebreaks=True)
    try:
        for batch in batches.with_format("arrow").iter(batch_size=_ROWS_AT_ONCE):
            yield from batch.column("text").to_pylist()
    except UnicodeError:
        raise encoding_error(path, encoding) from None
    except datasets.exceptions.DatasetsError as error:
        raise DataError(f"{path} cannot be read ({error.__cause__ or error}); save it again.") from error


def _stream(format_name: str, path: Path, **options: object) -> datasets.IterableDataset:
    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity(logging.CRITICAL)  # what it would log, our errors tell
    return datasets.load_dataset(
        format_name, data_files=glob.escape(str(path.absolute())), split="train", streaming=True, **options
    )


def _delimited(path: Path, data: DataSection, reader: _Reader) -> Table:
    rows = _numbered(path, reader)
    first = next(rows, None)
    if first is None:
        return Table([], [])
    header = first[2]
    if not data.columns:
        for name in filter(None, (data.text, data.label, data.text_pair)):
            if header.count(name) > 1:
                raise DataError(f"{path} row 1 names column {name!r} twice; rename one of them.")
        return Table(header, _named(path, header, rows))
    if header == list(data.columns):
        raise RecipeError(f"data.columns repeats row 1 of {path}, which is a header; leave data.columns out.")
    return Table(data.columns, _named(path, data.columns, chain([first], rows)))


def _numbered(path: Path, reader: _Reader) -> Iterator[tuple[int, int, list[str]]]:
    """Yield row number, line number and fields of every row that is not blank."""
    csv.field_size_limit(_LONGEST_FIELD)  # the default refuses texts above 131,072 characters
    number = 0
    while True:
        line = reader.line_num + 1
        number += 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = "a quote is opened and never closed" if "end of data" in str(error) else error
            raise DataError(
                f"{place(str(path), number, line)} is malformed ({reason}); put fields with quotes or line "
                "breaks in quotes and double the quotes inside."
            ) from error
        if any(field.strip() for field in fields):
            yield number, line, fields


def _named(
    path: Path, columns: Sequence[str], rows: Iterable[tuple[int, int, list[str]]]
) -> Iterator[Record]:
    for number, line, fields in rows:
        if len(fields) != len(columns):
            raise DataError(
                f"{place(str(path), number, line)} has {len(fields)} fields instead of {len(columns)} "
                f"({', '.join(map(repr, columns))}); quote fields that hold the delimiter, or add the rest."
            )
        yield Record(number, line, dict(zip(columns, fields, strict=True)))


def _object(path: Path, number: int, line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} row {number} is not JSON ({error}); write one object per line.") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} row {number} is a JSON {type(found).__name__}; write one object per line.")
    return found


def _parquet_records(path: Path, loaded: datasets.IterableDataset) -> Iterator[Record]:
    number = 0
    try:
        for batch in loaded.iter(batch_size=_ROWS_AT_ONCE):
            for values in zip(*batch.values(), strict=True):
                number += 1
                named = _with_class_names(dict(zip(batch, values, strict=True)), loaded.features)
                yield Record(number, number, named)
    except _NO_PARQUET as error:
        raise _no_parquet(path, error) from error


def _encrypted_records(path: Path, key: bytes, features: datasets.Features) -> Iterator[Record]:
    number = 0
    try:
        with decrypted(path, key, name_of(path)) as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=_ROWS_AT_ONCE):
                for values in batch.to_pylist():
                    number += 1
                    yield Record(number, number, _with_class_names(values, features))
    except _NO_PARQUET as error:
        raise _no_parquet(path, error) from error


def _no_parquet(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error.__cause__ or error).split())
    return DataError(f"{path} cannot be read as parquet ({reason}); write it again.")


def _columnar(loaded: datasets.Dataset) -> Table:
    return Table(loaded.column_names, _rows_of(loaded))


def _rows_of(loaded: datasets.Dataset) -> Iterator[Record]:
    for number, values in enumerate(loaded, start=1):
        yield Record(number, number, _with_class_names(values, loaded.features))


def _with_class_names(values: Mapping[str, object], features: datasets.Features) -> Mapping[str, object]:
    """Put names in place of class ids."""
    classes = {
        name: feature for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)
    }
    return {**values, **{name: _class_name(feature, values[name]) for name, feature in classes.items()}}


def _class_name(feature: datasets.ClassLabel, value: object) -> str | None:
    """Return the name of a class id; test sets that are kept secret have -1 for every row."""
    return None if not isinstance(value, int) or value < 0 else str(feature.int2str(value))
