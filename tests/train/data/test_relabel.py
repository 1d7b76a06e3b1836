"""A list comes back as it was filled in, however it was saved, and is refused where it fits no rows."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import DataError, UsageError
from train.data import relabel as module
from train.data.relabel import (
    COLUMNS,
    Correction,
    Suspect,
    changes_of,
    digest_of,
    filled_in,
    read_corrections,
    relabelled,
    relabelled_batches,
    write_suspects,
)
from train.data.rows import Row
from train.data.stream import SCHEMA

LABELS = ("好", "坏", "-1")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def row(text: str, number: int = 2, label: str = "好", pair: str | None = None) -> Row:
    return Row(text, pair, label, "data/train.csv", number, number)


def suspect(one: Row) -> Suspect:
    return Suspect(one, "坏", 0.125, 0.75, is_issue=True)


def fill(path: Path, new: dict[int, str], encoding: str = "utf-8-sig", delimiter: str = ",") -> Path:
    """Fill in new labels by rank, as a spreadsheet would save the list."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for line in rows:
        line["new_label"] = new.get(int(line["rank"]), "")
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, COLUMNS, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(written.getvalue().encode(encoding))
    return path


@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_any_text_survives_the_list(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("list") / "label_issues.csv"
    rows = [row(text, number) for number, text in enumerate(texts, start=2)]
    write_suspects(path, map(suspect, rows))
    found = read_corrections(fill(path, dict.fromkeys(range(1, len(rows) + 1), "坏")), LABELS, "drop")
    assert changes_of(path, found, rows, rows) == {("data/train.csv", one.number): "坏" for one in rows}


def test_a_spreadsheet_opens_it_and_takes_no_text_for_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "run" / "label_issues.csv"
    write_suspects(path, [suspect(row("=1+1", pair="@b")), suspect(row('很好, "真"\n的'))])
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert path.stat().st_mode & 0o077 == 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == list(COLUMNS)
    assert (first["text"], first["text_pair"]) == ("'=1+1", "'@b")
    assert second["text"] == '很好, "真"\n的'
    assert [first[name] for name in ("rank", "label", "suggested", "issue", "new_label")] == [
        "1",
        "好",
        "坏",
        "yes",
        "",
    ]
    assert (first["label_confidence"], first["suggested_confidence"]) == ("0.1250", "0.7500")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_list_is_read_however_it_was_saved(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "list.csv"
    rows = [row("房间很好，真的", 2), row("太差", 7, "坏"), row("还行", 9)]
    write_suspects(path, map(suspect, rows))
    found = read_corrections(fill(path, {1: " 坏 ", 2: "drop"}, encoding, delimiter), LABELS, "drop")
    assert [(one.line, one.place[1], one.label) for one in found] == [(2, 2, "坏"), (3, 7, None)]
    assert [one.digest for one in found] == [digest_of(one) for one in rows[:2]]


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ({}, "has no new_label filled in"),
        ({1: "好好"}, r"list\.csv row 2 has the unknown new_label '好好' \(did you mean '好'\?\)"),
        ({2: "dropp"}, r"did you mean 'drop'"),
    ],
)
def test_a_list_without_known_labels_is_refused(tmp_path: Path, new: dict[int, str], message: str) -> None:
    path = tmp_path / "list.csv"
    write_suspects(path, [suspect(row("一")), suspect(row("二", 3))])
    with pytest.raises(DataError, match=message):
        read_corrections(fill(path, new), LABELS, "drop")


def test_what_is_no_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with pytest.raises(UsageError, match=r"noise\.apply=.* cannot be read"):
        read_corrections(path, LABELS, "drop")
    path.write_text("text,label\n很好,好\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column file, row, new_label, digest"):
        read_corrections(path, LABELS, "drop")
    path.write_bytes(b"\xff\xff\x00")
    with pytest.raises(DataError, match="neither UTF-8, UTF-16 nor GB 18030"):
        read_corrections(path, LABELS, "drop")
    path.write_text("file,row,new_label,digest\na.csv,zwei,好,x\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 2 has no row number"):
        read_corrections(path, LABELS, "drop")


def test_the_word_that_drops_must_be_no_label(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"noise\.drop_word='好' is a label or"):
        read_corrections(tmp_path / "list.csv", LABELS, "好")
    with pytest.raises(UsageError, match="begins or ends with a blank"):
        read_corrections(tmp_path / "list.csv", LABELS, " ")


def test_labels_and_files_that_look_like_formulas_are_defused_and_found_again(tmp_path: Path) -> None:
    path, given = tmp_path / "list.csv", Row("很好", None, "=1+1", "-x.csv", 2, 2)
    write_suspects(path, [suspect(given)])
    [line] = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    assert (line["label"], line["file"]) == ("'=1+1", "'-x.csv")
    [found] = read_corrections(fill(path, {1: "好"}), LABELS, "drop")
    assert found.place == ("-x.csv", 2)


