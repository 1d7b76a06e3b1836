"""Where rows of a prepared folder first stood, for people who look for them; it reads no texts of theirs.

`prepare` and `augment` write file and row number beside every row; a list that names their own file instead
sends a person to a parquet file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runtime.envelope import SUFFIX, decrypted, name_of
from runtime.errors import DataError
from train.data.formats import key_of_rows
from train.data.prepared import is_prepared
from train.data.rows import Row
from train.data.sections import DataSection

_PLACE = {"file": pa.string(), "number": pa.int64()}
_SUFFIXES = (".parquet", SUFFIX)


class Origins:
    """Looks up where rows first stood; a file is read once, a number and a name per row are kept of it.

    Parameters
    ----------
    data : DataSection
        Names the key of files that are encrypted.
    """

    def __init__(self, data: DataSection) -> None:
        self._data = data
        self._known: dict[str, pa.Table | None] = {}

    def of(self, files: pa.Array, numbers: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return file and number that rows had before they were prepared; the same where they never were.

        Parameters
        ----------
        files : pyarrow.StringArray of shape (rows,)
        numbers : pyarrow.Int64Array of shape (rows,)
            From 1; both may be null.

        Raises
        ------
        DataError
            A file cannot be read any more.
        ProtectionError
            It is encrypted and there is no key.
        """
        before, numbers_before = files, numbers
        for name in pc.unique(files).drop_null().to_pylist():
            places = self._places(name)
            if places is not None:
                mask = pc.fill_null(pc.equal(files, name), False)
                found = places.take(pc.subtract(numbers.filter(mask), 1)).combine_chunks()
                before = pc.replace_with_mask(before, mask, _flat(found.column("file").cast(pa.string())))
                numbers_before = pc.replace_with_mask(numbers_before, mask, _flat(found.column("number")))
        return before, numbers_before

    def _places(self, name: str) -> pa.Table | None:
        """Return the places of the rows of a file, None where it has none."""
        if name not in self._known:
            self._known[name] = self._read(Path(name))
        return self._known[name]

    def _read(self, path: Path) -> pa.Table | None:
        if path.suffix.lower() not in _SUFFIXES or not path.is_file() or not is_prepared(path.parent):
            return None
        try:
            if path.suffix.lower() != SUFFIX:
                return _read_places(pq.ParquetFile(path))
            with decrypted(path, key_of_rows(path, self._data), name_of(path)) as file:
                return _read_places(pq.ParquetFile(file))
        except (OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{path} cannot be read as parquet ({reason}); write it again.") from error


def at_origin(rows: Sequence[Row], data: DataSection) -> list[Row]:
    """Return the rows, those of prepared folders with the file and number that they had before.

    Parameters
    ----------
    rows : sequence of Row
        Read by `data`.
    data : DataSection

    Returns
    -------
    list of Row
        As many and in the same order; `line` is the number where that has changed, as none was kept.

    Raises
    ------
    DataError
        A file cannot be read any more.
    ProtectionError
        It is encrypted and there is no key.
    """
    files = pa.array([row.file for row in rows], pa.string())
    numbers = pa.array([row.number for row in rows], pa.int64())
    found = (column.to_pylist() for column in Origins(data).of(files, numbers))
    return [_moved(row, *place) for row, place in zip(rows, zip(*found, strict=True), strict=True)]


def _read_places(file: pq.ParquetFile) -> pa.Table | None:
    schema = file.schema_arrow
    if any(name not in schema.names or schema.field(name).type != kind for name, kind in _PLACE.items()):
        return None
    table = file.read(columns=list(_PLACE))
    files = table.column("file").dictionary_encode()
    return pa.table({"file": files, "number": table.column("number")}).combine_chunks()


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)


def _moved(row: Row, file: str, number: int) -> Row:
    if (row.file, row.number) == (file, number):
        return row
    return replace(row, file=file, number=number, line=number)
