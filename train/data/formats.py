"""One reader per file format, named in one table; each gives records with their place in the file.

Files are read as they stand. The csv and json readers of the `datasets` library, which datasets of a hub come
through, lose row numbers, take "NA" for a missing value, cut rows that are too long, turn strings that look
like dates into dates and carriage returns into line feeds; its parquet reader stumbles over columns that
nobody asked for.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from runtime.envelope import SUFFIX, decrypted, name_of
from runtime.errors import DataError, RecipeError
from runtime.keys import read_key
from train.data.encodings import encoding_error, with_byte_order_mark
from train.data.sections import DataSection
from train.data.sources import HubDataset, find_source, place
from train.protection import KEY_VARIABLE
from train.section import SPLITS

if TYPE_CHECKING:
    import datasets

LONGEST_FIELD = 2**31 - 1
_ROWS_AT_ONCE = 10_000
_TEXT = {".csv", ".tsv", ".txt", ".jsonl", ".json"}
_NO_PARQUET = (ValueError, OSError, pa.ArrowException)

Opened = Callable[[], AbstractContextManager[BinaryIO]]


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
    # Line breaks of any kind end a row, and stay as they are within quotes.
    return _delimited(path, data, csv.reader(_lines(path, data, newline=""), strict=True))


def read_tsv(path: Path, data: DataSection) -> Table:
    """Read tab-separated values, in which quotes have no meaning."""
    lines = _lines(path, data)
    return _delimited(path, data, csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_jsonl(path: Path, data: DataSection) -> Table:
    """Read one JSON object per line; blank lines are skipped."""
    lines = enumerate(_lines(path, data), start=1)
    records = (Record(number, number, _object(path, number, line)) for number, line in lines if line.strip())
    first = next(records, None)
    return Table(list(first.values), chain([first], records)) if first else Table([], [])


def read_parquet(path: Path, data: DataSection) -> Table:
    """Read a parquet file; columns of class ids that carry their names give the names.

    Records have the columns of the recipe, and others that hold texts or numbers.
    """
    return _parquet(path, data, lambda: path.open("rb"))


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
    key = key_of_rows(path, data)
    return _parquet(path, data, partial(decrypted, path, key, name_of(path)))


def key_of_rows(path: Path, data: DataSection) -> bytes:
    """Return the key of an encrypted file of rows.

    Raises
    ------
    ProtectionError
        There is none, or it lies beside what it protects.
    """
    return read_key(data.key_file, KEY_VARIABLE, setting="data.key_file", opens=path, protects=path.parent)


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
    import datasets

    try:
        loaded = datasets.load_dataset(dataset.path, dataset.configuration, split=dataset.split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{dataset} is neither a file here nor a dataset of the hub: {reason}") from error
    return Table(loaded.column_names, _rows_of(loaded))


def _lines(path: Path, data: DataSection, newline: str | None = None) -> Iterator[str]:
    """Yield the lines of a file with their ends, decoded piece by piece: a file may exceed the memory."""
    try:
        with path.open(encoding=with_byte_order_mark(data.encoding), newline=newline) as file:
            yield from file
    except UnicodeError:
        raise encoding_error(path, data.encoding, _others(path, data)) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); name another file.") from error


def _others(path: Path, data: DataSection) -> Iterator[Path]:
    """Yield the other text files of the recipe, which are read in the same encoding."""
    for split in SPLITS:
        if getattr(data, split) is None:
            continue
        try:
            source = find_source(data, split)
        except RecipeError:  # what is missing is told when that split is read
            continue
        for other in source if isinstance(source, list) else []:
            if other != path and other.suffix.lower() in _TEXT:
                yield other


def _delimited(path: Path, data: DataSection, reader: _Reader) -> Table:
    rows = _numbered(path, reader)
    first = next(rows, None)
    if first is None:
        return Table([], [])
    header = first[2]
    if not data.columns:
        for name in _named_by(data):
            if header.count(name) > 1:
                raise DataError(f"{path} row 1 names column {name!r} twice; rename one of them.")
        return Table(header, _named(path, header, rows))
    if header == list(data.columns):
        raise RecipeError(f"data.columns repeats row 1 of {path}, which is a header; leave data.columns out.")
    return Table(data.columns, _named(path, data.columns, chain([first], rows)))


def _numbered(path: Path, reader: _Reader) -> Iterator[tuple[int, int, list[str]]]:
    """Yield row number, line number and fields of every row that is not blank."""
    csv.field_size_limit(LONGEST_FIELD)  # the default refuses texts above 131,072 characters
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


def _parquet(path: Path, data: DataSection, opened: Opened) -> Table:
    try:
        with opened() as file:
            schema = pq.read_schema(file)
        classes = _class_names(schema)
    except _NO_PARQUET as error:
        raise _no_parquet(path, error) from error
    for name in _named_by(data):
        if schema.names.count(name) > 1:
            raise DataError(f"{path} names column {name!r} twice; rename one of them.")
    return Table(schema.names, _parquet_records(path, opened, _chosen(schema, data), classes))


def _chosen(schema: pa.Schema, data: DataSection) -> list[str]:
    """Return the columns to read: those of the recipe, and plain ones.

    What others hold, maps for example, may not be readable at all, and two columns of one name cannot be told
    apart.
    """
    return [
        field.name
        for field in schema
        if field.name in _named_by(data) or (_is_plain(field.type) and schema.names.count(field.name) == 1)
    ]


def _is_plain(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating)
    return any(test(kind) for test in tests)


def _parquet_records(
    path: Path, opened: Opened, names: Sequence[str], classes: Mapping[str, Sequence[str]]
) -> Iterator[Record]:
    number = 0
    try:
        with opened() as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=_ROWS_AT_ONCE, columns=names):
                for values in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                    number += 1
                    yield Record(number, number, _with_names(dict(zip(names, values, strict=True)), classes))
    except _NO_PARQUET as error:
        raise _no_parquet(path, error) from error


def _no_parquet(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(f"{path} cannot be read as parquet ({reason}); write it again.")


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return column → names of its class ids, as the `datasets` library writes them into a file."""
    about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = about.get("info", {}).get("features", {}).items()
    return {
        name: feature["names"]
        for name, feature in features
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }


def _rows_of(loaded: datasets.Dataset) -> Iterator[Record]:
    from datasets import ClassLabel

    classes = {
        name: feature.names for name, feature in loaded.features.items() if isinstance(feature, ClassLabel)
    }
    for number, values in enumerate(loaded, start=1):
        yield Record(number, number, _with_names(values, classes))


def _with_names(values: Mapping[str, object], classes: Mapping[str, Sequence[str]]) -> Mapping[str, object]:
    """Put names in place of class ids."""
    found = {name: _class_name(names, values[name]) for name, names in classes.items() if name in values}
    return {**values, **found} if found else values


def _class_name(names: Sequence[str], value: object) -> object:
    """Return the name of a class id; test sets that are kept secret have -1 for every row."""
    if not isinstance(value, int) or value < 0:
        return None
    return names[value] if value < len(names) else value


def _named_by(data: DataSection) -> list[str]:
    """Return the columns that a recipe names."""
    return [name for name in (data.text, data.label, data.text_pair, data.group) if name is not None]
