from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from runtime.errors import DataError
from train.data import intake
from train.data.dedup import normalised
from train.data.intake import DROPPED_ROWS, KEY, PAIR_MARK, ROWS, dropped_rows, take_in
from train.data.ledger import Ledger
from train.data.row_steps import RowSteps
from train.data.sections import DataSection

STEPS = RowSteps(("fold_fullwidth",), ("one_character",), str)


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def rows(*texts: str, label: str = "a") -> list[dict[str, object]]:
    return [{"text": text, "label": label} for text in texts]


def ledger() -> Ledger:
    return Ledger(["unusable", "fold_fullwidth", "emptied", "one_character"])


def test_splits_stand_one_after_the_other_and_nothing_is_lost(tmp_path: Path) -> None:
    data = DataSection(
        train=write_jsonl(tmp_path / "train.jsonl", rows("ＡＢ好", "好", "", "不好")),
        test=write_jsonl(tmp_path / "test.jsonl", rows("坏", "很坏", label="b")),
    )
    books = ledger()
    taken = take_in(data, STEPS, "local", books, tmp_path)
    assert taken.counts == {"train": 2, "test": 1}
    assert taken.rows.table.schema.names == ROWS.names
    assert taken.rows.table.column("text").to_pylist() == ["AB好", "不好", "很坏"]
    assert taken.rows.table.column("number").to_pylist() == [1, 4, 2]
    assert [
        tuple(row.values())[:1] + tuple(row.values())[2:5] for row in taken.dropped.table.to_pylist()
    ] == [
        ("train", 2, "one_character", "is one character"),
        ("train", 3, "unusable", "has an empty 'text'"),
        ("test", 1, "one_character", "is one character"),
    ]
    assert books.rows_in == Counter(train=4, test=2)
    assert books.rows_in.total() == len(taken.rows) + len(taken.dropped) == 3 + books.dropped.total()
    assert books.labels_in == {"train": Counter(a=3), "test": Counter(b=2)}
    assert books.note.changed == Counter(fold_fullwidth=1)
    assert [file["rows"] for sources in taken.sources.values() for file in sources.files()] == [4, 2]


def test_pairs_are_compared_by_both_texts_and_where_one_ends(tmp_path: Path) -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("ab", "c！")]
    path = write_jsonl(
        tmp_path / "train.jsonl", [{"text": one, "other": two, "label": "a"} for one, two in pairs]
    )
    data = DataSection(train=path, text_pair="other")
    taken = take_in(data, RowSteps((), (), str), "local", ledger(), tmp_path)
    keys = taken.rows.table.column(KEY).to_pylist()
    assert keys == [f"{one}{PAIR_MARK}{two}" for one, two in pairs]
    forms = [normalised(key) for key in keys]
    assert forms[0] == forms[2] != forms[1]


@pytest.mark.parametrize("column", ["text", "other"])
def test_a_file_in_a_field_is_refused_with_its_row(tmp_path: Path, column: str) -> None:
    good: dict[str, object] = {"text": "很好", "other": "不错", "label": "a"}
    path = write_jsonl(tmp_path / "train.jsonl", [good, {**good, column: "好" * 1_000_001}])
    with pytest.raises(DataError, match=rf"train\.jsonl row 2 has 1,000,001 characters in '{column}'"):
        take_in(DataSection(train=path, text_pair="other"), STEPS, "local", ledger(), tmp_path)


def test_too_many_labels_are_refused_with_the_row_that_has_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_LABELS", 3)
    names = [{"text": "很好", "label": str(index)} for index in range(4)]
    data = DataSection(train=write_jsonl(tmp_path / "train.jsonl", names[:3]))  # type: ignore[arg-type]
    assert take_in(data, STEPS, "local", ledger(), tmp_path).counts == {"train": 3}
    data = DataSection(train=write_jsonl(tmp_path / "train.jsonl", names))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"more than 3 different labels up to .*\.jsonl row 4, which has '3'"):
        take_in(data, STEPS, "local", ledger(), tmp_path)


def test_dropped_rows_tell_what_they_were_compared_with_where_there_is_something() -> None:
    table = pa.table(
        {
            "file": ["x"],
            "number": [1],
            "step": ["s"],
            "reason": ["r"],
            "text": ["t"],
            "text_pair": ["p"],
            "label": ["a"],
        }
    )
    assert dropped_rows(table, "dev").schema == DROPPED_ROWS
    assert dropped_rows(table, "dev").to_pylist()[0]["of_file"] is None
    compared = table.append_column("of_file", pa.array(["y"])).append_column("of_number", pa.array([7]))
    found = list(dropped_rows(compared, "dev").to_pylist()[0].values())
    assert found == ["dev", "x", 1, "s", "r", "t", "p", "a", "y", 7]


def test_a_label_that_is_a_text_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_LABELS", 1)
    names: list[dict[str, object]] = [
        {"text": "很好", "label": f"{number}我的电话是13812340000请回电"} for number in range(2)
    ]
    data = DataSection(train=write_jsonl(tmp_path / "train.jsonl", names))
    with pytest.raises(DataError, match="row 2, which has '1我的电话是【手机号】请回电'"):
        take_in(data, STEPS, "local", ledger(), tmp_path)
