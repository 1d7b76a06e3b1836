from __future__ import annotations

import tomllib

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from train.data.checks.batch import Batch
from train.data.checks.finding import SHOWN_ROWS, Sightings, counted, overrides_of
from train.data.stream import SCHEMA


def batch(file: str, numbers: list[int]) -> Batch:
    rows = [
        {"text": "好", "label": "a", "file": file, "number": number, "line": number} for number in numbers
    ]
    return Batch("train", pa.RecordBatch.from_pylist(rows, schema=SCHEMA))


def test_sightings_name_the_first_rows_of_the_first_file_and_count_all() -> None:
    seen = Sightings()
    seen.add(batch("a.csv", [2, 3, 4]), np.array([False, False, False]))
    assert (seen.count, seen.file, seen.rows) == (0, None, [])
    seen.add(batch("b.csv", [2, 3, 4]), np.array([False, True, True]))
    seen.add(batch("b.csv", list(range(5, 105))), np.full(100, fill_value=True))
    seen.add(batch("c.csv", [2]), np.array([True]))
    assert (seen.count, seen.file) == (103, "b.csv")
    assert seen.rows == list(range(3, 3 + SHOWN_ROWS))


def test_one_is_singular() -> None:
    assert [counted(number, "row") for number in (1, 2, 1200)] == ["1 row", "2 rows", "1,200 rows"]


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.integers(0, 9999),
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    )
)
def test_a_setting_is_written_as_toml(value: object) -> None:
    (override,) = overrides_of({"data.text": value})
    assert tomllib.loads(override) == {"data": {"text": value}}
