from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import DataError, RecipeError
from train.data.rows import MOST_CHARACTERS, read_rows
from train.data.sections import DataSection
from train.data.stream import SCHEMA, read_batches


def section(path: Path, **settings: object) -> DataSection:
    return DataSection.model_validate({"train": str(path), **settings})


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def table(data: DataSection, rows_at_once: int = 3) -> pa.Table:
    return pa.Table.from_batches(read_batches(data, "train", rows_at_once), SCHEMA)


@given(
    st.lists(st.tuples(st.text(min_size=1).filter(str.strip), st.sampled_from("ab")), min_size=1, max_size=9)
)
def test_usable_rows_are_those_that_training_reads(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("stream") / "train.jsonl"
    data = section(write_jsonl(path, [{"text": text, "label": label} for text, label in rows]))
    found = table(data).to_pylist()
    assert [(row["text"], row["label"], row["number"]) for row in found] == [
        (row.text, row.label, row.number) for row in read_rows(data, "train")
    ]
    assert {row["problem"] for row in found} == {None}


@pytest.mark.parametrize("rows_at_once", [1, 2, 100])
def test_the_size_of_batches_changes_no_row(tmp_path: Path, rows_at_once: int) -> None:
    rows: list[dict[str, object]] = [{"text": f"第{i}天", "label": str(i % 2)} for i in range(7)]
    data = section(write_jsonl(tmp_path / "train.jsonl", rows))
    batches = list(read_batches(data, "train", rows_at_once))
    assert max(map(len, batches)) <= rows_at_once
    assert pa.Table.from_batches(batches).column("text").to_pylist() == [row["text"] for row in rows]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"text": " ", "label": "a"}, "has an empty 'text'"),
        ({"text": None, "label": "a"}, "has an empty 'text'"),
        ({"text": ["x"], "label": "a"}, "has a list as 'text' where text is needed"),
        ({"text": "好"}, "has no label in 'label'"),
        ({"text": "\ud800", "label": "a"}, "has half of a surrogate pair in 'text'"),
        (
            {"text": "好" * (MOST_CHARACTERS + 1), "label": "a"},
            "has 1,000,001 characters in 'text', more than",
        ),
    ],
)
def test_a_row_that_cannot_be_used_says_why_and_stops_nothing(
    tmp_path: Path, row: dict[str, object], problem: str
) -> None:
    good: dict[str, object] = {"text": "很好", "label": "b"}
    found = table(section(write_jsonl(tmp_path / "train.jsonl", [good, row, good]))).to_pylist()
    assert [bool(one["problem"]) for one in found] == [False, True, False]
    assert found[1]["problem"].startswith(problem)
    assert found[1]["number"] == 2


def test_groups_come_from_their_column(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": "好", "label": "a", "user": 7}, {"text": "坏", "label": "b"}]
    data = section(write_jsonl(tmp_path / "train.jsonl", rows), group="user")
    assert table(data).column("group").to_pylist() == ["7", ""]


def test_a_file_without_the_column_of_groups_is_refused(tmp_path: Path) -> None:
    data = section(write_jsonl(tmp_path / "train.jsonl", [{"text": "好", "label": "a"}]), group="user")
    with pytest.raises(RecipeError, match=r"data\.group='user' is no column"):
        table(data)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("text,label\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no rows"):
        table(section(path))


def test_the_sample_has_batches_too() -> None:
    found = pa.Table.from_batches(read_batches(DataSection(train="sample:train"), "train"))
    assert len(found) == len(read_rows(DataSection(train="sample:train"), "train"))


def test_groups_are_equal_whatever_type_their_columns_have(tmp_path: Path) -> None:
    texts = pa.array(["一", "二", "三"]), pa.array(["a", "b", "a"])
    whole, gap = pa.array([1, 2, 3]), pa.array([1.0, None, 3.0])
    found = []
    for name, users in (("whole", whole), ("gap", gap)):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.Table.from_arrays([*texts, users], names=["text", "label", "user"]), path)
        found.append(table(section(path, group="user")).column("group").to_pylist())
    path = tmp_path / "blank.csv"
    path.write_text("text,label,user\n一,a, 1 \n二,b,\n,a,3.0\n", encoding="utf-8")
    found.append(table(section(path, group="user")).column("group").to_pylist())
    assert found == [["1", "2", "3"], ["1", "", "3"], ["1", "", "3"]]


@pytest.mark.parametrize(
    ("value", "group"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ('"1.0"', "1"),
        ('" 1 "', "1"),
        ("1.5", "1.5"),
        ('"v1.0"', "v1.0"),
        ("null", ""),
        ("NaN", ""),
        ("true", "true"),
        ('"\\ud800"', "?"),
    ],
)
def test_groups_become_text_as_labels_do(tmp_path: Path, value: str, group: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "x", "label": "a", "user": {value}}}\n', encoding="utf-8")
    for data, expected in ((section(path, group="user"), group), (section(path), None)):
        assert read_rows(data, "train")[0].group == expected
        assert table(data).column("group").to_pylist() == [expected]
