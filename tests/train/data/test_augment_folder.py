"""The folder reads as a prepared one, its new rows are marked, and labels are counted without them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from train.data.augment_folder import write_augmented
from train.data.augment_rows import Augmented
from train.data.loader import Splits
from train.data.prepared import section_of
from train.data.rows import Row, read_rows
from train.data.sections import DataSection
from train.run import staged
from train.section import SPLITS

ACCOUNT = {
    "kept": True,
    "judge": "linear",
    "difference": 0.02,
    "standard_error": 0.005,
    "trials": [
        {
            "seed": 42,
            "made": 1,
            "without": {"accuracy": 0.8, "macro_f1": 0.8},
            "augmented": {"accuracy": 0.82, "macro_f1": 0.82},
        }
    ],
}


def row(text: str, label: str, number: int, pair: str | None = None) -> Row:
    return Row(text, pair, label, "a.csv", number, number)


def write(folder: Path, data: DataSection, pair: str | None = None) -> Path:
    train = [row("很好|吃", "b", 2, pair), row("太差", "a", 3, pair), row("还行", "b", 4, pair)]
    splits = Splits(train, [row("好", "b", 2, pair)], [row("差", "a", 2, pair)], ("a", "b"))
    made = [Augmented(row("差太", "a", 3, pair), "swap")]
    with staged(folder / "augmented") as staging:
        write_augmented(staging, data, splits, made, ACCOUNT)
    return folder / "augmented"


@pytest.mark.parametrize("pair", [None, "第二句"])
def test_it_is_read_as_a_prepared_folder(tmp_path: Path, pair: str | None) -> None:
    given = DataSection(
        train="a.csv",
        text="review",
        group="user",
        text_pair="other" if pair else None,
        normalizers=("compose",),
    )
    data = section_of(write(tmp_path, given, pair), given)
    assert (data.text, data.group, data.normalizers) == ("text", None, ("compose",))
    assert [(one.text, one.label, one.text_pair) for one in read_rows(data, "train")] == [
        (text, label, pair) for text, label in (("很好|吃", "b"), ("太差", "a"), ("还行", "b"), ("差太", "a"))
    ]
    assert [one.text for split in ("dev", "test") for one in read_rows(data, split)] == ["好", "差"]


def test_new_rows_stand_last_and_say_what_they_were_made_from(tmp_path: Path) -> None:
    rows = pq.read_table(write(tmp_path, DataSection(train="a.csv")) / "train.parquet").to_pylist()
    assert [(one["augmented_from"], one["method"]) for one in rows] == [(None, None)] * 3 + [
        ("a.csv row 3", "swap")
    ]
    assert (rows[3]["file"], rows[3]["number"]) == ("a.csv", 3)


def test_rows_of_a_prepared_folder_keep_the_place_where_they_first_stood(tmp_path: Path) -> None:
    given = DataSection(train="a.csv")
    first = section_of(write(tmp_path, given), given)
    splits = Splits(*(read_rows(first, split) for split in SPLITS), labels=("a", "b"))
    made = [Augmented(replace(splits.train[1], text="差太了"), "swap")]
    with staged(tmp_path / "again") as staging:
        write_augmented(staging, first, splits, made, ACCOUNT)
    rows = pq.read_table(tmp_path / "again" / "train.parquet").to_pylist()
    assert [(one["file"], one["number"]) for one in rows] == [("a.csv", number) for number in (2, 3, 4, 3, 3)]
    assert rows[-1]["augmented_from"] == "a.csv row 3"
    sheet = json.loads((tmp_path / "again" / "datasheet.json").read_text(encoding="utf-8"))
    assert [one["path"] for one in sheet["sources"]["train"]] == [first.train]


def test_the_datasheet_counts_labels_without_new_rows(tmp_path: Path) -> None:
    folder = write(tmp_path, DataSection(train="a.csv"))
    sheet: dict[str, Any] = json.loads((folder / "datasheet.json").read_text(encoding="utf-8"))
    assert sheet["labels"]["after"]["train"] == {"a": 1, "b": 2}
    assert sheet["augmented"] == {"rows": 1, "labels": {"a": 1}}
    assert sheet["files"]["train.parquet"]["rows"] == 4
    assert sheet["augmentation"] == ACCOUNT
    page = (folder / "datasheet.md").read_text(encoding="utf-8")
    assert "| a | 1 | 0 | 1 | 1 |" in page
    assert "| 42 | 0.8000 | 0.8200 |" in page
    assert "很好" not in page


def test_without_test_rows_there_is_no_file_for_them(tmp_path: Path) -> None:
    train = [row("很好", "b", 2), row("太差", "a", 3)]
    with staged(tmp_path / "augmented") as staging:
        write_augmented(
            staging,
            DataSection(train="a.csv"),
            Splits(train, train, [], ("a", "b")),
            [Augmented(train[0], "swap")],
            ACCOUNT,
        )
    names = {path.name for path in (tmp_path / "augmented").iterdir()}
    assert names == {"train.parquet", "dev.parquet", "datasheet.json", "datasheet.md"}
