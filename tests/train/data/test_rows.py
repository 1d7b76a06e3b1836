from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from runtime.errors import DataError, RecipeError
from train.data.rows import Row, describe_files, read_rows, refuse
from train.data.sections import DataSection

TEXTS = [
    "房间很好",
    'NA, "quoted", 5 o\'clock',
    "null",
    "2024-05-01",
    "two\nlines",
    "emoji 👍🏽 and \u2028 separators\x0b",
    "  spaces kept  ",
    "x" * 200_000,
]
PLAIN = [text for text in TEXTS if "\n" not in text]


def write(path: Path, records: Sequence[tuple[str, str]]) -> Path:
    """Write (text, label) records in the format of the suffix."""
    columns = {"text": [text for text, _ in records], "label": [label for _, label in records]}
    if path.suffix == ".parquet":
        datasets.Dataset.from_dict(columns).to_parquet(str(path))
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix in (".jsonl", ".json"):
            file.writelines(
                json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n"
                for text, label in records
            )
        elif path.suffix == ".csv":
            csv.writer(file).writerows([("text", "label"), *records])
        else:
            file.writelines(f"{text}\t{label}\n" for text, label in [("text", "label"), *records])
    return path


def section(path: Path | str, **settings: object) -> DataSection:
    return DataSection.model_validate({"train": str(path), **settings})


def read(path: Path | str, **settings: object) -> list[Row]:
    return read_rows(section(path, **settings), "train")


def problem(path: Path | str, **settings: object) -> str:
    """Return the message of the DataError that reading must raise."""
    with pytest.raises(DataError) as raised:
        read(path, **settings)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet"])
def test_every_format_gives_back_what_was_written(tmp_path: Path, suffix: str) -> None:
    texts = PLAIN if suffix in (".tsv", ".txt") else TEXTS
    records = [(text, f"label {index % 3}") for index, text in enumerate(texts)]
    rows = read(write(tmp_path / f"rows{suffix}", records))
    assert [(row.text, row.label) for row in rows] == records


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip),
            st.sampled_from(["1", "NA", "x,y"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_text_survives_csv_and_its_rows_are_numbered(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, str]]
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "any.csv", records)
    rows = read(path)
    assert [(row.text, row.label) for row in rows] == records
    assert [row.number for row in rows] == list(range(2, len(records) + 2))
    lines = path.read_text(encoding="utf-8").split("\n")  # of which CR ends one too
    for row in rows:
        assert row.text[0] in lines[row.line - 1] or row.text[0] in '"\r\n'


def test_rows_are_counted_as_a_spreadsheet_and_lines_as_an_editor_does(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n\n"a\n\nb",1\n\nc,2\n"d",1\n', encoding="utf-8")
    rows = read(path)
    assert [(row.text, row.number, row.line) for row in rows] == [("a\n\nb", 3, 3), ("c", 5, 7), ("d", 6, 8)]
    assert rows[0].where == f"{path} row 3"
    assert rows[1].where == f"{path} row 5 (line 7)"


@pytest.mark.parametrize("suffix", [".jsonl", ".tsv"])
def test_blank_lines_are_skipped_and_counted(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"rows{suffix}", [("a", "1"), ("b", "2")])
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\n\n  \n"), encoding="utf-8")
    first = 1 if suffix == ".jsonl" else 4
    assert [row.number for row in read(path)] == [first, first + 3]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path, suffix: str) -> None:
    records = [("甲", "1"), ("乙", "2")]
    path = write(tmp_path / f"rows{suffix}", records)
    text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
    path.write_bytes(text.encode("utf-8-sig"))
    assert [(row.text, row.label) for row in read(path)] == records


def test_quotes_mean_nothing_in_tsv(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.tsv", [('"open', "1"), ('closed"', "2")])
    assert [row.text for row in read(path)] == ['"open', 'closed"']


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_files_without_a_header_take_their_columns_from_the_recipe(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"rows{suffix}", [("a", "1"), ("b", "2")])
    rows = read(path, columns=("words", "kind"), text="words", label="kind")
    assert [(row.text, row.number) for row in rows] == [("text", 1), ("a", 2), ("b", 3)]


def test_a_folder_is_all_its_data_files_by_name(tmp_path: Path) -> None:
    write(tmp_path / "b.csv", [("two", "1")])
    write(tmp_path / "a.jsonl", [("one", "2")])
    write(tmp_path / "c.parquet", [("three", "2")])
    (tmp_path / "README.md").write_text("no rows", encoding="utf-8")
    rows = read(tmp_path)
    assert [row.text for row in rows] == ["one", "two", "three"]
    assert [row.file for row in rows] == [str(tmp_path / name) for name in ("a.jsonl", "b.csv", "c.parquet")]


def test_names_that_look_like_patterns_are_names(tmp_path: Path) -> None:
    path = write(tmp_path / "rows[1]*.csv", [("right", "1")])
    write(tmp_path / "rows1.csv", [("wrong", "1")])
    assert [row.text for row in read(path)] == ["right"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [("before", "1")])
    assert read(path)[0].text == "before"
    write(path, [("behind", "1")])
    assert read(path)[0].text == "behind"


def test_pairs_come_from_two_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "one", "b": "two", "label": 0}\n', encoding="utf-8")
    row = read(path, text="a", text_pair="b")[0]
    assert row.input == ("one", "two")


