from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from train.config import Recipe
from train.data.datasheet import NOT_KNOWN, Preparation, markdown, print_counts, write_datasheet
from train.data.ledger import Ledger
from train.data.prepared import (
    DATASHEET,
    DROPPED,
    MARKDOWN,
    digest_of,
    file_of,
    write_parquet,
    write_split,
)
from train.data.row_steps import Note

ROWS = pa.RecordBatch.from_pydict({"text": ["好", "坏"], "label": ["a", "b"]})


def recipe(**sections: object) -> Recipe:
    given = {"data": {"train": "x.csv"}, "run": {"directory": "run"}, **sections}
    return Recipe.model_validate_json(json.dumps(given))


def preparation(chosen: Recipe, **settings: object) -> Preparation:
    ledger = Ledger(["unusable", "fold_fullwidth", "blank"])
    ledger.rows_in.update(train=9)
    ledger.rows_out.update(train=2, dev=2)
    ledger.dropped.update({("train", "unusable", "has no label"): 4, ("train", "blank", "shows|nothing"): 1})
    ledger.labels_in = {"train": Counter({"a|b": 3, "b": 2, "c": 1})}
    ledger.labels_out = {"train": Counter({"a|b": 1, "b": 1}), "dev": Counter({"a|b": 1, "b": 1})}
    ledger.note = Note(Counter(fold_fullwidth=3), Counter(mobile=2), {"fold_fullwidth": [("Ａ", "A")]})
    return Preparation(chosen, ("fold_fullwidth",), ledger, {}, {"dev": 0.5}, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split in ("train", "dev"):
        write_split(tmp_path, split, [ROWS])  # type: ignore[arg-type]
    write_parquet(tmp_path / DROPPED, ROWS.schema, [])
    return tmp_path


def test_the_datasheet_tells_rows_steps_labels_files_and_what_nobody_knows(folder: Path) -> None:
    content = write_datasheet(folder, preparation(recipe(prepare={"licences": ["CC0"]})))
    assert json.loads((folder / DATASHEET).read_text(encoding="utf-8")) == content
    assert content["files"] == {
        "train.parquet": {"sha256": digest_of(file_of(folder, "train")), "rows": 2},
        "dev.parquet": {"sha256": digest_of(file_of(folder, "dev")), "rows": 2},
        DROPPED: {"sha256": digest_of(folder / DROPPED), "rows": 5},
    }
    assert content["rows"] == {"in": {"train": 9}, "out": {"train": 2, "dev": 2}, "dropped": 5}
    assert sum(content["rows"]["in"].values()) == sum(content["rows"]["out"].values()) + 5
    assert [count["dropped"] for count in content["steps"]] == [4, 0, 1]
    assert content["dropped"][0] == {
        "split": "train",
        "step": "unusable",
        "reason": "has no label",
        "rows": 4,
    }
    assert content["labels"]["before"] == {"train": {"a|b": 3, "b": 2, "c": 1}}
    assert content["personal_data"] == {"mode": "detect", "found": {"mobile": 2}}
    assert content["licences"] == ["CC0"]
    assert content["not_known"] == list(NOT_KNOWN)
    assert content["settings"]["prepare"]["near_duplicates"] == 0.7
    assert set(content["versions"]) >= {"python", "unicode", "pyarrow"}


def test_a_row_with_several_labels_counts_for_each(folder: Path) -> None:
    content = write_datasheet(folder, preparation(recipe(prepare={"label_separator": "|"})))
    assert content["labels"]["before"] == {"train": {"a": 3, "b": 5, "c": 1}}


def test_the_page_holds_every_count_of_the_json(folder: Path) -> None:
    content = write_datasheet(folder, preparation(recipe()))
    page = (folder / MARKDOWN).read_text(encoding="utf-8")
    for name, file in content["files"].items():
        assert f"| {name.split('.')[0]} | {file['rows']} | `{name}` | `{file['sha256'][:12]}` |" in page
    for count in content["steps"]:
        assert f"| {count['step']} | {count['rows']} | {count['changed']} | {count['dropped']} |" in page
    assert "| train | blank | shows\\|nothing | 1 |" in page
    assert "| fold_fullwidth | Ａ | A |" in page
    assert "| a\\|b | 3 | 1 | 1 |\n| b | 2 | 1 | 1 |\n" in page
    assert "dev 0.5." in page
    assert "mobile: 2." in page
    assert "the recipe tells none" in page
    for item in NOT_KNOWN:
        assert f"- {item}\n" in page
    assert "\n\n\n" not in page


def test_the_page_of_many_labels_shows_the_most_frequent(folder: Path) -> None:
    prepared = preparation(recipe())
    counts = Counter({f"label {index:03}": 100 + index for index in range(60)})
    prepared.ledger.labels_in = prepared.ledger.labels_out = {"train": counts}
    page = markdown(write_datasheet(folder, prepared))
    assert "| label 059 | 159 | 159 |" in page
    assert "| label 009 |" not in page
    assert "10 rarer labels are in `datasheet.json`." in page


def test_beside_encrypted_rows_no_text_is_shown(folder: Path) -> None:
    content = write_datasheet(folder, preparation(recipe(protection={"encrypt": True})))
    assert content["samples"] == {}
    assert "Ａ" not in (folder / MARKDOWN).read_text(encoding="utf-8")


def test_the_counts_go_to_standard_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_counts(write_datasheet(folder, preparation(recipe())))
    captured = capsys.readouterr()
    assert captured.out == ""
    for word in ("unusable", "fold_fullwidth", "dropped", "dev"):
        assert word in captured.err