def test_lines_filled_in_are_counted_and_what_is_no_list_has_none(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    assert filled_in(path) == 0
    write_suspects(path, [suspect(row("一")), suspect(row("二", 3))])
    assert filled_in(path) == 0
    assert filled_in(fill(path, {1: "好"})) == 1
    path.write_text("text,label\n很好,好\n", encoding="utf-8")
    assert filled_in(path) == 0


def test_what_hangs_or_overflows_a_reader_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no regular file"):
        read_corrections(tmp_path / "pipe", LABELS, "drop")
    path = tmp_path / "list.csv"
    path.write_text("x" * 300_000 + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column file, row, new_label, digest"):
        read_corrections(path, LABELS, "drop")
    path.write_text(f"file,row,new_label,digest\na.csv,{'9' * 5000},好,x\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 2 has no row number"):
        read_corrections(path, LABELS, "drop")


def test_only_problems_that_are_shown_cost_a_search_among_the_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list.csv"
    write_suspects(path, [suspect(row("一", number)) for number in range(2, 42)])
    asked: list[str] = []
    monkeypatch.setattr(module, "nearest", lambda word, _: str(asked.append(word)))
    with pytest.raises(DataError, match="and 35 more"):
        read_corrections(fill(path, dict.fromkeys(range(1, 41), "新")), LABELS, "drop")
    assert len(asked) == 5


def test_rows_that_changed_are_gone_or_are_named_twice_are_refused() -> None:
    path, given = Path("list.csv"), row("房间很好")
    right = Correction(2, ("data/train.csv", 2), digest_of(given), "坏")
    assert changes_of(path, [right, right], [given], [given]) == {right.place: "坏"}
    for wrong, message in (
        (
            Correction(3, ("data/train.csv", 2), digest_of(row("别的")), "坏"),
            "row 3 names .* another text now",
        ),
        (Correction(3, ("data/train.csv", 2), digest_of(row("房间很好", pair="")), "坏"), "another text now"),
        (Correction(4, ("data/train.csv", 99), digest_of(given), "坏"), "row 4 names .* no training row"),
        (Correction(5, ("data/train.csv", 2), digest_of(given), None), "row 5 gives .* a second new_label"),
    ):
        with pytest.raises(DataError, match=message):
            changes_of(path, [right, wrong], [given], [given])


def test_a_label_that_the_row_has_is_no_change() -> None:
    rows = [row("一", 2), row("二", 3), row("三", 4)]
    corrections = [
        Correction(at, (one.file, one.number), digest_of(one), label)
        for at, (one, label) in enumerate(zip(rows, ("好", "坏", None), strict=True), start=2)
    ]
    found = changes_of(Path("list.csv"), corrections, rows, rows)
    assert found == {("data/train.csv", 3): "坏", ("data/train.csv", 4): None}
    with pytest.raises(DataError, match="a second new_label"):
        changes_of(
            Path("list.csv"),
            [corrections[0], Correction(5, ("data/train.csv", 2), digest_of(rows[0]), "坏")],
            rows,
            rows,
        )


def test_a_row_is_named_by_the_place_the_list_shows_and_changed_where_it_is_read() -> None:
    """An augmented row shares the place of the row it was made from; the digest tells them apart."""
    read = [replace(row(text, number), file="prepared.parquet") for number, text in enumerate("一二", 1)]
    shown = [row("一", 73), row("二", 73)]
    correction = Correction(2, ("data/train.csv", 73), digest_of(shown[1]), "坏")
    assert changes_of(Path("list.csv"), [correction], read, shown) == {("prepared.parquet", 2): "坏"}
    wrong = Correction(2, ("prepared.parquet", 2), digest_of(shown[1]), "坏")
    with pytest.raises(DataError, match="no training row"):
        changes_of(Path("list.csv"), [wrong], read, shown)


def test_rows_and_batches_get_the_same_labels() -> None:
    rows = [row(text, number) for number, text in enumerate("一二三", start=2)]
    changes: dict[tuple[str, int], str | None] = {("data/train.csv", 2): "坏", ("data/train.csv", 3): None}
    batch = pa.RecordBatch.from_pylist(
        [
            {"text": one.text, "label": one.label, "file": one.file, "number": one.number, "line": one.line}
            for one in rows
        ],
        schema=SCHEMA,
    )
    (found,) = relabelled_batches([batch], changes)
    assert found.schema == SCHEMA
    expected = [("一", "坏"), ("三", "好")]
    assert list(zip(found["text"].to_pylist(), found["label"].to_pylist(), strict=True)) == expected
    assert [(one.text, one.label) for one in relabelled(rows, changes)] == expected