@pytest.mark.parametrize(
    ("value", "label"),
    [("1", "1"), ('" a "', "a"), ("1.0", "1"), ("1.5", "1.5"), ("true", "true"), ("0", "0"), ("-1", "-1")],
)
def test_labels_become_text(tmp_path: Path, value: str, label: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "x", "label": {value}}}\n', encoding="utf-8")
    assert read(path)[0].label == label


def test_class_ids_with_names_give_the_names(tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    path = tmp_path / "rows.parquet"
    columns = {"text": ["a", "b"], "label": [1, 0]}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(str(path))
    assert [row.label for row in read(path)] == ["pos", "neg"]
    datasets.Dataset.from_dict(columns | {"label": [1, -1]}, features=features).to_parquet(str(path))
    assert "row 2 has no label" in problem(path)


def test_gaps_in_a_table_are_missing_values(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    columns = {"text": ["a", None, "c"], "label": [1.0, 0.0, float("nan")]}
    datasets.Dataset.from_dict(columns).to_parquet(str(path))
    message = problem(path)
    assert "row 2 has an empty 'text'" in message
    assert "row 3 has no label" in message


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_an_empty_text_is_refused_with_file_and_row(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"rows{suffix}", [("a", "1"), ("　 ", "2"), ("c", "1")])
    row = 2 if suffix in (".jsonl", ".parquet") else 3
    remedy = "correct or delete these rows, or let the command prepare drop them."
    assert problem(path) == f"{path} row {row} has an empty 'text'; {remedy}"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_missing_label_is_refused_with_file_and_row(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"rows{suffix}", [("a", "1"), ("b", "")])
    row = 2 if suffix in (".jsonl", ".parquet") else 3
    assert f"{path} row {row} has no label in 'label'" in problem(path)


def test_many_bad_rows_are_one_message(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [("", "1")] * 9 + [("a", "")])
    message = problem(path)
    assert message.count("has an empty") == 5
    assert "row 6 has an empty 'text' and 5 more; correct" in message


def test_bad_rows_of_all_files_are_collected(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write(tmp_path / name, [("", "1"), ("x", "1")])
    message = problem(tmp_path)
    assert "a.csv row 2" in message
    assert "b.csv row 2" in message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "x"}', "row 2 has no label in 'label'"),
        ('{"text": null, "label": 1}', "row 2 has an empty 'text'"),
        ('{"text": ["x"], "label": 1}', "row 2 has a list as 'text'"),
        ('{"text": true, "label": 1}', "row 2 has a bool as 'text'"),
        ('{"text": "x", "label": [1]}', "row 2 has a list as label"),
        ('{"text": "\\ud800", "label": 1}', "row 2 has half of a surrogate pair in 'text'"),
        ('{"text": "x", "label": "\\ud800"}', "row 2 has half of a surrogate pair in 'label'"),
        ('{"text": "x", "label": "  "}', "row 2 has no label in 'label'"),
        ("[" * 100_000, "row 2 is not JSON"),
        ('{"text": "x", "label": 1', "row 2 is not JSON"),
        ("[1, 2]", "row 2 is a JSON list; write one object per line"),
    ],
)
def test_a_bad_json_line_is_refused_with_its_row(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "a", "label": 1}}\n{line}\n', encoding="utf-8")
    assert f"{path} {message}" in problem(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,1\nb,2,3\n", "row 3 has 3 fields instead of 2 ('text', 'label')"),
        ("text,label\na,1\nb\n", "row 3 has 1 fields instead of 2"),
        ('text,label\n"a\nb",1\n"c"d,1\n', "row 3 (line 4) is malformed"),
        ('text,label\na,1\n"b,2\nc,3\n', "row 3 is malformed"),
        ("text,text,label\na,b,1\n", "row 1 names column 'text' twice"),
        ("text,label\n", "holds no rows"),
        ("", "holds no rows"),
    ],
)
def test_a_malformed_csv_is_refused_with_its_row(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content, encoding="utf-8")
    assert f"{path} {message}" in problem(path)


