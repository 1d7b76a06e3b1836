"""Rows of a prepared folder are named by the file and row they were read from; all others stay."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.errors import DataError
from runtime.keys import new_key, read_key
from train.data.origin import Origins, at_origin
from train.data.prepared import write_split
from train.data.rows import Row, read_rows
from train.data.sections import DataSection
from train.run import write_json

ROWS = [
    {"text": "很好", "label": "好", "file": "first.csv", "number": 73},
    {"text": "太差", "label": "坏", "file": "first.csv", "number": 5},
    {"text": "还行", "label": "好", "file": "second.csv", "number": 9},
]


def prepared(folder: Path, key: bytes | None = None) -> Path:
    """Write a folder with training rows and a datasheet."""
    folder.mkdir()
    write_split(folder, "train", [pa.RecordBatch.from_pylist(ROWS)], key)
    write_json(folder / "datasheet.json", {})
    return folder / ("train.parquet" if key is None else "train.parquet.enc")


@pytest.mark.parametrize("encrypted", [False, True])
def test_prepared_rows_get_the_place_they_were_read_from(tmp_path: Path, encrypted: bool) -> None:
    key_file = str(new_key(tmp_path / "a.key"))
    path = prepared(tmp_path / "prepared", read_key(key_file, "") if encrypted else None)
    data = DataSection(train=str(path), key_file=key_file)
    rows = read_rows(data, "train")
    assert [row.where for row in rows] == [f"{path} row {number}" for number in (1, 2, 3)]
    found = at_origin([rows[2], rows[0]], data)
    assert [row.where for row in found] == ["second.csv row 9", "first.csv row 73"]
    assert [row.text for row in found] == ["还行", "很好"]


def test_other_rows_stay_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"  # whose columns mean something else
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    data = DataSection(train=str(path))
    rows = [*read_rows(data, "train"), Row("很好", None, "好", "sample:train", 1, 1)]
    assert at_origin(rows, data) == rows
    assert at_origin([], data) == []


def test_a_prepared_file_without_places_leaves_them(tmp_path: Path) -> None:
    folder = tmp_path / "prepared"
    folder.mkdir()
    write_split(folder, "train", [pa.RecordBatch.from_pylist([{"text": "很好", "label": "好"}])])
    write_json(folder / "datasheet.json", {})
    data = DataSection(train=str(folder / "train.parquet"))
    rows = read_rows(data, "train")
    assert at_origin(rows, data) == rows


def test_places_are_looked_up_for_each_file_by_itself(tmp_path: Path) -> None:
    one, two = (str(prepared(tmp_path / name)) for name in ("one", "two"))
    files = pa.array([two, "other.csv", one, None, two], pa.string())
    numbers = pa.array([1, 8, 3, None, 2], pa.int64())
    found = Origins(DataSection(train=one)).of(files, numbers)
    places = list(zip(*(column.to_pylist() for column in found), strict=True))
    expected = [("first.csv", 73), ("other.csv", 8), ("second.csv", 9), (None, None), ("first.csv", 5)]
    assert places == expected


def test_no_rows_have_no_places(tmp_path: Path) -> None:
    path = str(prepared(tmp_path / "prepared"))
    none = Origins(DataSection(train=path)).of(pa.array([], pa.string()), pa.array([], pa.int64()))
    assert [len(column) for column in none] == [0, 0]


def test_a_prepared_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = prepared(tmp_path / "prepared")
    path.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as parquet"):
        Origins(DataSection(train=str(path))).of(pa.array([str(path)]), pa.array([1]))
