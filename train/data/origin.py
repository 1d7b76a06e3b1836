"""Where rows of a prepared folder first stood, for people who look for them; it reads no texts of theirs.

`prepare` and `augment` write file and row number beside every row; a list that names their own file instead
sends a person to a parquet file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from train.data.prepared import is_prepared
from train.data.rows import Row, tables_of
from train.data.sections import DataSection


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
    numbers: dict[str, set[int]] = {}
    for row in rows:
        numbers.setdefault(row.file, set()).add(row.number)
    origins = {file: _origins(Path(file), wanted, data) for file, wanted in numbers.items()}
    return [_moved(row, origins[row.file]) for row in rows]


def _origins(path: Path, wanted: set[int], data: DataSection) -> dict[int, tuple[str, int]]:
    """Return number of a row → file and number that it had before."""
    if not path.is_file() or not is_prepared(path.parent):
        return {}
    ((_, table),) = tables_of(data, [path])
    if not {"file", "number"}.issubset(table.columns):
        return {}
    found = ((one.number, one.values) for one in table.records if one.number in wanted)
    return {number: (str(values["file"]), int(str(values["number"]))) for number, values in found}


def _moved(row: Row, origins: Mapping[int, tuple[str, int]]) -> Row:
    if row.number not in origins:
        return row
    file, number = origins[row.number]
    return replace(row, file=file, number=number, line=number)
