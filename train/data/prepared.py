"""The folder that `prepare` writes and `data.prepared` names: its files, and the section that reads them.

It knows what a folder holds and whether it is whole, not how its rows were chosen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from runtime.envelope import SUFFIX, content_digest, encrypting
from runtime.errors import RecipeError
from runtime.manifest import file_digest
from train.data.sections import DataSection
from train.recipe import expanded, nearest_path
from train.run import leftovers, private_file
from train.section import SPLITS, Split

DATASHEET = "datasheet.json"
MARKDOWN = "datasheet.md"
DROPPED = "dropped.parquet"
COLUMNS = ("text", "text_pair", "label", "group", "file", "number")
"""What the files of a prepared folder may have, in this order; `file` and `number` tell where a row was."""

ROWS_OF_GROUP = 100_000
"""Rows that stand together in a file, so that equal rows give equal bytes however they arrived."""


def columns_of(data: DataSection) -> tuple[str, ...]:
    """Return the columns that prepared rows of a recipe have."""
    absent = {name for name in ("text_pair", "group") if getattr(data, name) is None}
    return tuple(name for name in COLUMNS if name not in absent)


def file_of(folder: Path, split: Split) -> Path:
    """Return where a split lies in a prepared folder; a split that nothing was given for has no file."""
    return folder / f"{split}.parquet"


def write_split(
    folder: Path, split: Split, batches: Iterable[pa.RecordBatch], key: bytes | None = None
) -> int:
    """Write the rows of a split, those of `COLUMNS` that the batches have, and return how many they are.

    Parameters
    ----------
    folder : Path
        Exists; a file of that split is replaced when the last row is written.
    split : {"train", "dev", "test"}
    batches : iterable of pyarrow.RecordBatch
        At least one, all with the same columns; `text` and `label` among them.
    key : bytes, optional
        Encrypts the file, which is then called `*.parquet.enc`.

    Raises
    ------
    ValueError
        There is no batch, or a column is missing.
    """
    waiting = iter(batches)
    first = next(waiting, None)
    if first is None or not {"text", "label"}.issubset(first.schema.names):
        raise ValueError(f"{split} needs batches with the columns text and label")
    names = [name for name in COLUMNS if name in first.schema.names]
    schema = pa.schema([pa.field(name, first.schema.field(name).type) for name in names])
    return write_parquet(file_of(folder, split), schema, _chosen(first, waiting, names), key)


def write_parquet(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], key: bytes | None = None
) -> int:
    """Write batches as one parquet file, all of it or nothing, and return its number of rows."""
    if key is not None:
        with encrypting(path.with_name(path.name + SUFFIX), key, path.name) as file:
            return _write(file, schema, batches)
    with private_file(path) as beside, beside.open("wb") as file:
        return _write(file, schema, batches)


def digest_of(path: Path) -> str:
    """Return the sha256 that a datasheet records: of an encrypted file what no new key changes."""
    return content_digest(path) if path.suffix == SUFFIX else file_digest(path)


def is_prepared(path: Path) -> bool:
    """Tell whether a path is a folder that `prepare` wrote."""
    return (path / DATASHEET).is_file()


def refuse_loss(target: Path, reads: Iterable[Path]) -> None:
    """Refuse to replace a folder where that would delete what somebody else put there, or what is read.

    Parameters
    ----------
    target : Path
        What `train.run.staged` is to replace; it need not exist.
    reads : iterable of Path
        Files and folders, of rows, of keys and of settings.

    Raises
    ------
    RecipeError
        One of `reads` lies in the target, or the target is no folder, or has an entry that its datasheet does
        not list.
    """
    elsewhere = "or set run.directory to another folder"
    doomed = [target, *leftovers(target)]
    for path in reads:
        if any(_lies_in(path, folder) for folder in doomed):
            raise RecipeError(
                f"{path} is to be read and lies in {target}, which is replaced; move it, {elsewhere}."
            )
    if os.path.lexists(target) and not target.is_dir():
        raise RecipeError(f"{target} is no folder, so none can be written there; move it, {elsewhere}.")
    foreign = _foreign(target)
    if foreign:
        more = f" and {len(foreign) - 1} more" if foreign[1:] else ""
        raise RecipeError(
            f"{target} is to be replaced and holds {foreign[0]!r}{more}, which no {DATASHEET} there lists; "
            f"move it, {elsewhere}."
        )


def read_datasheet(folder: Path) -> dict[str, Any]:
    """Return the datasheet of a prepared folder.

    Raises
    ------
    RecipeError
        The folder does not exist or has no datasheet that can be read.
    """
    given = f"data.prepared={str(folder)!r}"
    make = "make it with `python -m train prepare RECIPE.toml data.prepared=`"
    if not folder.is_dir():
        raise RecipeError(f"{given} does not exist; {nearest_path(folder)}, or {make}.")
    try:
        found = json.loads((folder / DATASHEET).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(
            f"{given} is no folder that prepare wrote: it has no {DATASHEET}; {make}."
        ) from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{given}: {DATASHEET} cannot be read ({error}); {make}.") from error
    if (
        not isinstance(found, dict)
        or not {"files", "columns", "normalizers"} <= found.keys()
        or (_path_of(folder, "train", found) is None)
    ):
        raise RecipeError(f"{given}: {DATASHEET} is not one that prepare wrote; {make}.")
    return found


def section_of(folder: str | Path, data: DataSection) -> DataSection:
    """Return the section that reads a prepared folder in place of the files that `data` names.

    Its columns and normalizers are those of the datasheet: what prepare did to the texts is repeated when
    the model is served.

    Raises
    ------
    RecipeError
        The folder is none that prepare wrote, or another version did, or a file is missing or differs from
        its recorded digest.
    """
    place = expanded(folder)
    datasheet = read_datasheet(place)
    check_files(place, datasheet)
    columns = datasheet["columns"]
    settings: dict[str, Any] = data.model_dump()
    settings |= {split: _path_of(place, split, datasheet) for split in SPLITS}
    settings |= {
        "prepared": str(folder),
        "text": "text",
        "label": "label",
        "text_pair": "text_pair" if "text_pair" in columns else None,
        "group": "group" if "group" in columns else None,
        "columns": None,
        "encoding": "utf-8",
        "normalizers": datasheet["normalizers"],
    }
    try:
        return DataSection.model_validate_json(json.dumps(settings))
    except ValidationError as error:
        raise RecipeError(
            f"data.prepared={str(folder)!r}: its normalizers {datasheet['normalizers']} are none that this "
            "version can repeat; prepare the rows again."
        ) from error


def check_files(folder: Path, datasheet: Mapping[str, Any]) -> None:
    """Compare the files of a prepared folder with its datasheet.

    Raises
    ------
    RecipeError
        One is missing or differs from its recorded digest.
    """
    for name, recorded in datasheet["files"].items():
        path = folder / name
        if not path.is_file():
            problem = "is missing"
        elif digest_of(path) != recorded["sha256"]:
            problem = f"was changed after {DATASHEET} was written"
        else:
            continue
        raise RecipeError(
            f"data.prepared={str(folder)!r}: {name} {problem}; run `python -m train prepare` again, "
            "or leave data.prepared out."
        )


def _absolute(path: Path) -> Path:
    """Return a path from the root without `..`, links not followed."""
    return Path(os.path.normpath(path.absolute()))


def _lies_in(path: Path, folder: Path) -> bool:
    """Tell whether a path leads into a folder, as it is written or once links are followed."""
    roots = {_absolute(folder), folder.resolve()}
    ways = (_absolute(path), path.resolve())
    return any(way.is_relative_to(root) for way in ways for root in roots)


def _foreign(folder: Path) -> list[str]:
    """Return the names of what stands in a folder and in no datasheet of it, sorted."""
    if not folder.is_dir():
        return []
    try:
        found = json.loads((folder / DATASHEET).read_text(encoding="utf-8"))
        known = {DATASHEET, MARKDOWN, *found["files"]} if "columns" in found else set()
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        known = set()  # none of ours, or one that somebody has spoilt
    return sorted(path.name for path in folder.iterdir() if path.name not in known)


def _path_of(folder: Path, split: Split, datasheet: Mapping[str, Any]) -> str | None:
    """Return where a split lies, encrypted or not; None where it has no file."""
    name = file_of(folder, split).name
    return next((str(folder / one) for one in (name, name + SUFFIX) if one in datasheet["files"]), None)


def _write(file: BinaryIO, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    rows = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in _regrouped(schema, batches):
            writer.write_table(table)
            rows += len(table)
    return rows


def _chosen(
    first: pa.RecordBatch, rest: Iterable[pa.RecordBatch], names: list[str]
) -> Iterator[pa.RecordBatch]:
    yield first.select(names)
    for batch in rest:
        yield batch.select(names)


def _regrouped(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows of batches in tables of `ROWS_OF_GROUP`, the last one shorter."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch.cast(schema))
        count += len(batch)
        while count >= ROWS_OF_GROUP:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, ROWS_OF_GROUP)
            waiting = table.slice(ROWS_OF_GROUP).to_batches()
            count -= ROWS_OF_GROUP
    if count:
        yield pa.Table.from_batches(waiting)
