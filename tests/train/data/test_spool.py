from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.data.spool import Spool, SpoolWriter, Texts

SCHEMA = pa.schema([("text", pa.string()), ("number", pa.int64())])
Rows = st.lists(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 9)), max_size=5), max_size=5)


def written(path: Path, parts: list[list[tuple[str, int]]]) -> Spool:
    with SpoolWriter(path, SCHEMA) as writer:
        for part in parts:
            columns = [[text for text, _ in part], [number for _, number in part]]
            writer.write(
                pa.RecordBatch.from_arrays(list(map(pa.array, columns, SCHEMA.types)), schema=SCHEMA)
            )
    assert writer.rows == sum(map(len, parts))
    return Spool(path)


@given(Rows, st.integers(1, 7))
def test_what_is_written_comes_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[tuple[str, int]]], rows_at_once: int
) -> None:
    spool = written(tmp_path_factory.mktemp("spool") / "rows.arrow", parts)
    rows = [row for part in parts for row in part]
    assert len(spool) == len(rows)
    found = []
    for start, batch in spool.batches(rows_at_once):
        assert start == len(found)
        assert 0 < len(batch) <= rows_at_once
        found += [tuple(row.values()) for row in batch.to_pylist()]
    assert found == rows


def test_rows_outlive_the_file_they_are_mapped_from(tmp_path: Path) -> None:
    spool = written(tmp_path / "rows.arrow", [[("好", 1)] * 1000])
    (tmp_path / "rows.arrow").unlink()
    assert spool.table.column("text").to_pylist() == ["好"] * 1000


@given(st.lists(st.lists(st.text(max_size=3), max_size=4), max_size=4), st.data())
def test_texts_are_a_sequence_like_their_list(parts: list[list[str]], data: st.DataObject) -> None:
    texts = Texts(pa.chunked_array(parts, pa.string()))
    expected = [text for part in parts for text in part]
    assert len(texts) == len(expected)
    assert list(texts) == expected
    start, stop = data.draw(st.integers(-6, 20)), data.draw(st.integers(-6, 20))
    step = data.draw(st.sampled_from([None, 1, 2, -1]))
    assert texts[start:stop:step] == expected[start:stop:step]
    if expected:
        at = data.draw(st.integers(-len(expected), len(expected) - 1))
        assert texts[at] == expected[at]