def test_a_tab_too_many_is_refused_instead_of_cutting_the_row(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.tsv", [("a\tb", "1")])
    assert "row 2 has 3 fields instead of 2" in problem(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": [], "label": []}, "holds no rows"),
        ({"text": ["a"], "label": [b"x"]}, "row 1 has a bytes as label 'label'"),
        ({"text": ["a"], "label": [dt.date(2024, 5, 1)]}, "row 1 has a date as label 'label'"),
    ],
)
def test_a_parquet_file_that_cannot_be_trained_on_says_why(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table(columns), path)
    assert f"{path} {message}" in problem(path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_column_names_for_a_file_that_has_them_are_refused(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"rows{suffix}", [("a", "1"), ("b", "2")])
    with pytest.raises(RecipeError, match=r"data\.columns repeats row 1 of .*leave data\.columns out"):
        read(path, columns=("text", "label"))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("setting", ["text", "label", "text_pair"])
def test_a_missing_column_names_those_there_and_the_nearest(
    tmp_path: Path, suffix: str, setting: str
) -> None:
    path = write(tmp_path / f"rows{suffix}", [("a", "1")])
    column = {"text": "texts", "label": "lable", "text_pair": "text2"}[setting]
    with pytest.raises(RecipeError) as raised:
        read(path, **{setting: column})
    message = str(raised.value)
    assert f"data.{setting}={column!r} is no column of {path}, which has 'text', 'label'" in message
    assert f"did you mean {'label' if setting == 'label' else 'text'!r}?" in message


def test_sample_rows_need_no_file() -> None:
    rows = read("sample:train")
    assert len(rows) >= 2000
    assert {row.label for row in rows} == {"正面", "负面"}
    assert rows[0].where == "sample:train row 1"


def test_files_are_described_by_digest_and_rows(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", [("one", "1"), ("two", "2")])
    write(tmp_path / "b.csv", [("three", "2")])
    found = describe_files(read(tmp_path))
    assert [(Path(file["path"]).name, file["rows"]) for file in found] == [("a.csv", 2), ("b.csv", 1)]
    assert found[0]["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()


def test_the_digest_of_rows_without_a_file_follows_their_content() -> None:
    rows = read("sample:dev")
    whole, part = describe_files(rows), describe_files(rows[1:])
    assert whole == describe_files(read("sample:dev"))
    assert whole[0]["sha256"] != part[0]["sha256"]


def test_no_problem_is_no_error() -> None:
    assert refuse([], "nothing") is None


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "settings", "count", "labels"),
    [
        ("chnsenticorp/train.tsv", {"text": "text_a"}, 9600, 2),
        ("cold/train.csv", {"text": "TEXT"}, 25726, 2),
        ("thucnews_titles/train_1w.txt", {"columns": ("label", "text")}, 10000, 10),
        ("iflytek_few/train_few_all.json", {"text": "sentence"}, 3024, 119),
        ("sib200_zh/zho_Hant_test.tsv", {"label": "category"}, 204, 7),
    ],
)
def test_published_sets_are_read_to_the_last_row(
    shared_data: Path, name: str, settings: dict[str, object], count: int, labels: int
) -> None:
    rows = read(shared_data / name, **settings)
    assert len(rows) == count
    assert len({row.label for row in rows}) == labels
    assert rows[-1].number == count + (0 if "columns" in settings or name.endswith("json") else 1)


@pytest.mark.parametrize("cell", ["房间很干净，服务也好，" * 4, "电话13812345678"])
def test_a_first_row_that_is_no_header_is_not_repeated(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{cell},1\n{cell},2\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"2 fields, seems to be no header; name its columns") as raised:
        read(path)
    assert cell[:12] not in str(raised.value)


def test_an_infinite_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": 1}\n{"text": "b", "label": Infinity}\n', encoding="utf-8")
    with pytest.raises(DataError, match="row 2 has an infinite number as label 'label'"):
        read(path)


def test_a_column_of_groups_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label,user,user\na,1,x,y\n", encoding="utf-8")
    assert f"{path} row 1 names column 'user' twice" in problem(path, group="user")
    assert [row.text for row in read(path)] == ["a"]


@pytest.mark.parametrize("invisible", ["\u200b", " \ufeff ", "\u00ad\u2060"])
def test_a_label_of_nothing_that_is_seen_is_none(tmp_path: Path, invisible: str) -> None:
    path = write(tmp_path / "rows.jsonl", [("a", "1"), ("b", invisible)])
    assert "row 2 has no label in 'label'" in problem(path)


def test_only_what_is_told_of_many_problems_is_worded() -> None:
    asked: list[int] = []

    def told(number: int) -> str:
        asked.append(number)
        return f"<{number}>"

    with pytest.raises(DataError, match="<0>, <1>, <2>, <3>, <4> and 995 more; mend them"):
        refuse(range(1000), "mend them", told)
    assert asked == [0, 1, 2, 3, 4]
